import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.verify.maths.arithmetic import TooLargeError
from tasks.verify.maths.formula import Formula, read
from tasks.verify.maths.sampling import difference, multiples, same_formula, same_zeros


def formula(text: str) -> Formula:
    found = read(text)
    assert found is not None, text
    return found


@pytest.mark.parametrize(
    ("first", "second", "equal"),
    [
        ("(x+1)^2", "x^2+2x+1", True),
        ("(x+1)^2", "x^2+1", False),
        (r"\sin^2 x + \cos^2 x", "1", True),
        (r"\sqrt{1/n}", r"\frac{1}{\sqrt{n}}", True),
        (r"\sqrt{x^2}", "x", False),
        (r"\sqrt{x^2}", "|x|", True),
        (r"\ln x^2", r"2\ln x", None),
        (r"\sqrt{3+2\sqrt2}", r"1+\sqrt2", True),
        (r"\sqrt{2}", "1.41421356237", True),
        (r"\sqrt{2}", "1.41421", False),
        (r"\sqrt{2}", "1.5", False),
        (r"0.5\pi", r"\frac{\pi}{2}", True),
        (r"0.333\pi", r"\frac{\pi}{3}", None),
        (r"0.4\pi", r"\frac{\pi}{3}", False),
        ("0.33x", r"\frac{x}{3}", None),
        (r"\frac{1}{2^{99}}", r"\frac{1}{2^{98}}", False),
        ("2^{1000}+1", "2^{1000}", False),
        ("e^{i\\pi}", "-1", True),
        ("(x+i)(x-i)", "x^2+1", True),
        (r"\frac{1}{x-x}", "x", None),
        (r"\log 8", r"3 \log 2", True),
        (r"\log 8", r"2 \log 2", False),
        (r"\log x", r"\log(x) / 1", True),
        (r"\log 8", r"\ln 8", None),
        (r"\log 100", "2", None),
    ],
)
def test_formulas(first: str, second: str, equal: bool | None) -> None:
    assert same_formula(formula(first), formula(second)) is equal
    assert same_formula(formula(second), formula(first)) is equal


def test_numbers_too_large_to_tell_apart_are_refused() -> None:
    with pytest.raises(TooLargeError):
        same_formula(formula("9^{9^9}"), formula("9^{9^9}+1"))


@given(st.integers(-20, 20), st.integers(-20, 20), st.integers(-20, 20))
@settings(max_examples=40)
def test_factors_and_the_polynomial_they_make(a: int, b: int, c: int) -> None:
    product = formula(f"(x-({a}))(x-({b}))")
    whole = formula(f"x^2 - ({a + b})x + ({a * b})")
    assert same_formula(product, whole) is True
    assert same_formula(product, formula(f"x^2 - ({a + b})x + ({a * b + c})")) is (c == 0)


@pytest.mark.parametrize(
    ("first", "second", "factor"),
    [("2x+4", "x+2", 2), ("-x", "x", -1), ("x+2", "x+3", None), ("3", "1", 3), ("x^2", "x", None)],
)
def test_multiples(first: str, second: str, factor: int | None) -> None:
    assert multiples(formula(first), formula(second)) == factor


@pytest.mark.parametrize(
    ("first", "second", "equal"),
    [
        ("2x+3y-6", "4x+6y-12", True),
        ("3x-y+13", "3x+4y+14", False),
        ("x y - 1", r"y - \frac{1}{x}", True),
        (r"\frac{x^2}{4}+\frac{y^2}{3}-1", r"\frac{x^2}{16}+\frac{y^2}{12}-1", False),
        ("x^2+y^2-4", "2x^2+2y^2-8", True),
        ("x^{17}+3x^5-2", "x^{17}+3x^5-3", False),
        (r"\sin x - \frac12", r"\cos x - \frac12", False),
        (r"\frac{1}{x-1}", r"\frac{1}{x-2}", None),
        ("x^2", "x", None),
    ],
)
def test_zeros(first: str, second: str, equal: bool | None) -> None:
    assert same_zeros(formula(first), formula(second)) is equal


def test_the_difference_of_formulas() -> None:
    found = difference(formula("x + 1"), formula("0.5 y"))
    assert found.names == {"x", "y"}
    assert found.decimal
    assert not found.imaginary
