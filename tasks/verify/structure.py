r"""Answers taken apart: equations, sets, tuples, intervals, matrices, whose parts are numbers, words and formulas.

What cannot be read in just one way, or not to its end, is left open: `None`.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from tasks.verify.arithmetic import is_real
from tasks.verify.formula import Formula, read
from tasks.verify.numbers import clean, number, same
from tasks.verify.quantities import measured, quantity, same_time
from tasks.verify.sampling import difference, multiples, same_formula, same_zeros
from tasks.verify.spelling import respell

_BRACKET: Final = re.compile(r"\\[{}]|[()\[\]{}]")
_OPENING: Final = frozenset({"(", "[", "{", "\\{"})
_COMMA: Final = re.compile(r"[,;]|,? ?\\text ?\{ ?(?:and|or) ?\}|,? ?(?<![a-zA-Z\\])(?:and|or)(?![a-zA-Z])")
_CUP: Final = re.compile(r"\\cup(?![a-zA-Z])")
_EQUALS: Final = re.compile(r"(?<![<>!:\\])=(?!=)")
_APPROX: Final = re.compile(r"\\approx(?![a-zA-Z])")
_ORDER: Final = re.compile(r"(<=|>=|<|>|\\(?:le|ge|leq|geq|lt|gt|leqslant|geqslant)(?![a-zA-Z]))")
_SIGN: Final = re.compile(rf"({_EQUALS.pattern}|{_ORDER.pattern[1:]}")
_THOUSANDS: Final = re.compile(r"\d,\d{3}(?!\d)")
_NAME: Final = re.compile(r"(?:\\[a-zA-Z]+|[a-zA-Z])(?:_(?:\{[^{}]*\}|\w))?")
_LABEL: Final = re.compile(rf"{_NAME.pattern}(?: ?'| ?\( ?[a-zA-Z](?: ?, ?[a-zA-Z])* ?\))?|\( ?[a-zA-Z](?: ?, ?[a-zA-Z])+ ?\)|\|[A-Z]+\|")
_MEMBER: Final = re.compile(rf"{_NAME.pattern} ?\\in(?![a-zA-Z]) ?")
_MATRIX: Final = re.compile(
    r"[(\[]? ?\\begin ?\{(?P<kind>[pbB]?matrix|array)\}(?: ?\{[^{}]*\})?(?P<rows>(?:(?!\\begin).)*)\\end ?\{(?P=kind)\} ?[)\]]?",
    re.DOTALL,
)
_PROSE: Final = re.compile(r"(?=.*[A-Za-z]{4})[^\\=]*")
"""Words in no LaTeX; beside a number they are another answer, if they are no unit."""
_STRUCTURE: Final = re.compile(
    r"[,;=<>]|\\(?:[{}]|text|le|ge|lt|gt|leq|geq|leqslant|geqslant|cup|pm|in|infty|approx|begin)(?![a-zA-Z])|(?<![a-zA-Z\\])(?:and|or)"
)
_LETTERS: Final = re.compile(r"[a-zA-Z]{2,3}")
_INFINITE: Final = re.compile(r"-? ?\\infty")
_STRICT: Final = frozenset({"<", ">", r"\lt", r"\gt"})
_PLUS_MINUS: Final = re.compile(r"\\pm(?![a-zA-Z])")
_CONSTANTS: Final = frozenset({"e", "i", r"\pi", r"\infty"})
_LONGEST: Final = 4_000
"""Characters of an answer that is taken apart."""
_MOST: Final = 50
"""Parts of it, for each is compared with each."""
_DEEPEST: Final = 8


class _Relation(NamedTuple):
    """`=`, `<` or `<=` of a formula and zero, and the name before the sign."""

    sign: str
    difference: Formula
    name: str


class Parts(NamedTuple):
    """What an answer consists of: `kind` is `set`, `union`, `matrix of n columns`, two brackets, or `?` where unclear."""

    kind: str
    items: Sequence[str]


def same_answer(reference: str, answer: str) -> bool | None:
    """Whether two answers are the same, or None where no rule tells for certain.

    Raises:
        TooLarge: a number in them would take too long to find, or too many digits to tell from the other.
    """
    told = same(reference, answer)
    if told is not None:
        return told
    left, right = clean(reference), clean(answer)
    told = same_time(left, right)
    if told is not None or max(len(left), len(right)) > _LONGEST:
        return told
    gold, given = quantity(left), quantity(right)
    if gold.unit and given.unit and gold.unit.measure != given.unit.measure:
        return None
    told = _equal(respell(gold.value), respell(measured(given, gold.unit)), _DEEPEST)
    prose = _PROSE.fullmatch(right) and not given.unit
    return False if told is None and prose and number(gold.value) else told


def _equal(left: str, right: str, depth: int) -> bool | None:
    told = same(left, right)
    if told is not None or not depth:
        return told
    if _STRUCTURE.search(left) or _STRUCTURE.search(right):
        return _taken_apart(left, right, depth)
    if _LETTERS.fullmatch(left) and _LETTERS.fullmatch(right):
        return None
    formulas = read(left), read(right)
    return same_formula(*formulas) if formulas[0] and formulas[1] else None


def _taken_apart(left: str, right: str, depth: int) -> bool | None:
    inner = _intervals(*_unwrapped(left, right))
    if inner != (left, right):
        return _equal(*inner, depth - 1)
    first, second = _parts(left), _parts(right)
    if first and second:
        return _same_parts(first, second, depth - 1)
    if first or second:
        return _same_as_one(first, right, depth - 1) if first else second and _same_as_one(second, left, depth - 1)
    infinite = [_INFINITE.fullmatch(text) is not None for text in (left, right)]
    if all(infinite):
        return left.replace(" ", "") == right.replace(" ", "")
    if any(infinite):
        return False if read(left) or read(right) else None
    signs = [len(_split(text, _SIGN)) > 1 for text in (left, right)]
    if any(signs):
        return _same_relation(left, right) if all(signs) else None
    formulas = read(left), read(right)  # `\sum_{k=1}^n` has a sign in it, but is none
    return same_formula(*formulas) if formulas[0] and formulas[1] else None


def _unwrapped(left: str, right: str) -> tuple[str, str]:
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


def _sides(text: str) -> list[str]:
    """The sides of an equation; a list of several has none as a whole, but `x = 1, 2` has."""
    items = _split(text, _COMMA)
    sides = _split(text, _EQUALS)
    return sides if len(items) == 1 or (len(sides) == 2 and "=" in items[0]) else [text]


def _exact(text: str) -> str:
    r"""The value that is said to be about another; `x \approx 11` is 11."""
    sides = _split(text, _APPROX)
    return sides[0] if len(sides) == 1 or not _LABEL.fullmatch(sides[0]) else sides[-1]


def _intervals(left: str, right: str) -> tuple[str, str]:
    r"""Write what says between which numbers a variable lies as an interval: `x > 5` is `(5,\infty)`."""
    found = [_interval(text) if _ORDER.search(text) else ("", text) for text in (left, right)]
    if found[0] and found[1] and (found[0][0] == found[1][0] or not (found[0][0] and found[1][0])):
        return found[0][1], found[1][1]
    return left, right


def _interval(text: str) -> tuple[str, str] | None:
    """The variable and the interval."""
    pieces = [piece.strip() for piece in _ORDER.split(text)]
    rising = set(map(_is_less, pieces[1::2]))
    if len(rising) != 1 or len(pieces) > 5:
        return None
    if rising == {False}:
        pieces.reverse()
    names = [place for place, piece in enumerate(pieces) if place % 2 == 0 and _NAME.fullmatch(piece) and piece not in _CONSTANTS]
    if len(names) != 1 or (len(pieces) == 5 and names != [2]):
        return None
    name = names[0]
    low, high = pieces[:name], pieces[name + 1 :]
    start = f"{'(' if low[1] in _STRICT else '['}{low[0]}" if low else r"(-\infty"
    end = f"{high[1]}{')' if high[0] in _STRICT else ']'}" if high else r"\infty)"
    return pieces[name], f"{start}, {end}"


def _parts(text: str) -> Parts | None:
    matrix = _MATRIX.fullmatch(text)
    if matrix:
        rows = [row.split("&") for row in matrix["rows"].split(r"\\") if row.strip()]
        return Parts(f"matrix of {max(map(len, rows), default=0)} columns", [entry for row in rows for entry in row])
    pieces = _split(text, _CUP)
    if len(pieces) > 1:
        return Parts("union", pieces)
    items = _split(text, _COMMA)
    if len(items) > 1 or len(_split(text, _PLUS_MINUS)) > 1:
        return Parts("?" if _THOUSANDS.search(text) else "set", _expanded(items))
    opening, closing = _enclosing(text)
    if not opening:
        return None
    items = _split(text[len(opening) : -len(closing)], _COMMA)
    if opening == r"\{":
        return Parts("set", _expanded(items))
    if len(items) < 2:
        return None
    return Parts("?" if _THOUSANDS.search(text) or r"\pm" in text else opening + closing, items)


def _enclosing(text: str) -> tuple[str, str]:
    """The brackets around a whole text, of which the first is closed by the last."""
    depth = 0
    brackets = list(_BRACKET.finditer(text))
    if not brackets or brackets[0].start() or brackets[-1].end() != len(text) or brackets[0].group() == "{":
        return "", ""
    for bracket in brackets:
        depth += 1 if bracket.group() in _OPENING else -1
        if not depth and bracket is not brackets[-1]:
            return "", ""
    return brackets[0].group(), brackets[-1].group()


def _expanded(items: Sequence[str]) -> list[str]:
    """`1 \\pm a` as `1 + a` and `1 - a`."""
    both = ((item.replace(r"\pm", "+"), item.replace(r"\pm", "-")) if r"\pm" in item else (item,) for item in items if item)
    return [item for pair in both for item in pair]


def _split(text: str, separator: re.Pattern[str]) -> list[str]:
    """The pieces between separators that stand in no brackets."""
    cuts = [(match.start(), match.end(), 0) for match in separator.finditer(text)]
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


def _same_parts(first: Parts, second: Parts, depth: int) -> bool | None:
    kinds = first.kind, second.kind
    if "?" in kinds or max(len(first.items), len(second.items)) > _MOST:
        return None
    if kinds[0] == kinds[1] in ("set", "union"):
        told = _same_set(first.items, second.items, depth)
        return told if kinds[0] == "set" else told or None
    if kinds[0] == kinds[1] or all(kind.startswith("matrix") for kind in kinds):
        return kinds[0] == kinds[1] and _same_list(first.items, second.items, depth)
    ends = all(len(kind) == 2 for kind in kinds) and len(first.items) == len(second.items) == 2
    return False if ends else None


def _same_as_one(parts: Parts, other: str, depth: int) -> bool | None:
    """A set beside an answer that is none: `{5}` is 5, and two different numbers are not one."""
    if parts.kind != "set" or not parts.items:
        return None
    if len(parts.items) == 1:
        return _equal(parts.items[0], other, depth)
    return False if read(other) and _equal(parts.items[0], parts.items[1], depth) is False else None


def _same_list(first: Sequence[str], second: Sequence[str], depth: int) -> bool | None:
    if len(first) != len(second):
        return False
    told = [_equal(one, other, depth) for one, other in zip(first, second, strict=True)]
    return False if False in told else None if None in told else True


def _same_set(first: Sequence[str], second: Sequence[str], depth: int) -> bool | None:
    if len(first) != len(second):
        return False if len(set(first)) == len(first) and len(set(second)) == len(second) else None
    left = list(second)
    for one in first:
        told = [_equal(one, other, depth) for other in left]
        if True not in told:
            return None if None in told else False
        left.pop(told.index(True))
    return True


def _same_relation(left: str, right: str) -> bool | None:
    """Two equations or inequalities, each of two sides; `x = 1` is not `y = 1`."""
    found = _relation(left), _relation(right)
    if found[0] is None or found[1] is None or found[0].sign != found[1].sign:
        return None
    zeros = found[0].difference, found[1].difference
    if found[0].sign == "=":
        names = [one.name for one in found if one and one.name]
        apart = len(names) == 2 and names[0] != names[1] and len(zeros[0].names) == len(zeros[1].names) == 1
        return False if apart else same_zeros(*zeros)
    factor = multiples(*zeros)
    return None if factor is None or not is_real(factor) else bool(factor > 0)


def _relation(text: str) -> _Relation | None:
    """What is zero in an equation, or not positive in an inequality."""
    pieces = _split(text, _SIGN)
    sides = [read(piece) for piece in pieces]
    if len(sides) != 2 or sides[0] is None or sides[1] is None:
        return None
    sign = text.removeprefix(pieces[0]).removesuffix(pieces[1]).strip()
    if sign == "=":
        return _Relation("=", difference(sides[0], sides[1]), pieces[0] if _NAME.fullmatch(pieces[0]) else "")
    less = difference(*((sides[0], sides[1]) if _is_less(sign) else (sides[1], sides[0])))
    return _Relation("<" if sign in _STRICT else "<=", less, "")


def _is_less(sign: str) -> bool:
    return "l" in sign or "<" in sign
