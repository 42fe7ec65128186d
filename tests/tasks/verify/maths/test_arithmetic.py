import math
import time
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.verify.maths import arithmetic as a
from tasks.verify.maths.arithmetic import MP, TooLargeError, UndefinedError

FRACTIONS = st.fractions(min_value=-50, max_value=50, max_denominator=50)


@given(FRACTIONS, FRACTIONS)
@settings(max_examples=60)
def test_fractions_stay_exact(left: Fraction, right: Fraction) -> None:
    assert a.add(left, right) == left + right
    assert a.multiply(left, right) == left * right
    if right:
        assert a.divide(left, right) == left / right
    assert a.power(left, Fraction(3)) == left**3


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (a.root(Fraction(2), Fraction(2)), math.sqrt(2)),
        (a.root(Fraction(8), Fraction(3)), 2),
        (a.power(Fraction(2), Fraction(1, 2)), math.sqrt(2)),
        (a.factorial(Fraction(5)), 120),
        (a.factorial(Fraction(1, 2)), math.gamma(1.5)),
        (a.binomial(Fraction(5), Fraction(2)), 10),
        (a.binomial(Fraction(1, 2), Fraction(2)), -1 / 8),
        (a.modulo(Fraction(17), Fraction(5)), 2),
        (a.apply("sec", Fraction(1)), 1 / math.cos(1)),
        (a.apply("fabs", Fraction(-3)), 3),
        (sum(a.steps(Fraction(1), Fraction(10))), 55),
    ],
)
def test_values(value: a.Value, expected: float) -> None:
    assert float(value) == pytest.approx(expected)


def test_a_square_root_of_a_negative_number_is_imaginary() -> None:
    value = a.root(Fraction(-4), Fraction(2))
    assert not a.is_real(value)
    assert a.sign(value) == 0
    assert a.close(a.multiply(value, value), Fraction(-4))


@pytest.mark.parametrize(
    "work",
    [
        lambda: a.divide(Fraction(1), Fraction(0)),
        lambda: a.power(Fraction(0), Fraction(-1)),
        lambda: a.power(Fraction(0), Fraction(0)),
        lambda: a.root(Fraction(-8), Fraction(3)),
        lambda: a.factorial(Fraction(-1)),
        lambda: a.apply("ln", Fraction(0)),
        lambda: a.binomial(Fraction(5), Fraction(1, 2)),
        lambda: a.modulo(Fraction(1), Fraction(0)),
        lambda: a.steps(Fraction(1), Fraction(3, 2)),
    ],
)
def test_what_has_no_value(work: Callable[[], object]) -> None:
    with pytest.raises(UndefinedError):
        work()


VAST = a.power(Fraction(9), Fraction(9**9))


@pytest.mark.parametrize(
    "work",
    [
        lambda: a.power(Fraction(9), VAST),
        lambda: a.power(VAST, VAST),
        lambda: a.factorial(VAST),
        lambda: a.factorial(a.factorial(Fraction(362_880))),
        lambda: a.binomial(Fraction(10**8), Fraction(5 * 10**7)),
        lambda: a.binomial(Fraction(1, 2), Fraction(10**6)),
        lambda: a.apply("exp", VAST),
        lambda: a.apply("sin", VAST),
        lambda: a.modulo(VAST, Fraction(10)),
        lambda: a.steps(Fraction(1), Fraction(10**9)),
        lambda: a.close(VAST, a.add(VAST, Fraction(1))),
    ],
)
def test_what_would_take_too_long_is_refused_at_once(work: Callable[[], object]) -> None:
    start = time.process_time()
    with pytest.raises(TooLargeError):
        work()
    assert time.process_time() - start < 0.5


def test_vast_numbers_that_differ_clearly_are_told_apart() -> None:
    assert a.close(VAST, Fraction(7)) is False
    assert a.close(VAST, a.multiply(Fraction(2), VAST)) is False


def test_what_sixty_digits_do_not_tell() -> None:
    tiny = a.add(a.root(Fraction(2), Fraction(2)), -MP.sqrt(2))
    assert a.close(tiny, Fraction(0)) in (True, None)
    assert a.close(a.add(MP.sqrt(2), MP.mpf("1e-30")), MP.sqrt(2)) is None
    assert a.close(Fraction(1, 2**400), Fraction(1, 2**401)) is False


@given(st.floats(min_value=-1e6, max_value=1e6).filter(lambda value: abs(value) > 1e-6))
@settings(max_examples=40)
def test_a_number_becomes_a_fraction(value: float) -> None:
    found = a.fraction(MP.mpf(value))
    assert found is not None
    assert abs(found - Fraction(value)) <= abs(Fraction(value)) / 10**45
