"""Arithmetic that ends: fractions stay exact, all else has 60 digits, and what would take too long is refused.

Values are `Fraction`, or real and complex numbers of a mpmath context of our own.
"""

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, Final

import mpmath  # type: ignore[import-untyped]

Value = Any
"""A Fraction or a number of `MP`; mpmath has no types."""

MP: Final = mpmath.mp.clone()
MP.dps = 60
_EQUAL: Final = 1e-40
_DIFFERENT: Final = 1e-25
_NOISE: Final = 1e-40
"""A smaller number may be what rounding left of zero."""
_VAST: Final = 1e30
_ROUNDING: Final = 0.01
_BITS: Final = 2**15
"""A longer fraction goes on as a number of 60 digits."""
_STEEP: Final = 10**12
"""No larger exponent, nor argument of a function: too many digits would stand before its value begins."""
_FACTORS: Final = 100
_TERMS: Final = 2_000
_INVERTED: Final = {"cot": "tan", "sec": "cos", "csc": "sin"}
_ANY_SIZE: Final = frozenset({"fabs", "ln"})


class UndefinedError(ArithmeticError):
    """A formula has no value here."""


class TooLargeError(ArithmeticError):
    """A value would take too long to find, or numbers of this size cannot be told apart."""


def close(left: Value, right: Value) -> bool | None:
    """Whether two values are equal; None where 60 digits do not tell.

    Raises:
        TooLargeError: they are equal to 40 digits, and it would take more.
    """
    if _exact(left, right):
        return bool(left == right)
    apart, size = abs(_number(left) - _number(right)), max(abs(_number(left)), abs(_number(right)))
    if apart > _DIFFERENT * size:
        return None if size < _NOISE else False
    if size > _VAST:
        raise TooLargeError("too large to be told apart")
    return True if apart <= _EQUAL * size else None


def may_be_rounded(left: Value, right: Value) -> bool:
    """Whether two values are as close as one and what somebody rounded it to."""
    return bool(abs(_number(left) - _number(right)) <= _ROUNDING * max(abs(_number(left)), abs(_number(right))))


def fraction(value: Value) -> Fraction | None:
    """A value as a fraction, rounded to 50 digits; None if it is not real, very large or very small."""
    if isinstance(value, Fraction) or value == 0:
        return Fraction(value)
    return Fraction(MP.nstr(MP.re(value), 50)) if is_real(value) and 1 / _VAST < abs(value) < _VAST else None


def sign(value: Value) -> int:
    """-1, 0 or 1; 0 too of what is not real."""
    real = MP.re(_number(value))
    return int(real > 0) - int(real < 0) if is_real(value) else 0


def is_real(value: Value) -> bool:
    """Whether a value has no imaginary part, but for rounding."""
    return isinstance(value, Fraction) or bool(abs(MP.im(value)) <= _EQUAL * abs(value))


def add(left: Value, right: Value) -> Value:
    """Left + right."""
    return _checked(left + right if _exact(left, right) else _number(left) + _number(right))


def multiply(left: Value, right: Value) -> Value:
    """Left × right."""
    return _checked(left * right if _exact(left, right) else _number(left) * _number(right))


def divide(left: Value, right: Value) -> Value:
    """Left ÷ right."""
    if right == 0:
        raise UndefinedError
    return _checked(left / right if _exact(left, right) else _number(left) / _number(right))


def modulo(left: Value, right: Value) -> Value:
    """The remainder of whole numbers."""
    if not _exact(left, right):
        raise TooLargeError("too large to evaluate")
    if not (_is_whole(left) and _is_whole(right) and right > 0):
        raise UndefinedError
    return left % right


def power(base: Value, exponent: Value) -> Value:
    """Base ^ exponent, the principal value."""
    if base == 0 and not (isinstance(exponent, Fraction) and exponent > 0):
        raise UndefinedError
    whole = _is_whole(exponent)
    if whole and isinstance(base, Fraction) and _bits(base) * abs(exponent) <= _BITS:
        return base ** int(exponent)
    if abs(exponent) > _STEEP:
        raise TooLargeError("too large to evaluate")
    return _checked(MP.power(_number(base), int(exponent) if whole else _number(exponent)))


def root(radicand: Value, degree: Value) -> Value:
    """The real root of a number that is not negative, the principal square root of any."""
    if degree == 0 or (degree != 2 and sign(radicand) < 0):
        raise UndefinedError
    return power(radicand, divide(Fraction(1), degree))


def factorial(value: Value) -> Value:
    """Value!, by the gamma function where it is not a whole number."""
    if abs(value) > _STEEP:
        raise TooLargeError("too large to evaluate")
    if _is_whole(value) and value < 0:
        raise UndefinedError
    if _is_whole(value) and value * value.numerator.bit_length() <= _BITS:
        return Fraction(math.factorial(int(value)))
    return _checked(MP.factorial(_number(value)))


def binomial(above: Value, below: Value) -> Value:
    """How many ways to choose `below`, a whole number, of `above`."""
    if not (_is_whole(below) and below >= 0):
        raise UndefinedError
    if _is_whole(above) and above >= 0:
        if min(below, max(above - below, 0)) * above.numerator.bit_length() > _BITS:
            raise TooLargeError("too large to evaluate")
        return Fraction(math.comb(int(above), int(below)))
    if below > _FACTORS:
        raise TooLargeError("too large to evaluate")
    result: Value = Fraction(1)
    for step in range(int(below)):
        result = multiply(result, divide(add(above, Fraction(-step)), Fraction(step + 1)))
    return result


def steps(start: Value, end: Value) -> Iterator[Fraction]:
    """The whole numbers from one to the other, of a sum or a product."""
    if not _exact(start, end):
        raise TooLargeError("too large to evaluate")
    if not (_is_whole(start) and _is_whole(end)):
        raise UndefinedError
    if end - start > _TERMS:
        raise TooLargeError("too many terms")
    return map(Fraction, range(int(start), int(end) + 1))


def apply(name: str, argument: Value) -> Value:
    """A function of mpmath's by name, and `cot`, `sec`, `csc`."""
    if abs(argument) > _STEEP and name not in _ANY_SIZE:
        raise TooLargeError("too large to evaluate")
    if name == "fabs":
        return abs(argument)
    if name == "ln" and argument == 0:
        raise UndefinedError
    if name in _INVERTED:
        return divide(Fraction(1), apply(_INVERTED[name], argument))
    function: Callable[[Value], Value] = getattr(MP, name)
    return _checked(function(_number(argument)))


def _exact(left: Value, right: Value) -> bool:
    return isinstance(left, Fraction) and isinstance(right, Fraction)


def _is_whole(value: Value) -> bool:
    return isinstance(value, Fraction) and value.denominator == 1


def _number(value: Value) -> Value:
    return MP.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else value


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _checked(value: Value) -> Value:
    if isinstance(value, Fraction):
        return value if _bits(value) <= _BITS else _number(value)
    if not MP.isfinite(value):
        raise UndefinedError
    return value
