r"""Answers as text, taken apart: lists, sets, tuples, intervals, matrices, the sides of equations.

Braces and brackets of all kinds count alike, for `[0, 1)` is an interval.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

EQUALS: Final = re.compile(r"(?<![<>!:\\])=(?!=)")
SIGN: Final = re.compile(rf"{EQUALS.pattern}|<=|>=|<|>|\\(?:le|ge|leq|geq|lt|gt|leqslant|geqslant)(?![a-zA-Z])")
STRICT: Final = frozenset({"<", ">", r"\lt", r"\gt"})
NAME: Final = re.compile(r"(?!e$|i$|\\pi|\\infty)(?:\\[a-zA-Z]+|[a-zA-Z])(?:_(?:\{[^{}]*\}|\w))?")
UNCLEAR: Final = "?"

_BRACKET: Final = re.compile(r"\\[{}]|[()\[\]{}]")
_OPENING: Final = frozenset({"(", "[", "{", "\\{"})
_COMMA: Final = re.compile(r"[,;]|,? ?\\text ?\{ ?(?:and|or) ?\}|,? ?(?<![a-zA-Z\\])(?:and|or)(?![a-zA-Z])")
_CUP: Final = re.compile(r"\\cup(?![a-zA-Z])")
_PLUS_MINUS: Final = re.compile(r"\\pm(?![a-zA-Z])")
_APPROX: Final = re.compile(r"\\approx(?![a-zA-Z])")
_MEMBER: Final = re.compile(rf"{NAME.pattern} ?\\in(?![a-zA-Z]) ?")
_LABEL: Final = re.compile(
    rf"{NAME.pattern}(?: ?'| ?\( ?[a-zA-Z](?: ?, ?[a-zA-Z])* ?\))?|\( ?[a-zA-Z](?: ?, ?[a-zA-Z])+ ?\)|\|[A-Z]+\|"
)
_THOUSANDS: Final = re.compile(r"\d,\d{3}(?!\d)")
_MATRIX: Final = re.compile(
    r"[(\[]? ?\\begin ?\{(?P<kind>[pbB]?matrix|array)\}(?: ?\{[^{}]*\})?"
    r"(?P<rows>(?:(?!\\begin).)*)\\end ?\{(?P=kind)\} ?[)\]]?",
    re.DOTALL,
)


class Parts(NamedTuple):
    """What an answer consists of. `kind`: `set`, `union`, `matrix of n columns`, two brackets, or UNCLEAR."""

    kind: str
    items: Sequence[str]


def split(text: str, separator: re.Pattern[str]) -> list[str]:
    """The pieces between separators that stand in no brackets."""
    cuts = [(*match.span(), 0) for match in separator.finditer(text)]
    if not cuts:
        return [text]
    brackets = [(*one.span(), 1 if one[0] in _OPENING else -1) for one in _BRACKET.finditer(text)]
    pieces, depth, begin = [], 0, 0
    for start, end, step in sorted(cuts + brackets):
        depth += step
        if not step and not depth and start >= begin:
            pieces.append(text[begin:start].strip())
            begin = end
    return [*pieces, text[begin:].strip()]


def parts(text: str) -> Parts | None:
    """What a text consists of; None if it is one thing."""
    matrix = _MATRIX.fullmatch(text)
    if matrix:
        rows = [row.split("&") for row in matrix["rows"].split(r"\\") if row.strip()]
        width = max(map(len, rows), default=0)
        return Parts(f"matrix of {width} columns", [entry.strip() for row in rows for entry in row])
    pieces = split(text, _CUP)
    if len(pieces) > 1:
        return Parts("union", pieces)
    items = split(text, _COMMA)
    if len(items) > 1 or len(split(text, _PLUS_MINUS)) > 1:
        return Parts(UNCLEAR if _THOUSANDS.search(text) else "set", _expanded(items))
    return _bracketed(text)


def unwrapped(left: str, right: str) -> tuple[str, str]:
    r"""`y = 2x` beside `2x` is `2x`, and `x \in S` is `S`.

    As math-verify has it: an equation in the answer stands for its last side, one in the reference only if it names it.
    """
    left, right = (_exact(_MEMBER.sub("", text, count=1) if _MEMBER.match(text) else text) for text in (left, right))
    sides = _sides(left), _sides(right)
    labels = [_LABEL.fullmatch(own[0]) if len(own) > 1 else None for own in sides]
    if len(sides[0]) == 1 < len(sides[1]):
        return left, sides[1][-1]
    if len(sides[1]) == 1 < len(sides[0]) and labels[0]:
        return sides[0][-1], right
    if labels[0] and labels[1] and sides[0][0].replace(" ", "") == sides[1][0].replace(" ", ""):
        return sides[0][-1], sides[1][-1]
    return left, right


def intervals(left: str, right: str) -> tuple[str, str]:
    r"""Write what says between which numbers a variable lies as an interval: `x > 5` is `(5, \infty)`."""
    first, second = _interval(left), _interval(right)
    if first and second and (first[0] == second[0] or not (first[0] and second[0])):
        return first[1], second[1]
    return left, right


def is_less(sign: str) -> bool:
    """Whether a sign has the smaller number on its left."""
    return "l" in sign or "<" in sign


def _interval(text: str) -> tuple[str, str] | None:
    """The variable and the interval; no variable where there is no sign, and None if it is not solved for one."""
    pieces = split(text, SIGN)
    if len(pieces) == 1:
        return "", text
    signs = [match.group() for match in SIGN.finditer(text)]
    rising = set(map(is_less, signs))
    if len(rising) != 1 or "=" in signs or len(signs) != len(pieces) - 1 or len(pieces) > 3:
        return None
    if rising == {False}:
        pieces, signs = pieces[::-1], signs[::-1]
    names = [place for place, piece in enumerate(pieces) if NAME.fullmatch(piece)]
    if len(names) != 1 or (len(pieces) == 3 and names != [1]):
        return None
    place = names[0]
    start = f"{'(' if signs[0] in STRICT else '['}{pieces[0]}" if place else r"(-\infty"
    end = f"{pieces[-1]}{')' if signs[-1] in STRICT else ']'}" if place < len(pieces) - 1 else r"\infty)"
    return pieces[place], f"{start}, {end}"


def _sides(text: str) -> list[str]:
    """The sides of an equation; a list of several has none as a whole, but `x = 1, 2` has."""
    sides = split(text, EQUALS)
    if len(sides) == 1:
        return sides
    items = split(text, _COMMA)
    return sides if len(items) == 1 or (len(sides) == 2 and "=" in items[0]) else [text]


def _exact(text: str) -> str:
    r"""The value that is said to be about another; `x \approx 11` is 11."""
    sides = split(text, _APPROX)
    return sides[0] if len(sides) == 1 or not _LABEL.fullmatch(sides[0]) else sides[-1]


def _bracketed(text: str) -> Parts | None:
    """What stands in brackets, of which the first is closed by the last; a single thing in round ones is no tuple."""
    depth, brackets = 0, list(_BRACKET.finditer(text))
    if not brackets or brackets[0].start() or brackets[-1].end() != len(text) or brackets[0][0] == "{":
        return None
    for bracket in brackets:
        depth += 1 if bracket[0] in _OPENING else -1
        if not depth and bracket is not brackets[-1]:
            return None
    items = split(text[brackets[0].end() : brackets[-1].start()], _COMMA)
    if brackets[0][0] == r"\{":
        return Parts("set", _expanded(items))
    unclear = _THOUSANDS.search(text) or r"\pm" in text
    return Parts(UNCLEAR if unclear else brackets[0][0] + brackets[-1][0], items) if len(items) > 1 else None


def _expanded(items: Sequence[str]) -> list[str]:
    r"""`1 \pm a` as `1 + a` and `1 - a`."""
    signs = ("+", "-")
    return [item.replace(r"\pm", sign) for item in items if item for sign in (signs if r"\pm" in item else signs[:1])]
