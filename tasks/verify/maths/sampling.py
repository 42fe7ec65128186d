"""Equality of formulas by evaluating them: constants to many digits, formulas with variables at a few points.

Two that differ agree at a random point with probability 0 (for polynomials: Schwartz, J. ACM 27, 1980). So this tells
in microseconds what simplifying tells slowly or, for some formulas, never.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Final

from tasks.verify.maths.arithmetic import (
    MP,
    TooLargeError,
    UndefinedError,
    Value,
    add,
    close,
    divide,
    fraction,
    is_real,
    may_be_rounded,
    multiply,
    sign,
)
from tasks.verify.maths.formula import Formula
from tasks.verify.maths.grammar import LOG, Point
from tasks.verify.maths.numbers import equal

_FACTORS: Final = tuple(1 / MP.ln(base) for base in (MP.e, 10, 2))
"""What times a natural logarithm is one to a usual base."""
_POINTS: Final = 8
_ENOUGH: Final = 3
_PRIMES: Final = (7, 3, 11, 5, 13, 19, 17, 23, 29, 37, 31, 41, 47, 43, 53, 61, 59, 67, 73, 71)
_GRID: Final = tuple(Fraction(top, 10) for top in (-401, -101, -41, -21, -11, -5, 1, 5, 11, 21, 41, 101, 401))
_FINE: Final = Fraction(1, 2**40)
_CLEARLY: Final = 1e-4
"""A value this far from zero is no zero, not even beside one that is known to 2^-40."""


def same_formula(first: Formula, second: Formula) -> bool | None:
    """Whether two formulas are equal wherever both are real; None where evaluating them does not tell for certain.

    Open is left what decimals in a formula may have been rounded from, formulas of which one is real where the other
    is not (`2 ln x`, `ln x^2`), and what differs to some bases of a logarithm.

    Raises:
        TooLargeError: as `tasks.verify.maths.arithmetic.close`, of constants.
    """
    return _to_any_base(_same_formula, first, second)


def _same_formula(first: Formula, second: Formula) -> bool | None:
    if first.names or second.names:
        told = _same_at_points(first, second)
        return told or None if first.decimal or second.decimal else told
    left, right = _value(first, {}), _value(second, {})
    if left is None or right is None:
        return None
    if not (first.decimal or second.decimal):
        return close(left, right)
    if first.literal or second.literal:
        rounded = fraction(left), fraction(right)
        return None if rounded[0] is None or rounded[1] is None else equal(rounded[0], rounded[1])
    return close(left, right) or (None if may_be_rounded(left, right) else False)


def difference(first: Formula, second: Formula) -> Formula:
    """The first less the second."""
    return Formula(
        lambda point: add(first.at(point), multiply(Fraction(-1), second.at(point))),
        first.names | second.names,
        decimal=first.decimal or second.decimal,
        imaginary=first.imaginary or second.imaginary,
    )


def multiples(first: Formula, second: Formula) -> Value | None:
    """By what number the first is a multiple of the second, so that both are zero at the same points; None by none."""
    ratios = []
    for point in _points(first, second):
        left, right = _value_at(first, point), _value_at(second, point)
        if left and right:
            ratios.append(divide(left, right))
    alike = len(ratios) >= _ENOUGH and all(close(ratios[0], other) for other in ratios)
    return ratios[0] if alike else None


def same_zeros(first: Formula, second: Formula) -> bool | None:
    """Whether two formulas are zero at the same points; None where that does not show.

    They are if one is a multiple of the other. Else zeros of each are put into the other.
    """
    return _to_any_base(_same_zeros, first, second)


def _to_any_base(same: Callable[[Formula, Formula], bool | None], first: Formula, second: Formula) -> bool | None:
    """What is so to every base that a logarithm written without one may have."""
    if LOG not in first.names | second.names:
        return same(first, second)
    told = {same(_to_base(first, factor), _to_base(second, factor)) for factor in _FACTORS}
    return told.pop() if len(told) == 1 else None


def _to_base(formula: Formula, factor: Value) -> Formula:
    return formula._replace(at=lambda point: formula.at({**point, LOG: factor}), names=formula.names - {LOG})


def _same_zeros(first: Formula, second: Formula) -> bool | None:
    if multiples(first, second) is not None:
        return True
    told = [_zeros_within(first, second), _zeros_within(second, first)]
    return False if False in told else True if told == [True, True] else None


def _zeros_within(first: Formula, second: Formula) -> bool | None:
    """Whether the second is zero where the first is. False is certain; True takes zeros that are exact."""
    met = 0
    for point in _points(first, second):
        for name in sorted(first.names):
            exact = _straight_zero(first, point, name)
            zero = _crossing(first, point, name) if exact is None else exact
            value = None if zero is None else _value_at(second, {**point, name: zero})
            known = exact is not None and isinstance(value, Fraction)
            if value is not None and abs(value) > (0 if known else _CLEARLY):
                return False
            met += known
    return True if met >= _ENOUGH else None


def _straight_zero(formula: Formula, point: Point, name: str) -> Fraction | None:
    """Where the formula is zero along a variable of which it is linear."""
    start, middle, end = (_value_at(formula, {**point, name: Fraction(place)}) for place in (1, 2, 4))
    if not (isinstance(start, Fraction) and isinstance(middle, Fraction) and isinstance(end, Fraction)):
        return None
    slope = middle - start
    return 1 - start / slope if slope and end - middle == 2 * slope else None


def _crossing(formula: Formula, point: Point, name: str) -> Fraction | None:
    """Very close to where the formula crosses zero along a variable, by bisection; a pole is no such place."""

    def side(place: Fraction) -> int:
        value = _value_at(formula, {**point, name: place})
        return 0 if value is None else sign(value)

    for low, high in pairwise(_GRID):
        below = side(low)
        if below * side(high) < 0:
            start, end = low, high
            while end - start > _FINE:
                middle = (start + end) / 2
                start, end = (middle, end) if side(middle) == below else (start, middle)
            value = _value_at(formula, {**point, name: start})
            if value is not None and abs(value) < _CLEARLY:
                return start
    return None


def _same_at_points(first: Formula, second: Formula) -> bool | None:
    met = 0
    for point in _points(first, second):
        left, right = _value_at(first, point), _value_at(second, point)
        if left is None or right is None:
            continue
        real = is_real(left), is_real(right)
        if not all(real) and not (first.imaginary or second.imaginary):
            if any(real):
                return None
            continue
        told = close(left, right)
        if told is False:
            return False
        met += told is True
    return True if met >= _ENOUGH else None


def _value(formula: Formula, point: Point) -> Value | None:
    try:
        return formula.at(point)
    except (UndefinedError, RecursionError):
        return None


def _value_at(formula: Formula, point: Point) -> Value | None:
    """The value at one of several points, which may be given up."""
    try:
        return _value(formula, point)
    except TooLargeError:
        return None


def _points(*formulas: Formula) -> Iterator[dict[str, Value]]:
    """Points with a fraction for each variable; at every other one all are positive."""
    names = sorted({name for formula in formulas for name in formula.names})
    for turn in range(_POINTS):
        primes = [_PRIMES[(5 * turn + 2 * place) % len(_PRIMES)] for place in range(len(names) + 1)]
        yield {
            name: Fraction(primes[place], primes[place + 1]) * (-1) ** (turn % 2 * (turn // 2 + place))
            for place, name in enumerate(names)
        }
