"""math-verify on one pair of answers, with guards against the wrong verdicts it is known for.

Runs in a worker only: importing it loads sympy, and its own time-outs (signals, which fail off the main thread and stop
no C loop) are off. Faults named by number are issues of huggingface/Math-Verify.
"""

import logging
import re
import sys
from functools import lru_cache
from typing import Any, Final

import sympy  # type: ignore[import-untyped]
from math_verify import parse, verify
from math_verify.grader import is_relation
from math_verify.parser import LatexExtractionConfig
from sympy.core.relational import Relational  # type: ignore[import-untyped]

from schemas.tables import Status
from tasks.verify.contract import CORRECT, Outcome, incorrect
from tasks.verify.maths.numbers import clean, same
from tasks.verify.maths.quantities import measured, quantity
from tasks.verify.maths.spelling import respell

Parsed = Any
"""What math-verify makes of an answer; sympy has no types."""

_TARGETS: Final = (LatexExtractionConfig(),)
_PRIME: Final = re.compile(r"(?<=[a-zA-Z)])'+")
_PRECISION: Final = 30
_BITS: Final = 90
"""Of the 100 that 30 digits have; fewer are left where a value is not known so well."""
_SAME: Final = 1e-20
_EXACT: Final = 1e-9
_ROUNDED: Final = 1e-3


def prepare() -> None:
    """Have this process ready for the first pair: grammar loaded, warnings of math-verify off, integers unbounded."""
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    sys.set_int_max_str_digits(0)
    check(r"\frac{x}{2}", "0.5 x")


def check(reference: str, answer: str) -> Outcome:
    """Say whether `answer` is mathematically the same as `reference`.

    Raises:
        Exception: whatever sympy raises on this pair; the caller makes it an `error`.
    """
    gold, given = (quantity(clean(text)) for text in (reference, answer))
    texts = respell(gold.value), respell(measured(given, gold.unit))
    equal = same(*texts)
    if equal is None:
        expected, found = map(_parsed, texts)
        if expected is None:
            return Outcome(Status.UNVERIFIABLE, "the reference cannot be read as mathematics")
        if found is None:
            return incorrect("the answer cannot be read as mathematics")
        equal = len({tuple(_PRIME.findall(text)) for text in texts}) == 1 and _equal(expected, found)
    if not equal:
        return incorrect("not the same as the reference")
    if gold.unit and given.unit and gold.unit.measure != given.unit.measure:
        return Outcome(Status.UNVERIFIABLE, f"the same value, but in other words: {given.unit.measure}")
    return CORRECT


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Parsed | None:
    """Parse the whole text as one formula, for no part (`50` of `50 + x`) may stand for it; None if it is none."""
    parsed = parse(f"${text}$", _TARGETS, parsing_timeout=None, raise_on_error=True)
    # Its last item is the text itself, which could match on its own.
    return parsed[0] if parsed and not isinstance(parsed[0], str) else None


def _equal(expected: Parsed, found: Parsed) -> bool:
    expected, found = map(_region, (expected, found))
    if all(isinstance(side, sympy.FiniteSet) for side in (expected, found)):
        return _same_set(expected, found)
    told = _same_value(expected, found) if all(map(_is_constant, (expected, found))) else None
    if told is not None:
        return told
    solved = isinstance(expected, sympy.Set) and is_relation(found) and _is_solved(found)
    equal = verify(expected, found, timeout_seconds=None, raise_on_error=True, allow_set_relation_comp=solved)
    if equal and all(isinstance(side, sympy.Eq) and side.free_symbols for side in (expected, found)):
        return _is_solvable(expected) or _equal(expected.lhs - expected.rhs, found.lhs - found.rhs)
    return equal and (not all(map(_is_constant, (expected, found))) or _near(expected, found))


def _is_solvable(equation: Parsed) -> bool:
    """Any two equations without real solutions were found equal."""
    return bool(sympy.solve(equation, equation.free_symbols))


def _is_constant(side: Parsed) -> bool:
    return isinstance(side, sympy.Expr) and not side.free_symbols


def _same_value(expected: Parsed, found: Parsed) -> bool | None:
    """Integrals and sums by their values, for symbols may take forever; None where digits are uncertain."""
    left, right = values = [side.evalf(_PRECISION) for side in (expected, found)]
    digits = [digit for value in values for digit in value.atoms(sympy.Float)]
    known = all(value.is_number and value.is_finite for value in values) and all(one._prec > _BITS for one in digits)
    if not known or expected.has(sympy.Float) or found.has(sympy.Float):
        return None
    return bool(abs(left - right) <= _SAME * max(abs(left), abs(right)))


def _same_set(expected: Parsed, found: Parsed) -> bool:
    """In any order; a subset is not the set (#47)."""
    left = list(found.args)
    for one in expected.args:
        match = next((place for place, other in enumerate(left) if _equal(one, other)), None)
        if match is None:
            return False
        left.pop(match)
    return not left


def _region(side: Parsed) -> Parsed:
    """`x < 3 or x > 5`, which is read as a set of inequalities, as the numbers that it holds for."""
    if not isinstance(side, sympy.FiniteSet):
        return side
    solved = all(isinstance(part, Relational) and _is_solved(part) for part in side.args)
    return sympy.Union(*(part.as_set() for part in side.args)) if solved else side


def _is_solved(relation: Parsed) -> bool:
    """Whether it says between which numbers a variable lies, and no more."""
    parts = relation.args if isinstance(relation, sympy.And) else (relation,)
    return all(part.lhs.is_Symbol != part.rhs.is_Symbol and len(part.free_symbols) == 1 for part in parts)


def _near(expected: Parsed, found: Parsed) -> bool:
    """A second look at constants: tiny ones (#14) and 1 ± 1/e (PR 82) were found equal that are not."""
    left, right = (sympy.N(side.doit(), _PRECISION) for side in (expected, found))
    if not (left.is_number and right.is_number and left.is_finite and right.is_finite):
        return bool(left == right)
    rounded = expected.has(sympy.Float) or found.has(sympy.Float)
    return bool(abs(left - right) <= (_ROUNDED if rounded else _EXACT) * max(abs(left), abs(right)))
