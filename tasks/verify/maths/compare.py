"""Whether two answers are the same, as far as that can be told for certain and at once.

What cannot be read in just one way, or not to its end, is left open: None.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from tasks.verify.maths.arithmetic import sign
from tasks.verify.maths.formula import Formula, read
from tasks.verify.maths.limits import refuse_endless
from tasks.verify.maths.numbers import clean, number, same
from tasks.verify.maths.pieces import NAME, SIGN, STRICT, UNCLEAR, Parts, intervals, is_less, parts, split, unwrapped
from tasks.verify.maths.quantities import measured, quantity, same_time
from tasks.verify.maths.sampling import difference, multiples, same_formula, same_zeros
from tasks.verify.maths.spelling import respell

_STRUCTURE: Final = re.compile(
    r"[,;=<>]|(?<![a-zA-Z\\])(?:and|or)|"
    r"\\(?:[{}]|text|le|ge|lt|gt|leq|geq|leqslant|geqslant|cup|pm|in|infty|approx|begin)(?![a-zA-Z])"
)
"""An answer with none of these is one formula."""
_INFINITE: Final = re.compile(r"-? ?\\infty")
_LETTERS: Final = re.compile(r"[a-zA-Z]{2,3}")
_PROSE: Final = re.compile(r"(?=.*[A-Za-z]{4})[^\\=]*")
"""Words in no LaTeX; beside a number they are another answer, if they are no unit."""
_LONGEST: Final = 4_000
"""Characters of an answer that is taken apart."""
_MOST: Final = 50
"""Parts of it, for each is compared with each."""
_DEEPEST: Final = 8


class _Relation(NamedTuple):
    """`=`, `<` or `<=` between a formula and zero, and the name that stands before an equals sign."""

    sign: str
    formula: Formula
    name: str = ""


def same_answer(reference: str, answer: str) -> bool | None:
    """Whether two answers are the same, or None where no rule tells for certain.

    Raises:
        TooLargeError: a number in them would take too long to find, or too many digits to tell from the other; or no
            rule tells, and math-verify would not come to an end.
    """
    told = same(reference, answer)
    if told is not None:
        return told
    left, right = clean(reference), clean(answer)
    told = _same_cleaned(left, right)
    if told is None:
        for text in (left, right):
            refuse_endless(respell(text))
    return told


def _same_cleaned(left: str, right: str) -> bool | None:
    told = same_time(left, right)
    if told is not None or max(len(left), len(right)) > _LONGEST:
        return told
    gold, given = quantity(left), quantity(right)
    if gold.unit and given.unit and gold.unit.measure != given.unit.measure:
        return None
    told = _same(respell(gold.value), respell(measured(given, gold.unit)), _DEEPEST)
    prose = _PROSE.fullmatch(right) and not given.unit
    return False if told is None and prose and number(gold.value) else told


def _same(left: str, right: str, depth: int) -> bool | None:
    told = same(left, right)
    if told is not None or not depth:
        return told
    if _STRUCTURE.search(left) or _STRUCTURE.search(right):
        inner = intervals(*unwrapped(left, right))
        return _same(*inner, depth - 1) if inner != (left, right) else _taken_apart(left, right, depth - 1)
    return None if _LETTERS.fullmatch(left) and _LETTERS.fullmatch(right) else _same_formulas(left, right)


def _same_formulas(left: str, right: str) -> bool | None:
    first, second = read(left), read(right)
    return same_formula(first, second) if first and second else None


def _taken_apart(left: str, right: str, depth: int) -> bool | None:
    first, second = parts(left), parts(right)
    if first and second:
        return _same_parts(first, second, depth)
    if first or second:
        return _same_as_one(first, right, depth) if first else second and _same_as_one(second, left, depth)
    infinite = [_INFINITE.fullmatch(text) is not None for text in (left, right)]
    if any(infinite):
        readable = all(infinite) or read(left) or read(right)
        return left.replace(" ", "") == right.replace(" ", "") if readable else None
    signs = [len(split(text, SIGN)) > 1 for text in (left, right)]
    if any(signs):
        return _same_relation(left, right) if all(signs) else None
    return _same_formulas(left, right)  # `\sum_{k=1}^n` has a sign in it, but is none


def _same_parts(first: Parts, second: Parts, depth: int) -> bool | None:
    kinds = first.kind, second.kind
    if UNCLEAR in kinds or max(len(first.items), len(second.items)) > _MOST:
        return None
    if kinds in (("set", "set"), ("union", "union")):
        told = _same_set(first.items, second.items, depth)
        return told if kinds[0] == "set" else told or None  # unions may overlap
    if kinds[0] == kinds[1] or all(kind.startswith("matrix") for kind in kinds):
        return kinds[0] == kinds[1] and _same_list(first.items, second.items, depth)
    intervals_ = all(len(kind) == 2 for kind in kinds) and len(first.items) == len(second.items) == 2
    return False if intervals_ else None


def _same_as_one(several: Parts, other: str, depth: int) -> bool | None:
    """A set beside an answer that is none: `{5}` is 5, and two different numbers are not one."""
    if several.kind != "set" or not several.items:
        return None
    if len(several.items) == 1:
        return _same(several.items[0], other, depth)
    return False if read(other) and _same(several.items[0], several.items[1], depth) is False else None


def _same_list(first: Sequence[str], second: Sequence[str], depth: int) -> bool | None:
    if len(first) != len(second):
        return False
    told = [_same(one, other, depth) for one, other in zip(first, second, strict=True)]
    return False if False in told else None if None in told else True


def _same_set(first: Sequence[str], second: Sequence[str], depth: int) -> bool | None:
    if len(first) != len(second):
        return False if len(set(first)) == len(first) and len(set(second)) == len(second) else None
    left = list(second)
    for one in first:
        told = [_same(one, other, depth) for other in left]
        if True not in told:
            return None if None in told else False
        left.pop(told.index(True))
    return True


def _same_relation(left: str, right: str) -> bool | None:
    """Two equations or inequalities, each of two sides; `x = 1` is not `y = 1`."""
    first, second = _relation(left), _relation(right)
    if first is None or second is None or first.sign != second.sign:
        return None
    if first.sign == "=":
        single = len(first.formula.names) == len(second.formula.names) == 1
        renamed = first.name and second.name and first.name != second.name
        return False if renamed and single else same_zeros(first.formula, second.formula)
    factor = multiples(first.formula, second.formula)
    return sign(factor) > 0 if factor is not None and sign(factor) else None


def _relation(text: str) -> _Relation | None:
    """An equation or inequality of two sides."""
    pieces = split(text, SIGN)
    sides = [read(piece) for piece in pieces]
    if len(sides) != 2 or sides[0] is None or sides[1] is None:
        return None
    between = text.removeprefix(pieces[0]).removesuffix(pieces[1]).strip()
    if between == "=":
        return _Relation("=", difference(sides[0], sides[1]), pieces[0] if NAME.fullmatch(pieces[0]) else "")
    lesser, greater = sides if is_less(between) else reversed(sides)
    return _Relation("<" if between in STRICT else "<=", difference(lesser, greater)) if lesser and greater else None
