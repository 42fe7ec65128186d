import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.verify.maths.formula import read

AT = {"x": Fraction(3), "y": Fraction(5), "n": Fraction(6), "x_1": Fraction(2), "a_12": Fraction(7)}
AT |= {r"\theta": Fraction(1)}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7),
        (".5", 0.5),
        ("-x^2", -9),
        ("2 - x y", -13),
        ("2x - 3y", -9),
        ("x/2", 1.5),
        ("x/2 + 1", 2.5),
        ("2 \\cdot x/3", 2),
        ("(x+1)(y-1)", 16),
        ("x(x+1)", 12),
        (r"\frac{x+1}{2}", 2),
        (r"\frac12", 0.5),
        (r"\frac1{72}", 1 / 72),
        (r"\frac{x}2", 1.5),
        (r"2\frac13", 7 / 3),
        (r"2\frac{x}{3}", 2),
        (r"x\frac{1}{3}", 1),
        ("2^3", 8),
        ("2^{10}", 1024),
        ("10^33", 10**33),
        ("x^{-1}", 1 / 3),
        ("2^-1", 0.5),
        ("x^y", 243),
        (r"\sqrt2", math.sqrt(2)),
        (r"\sqrt[3]{27}", 3),
        (r"\sqrt{x+1}", 2),
        ("5!", 120),
        ("n!/5!", 6),
        (r"\binom{n}{2}", 15),
        ("|2 - y|", 3),
        ("||x| - |y||", 2),
        ("2|x|y", 30),
        (r"\pi", math.pi),
        ("e^2", math.e**2),
        (r"\sin 2x", math.sin(6)),
        (r"2\sin x\cos x", 2 * math.sin(3) * math.cos(3)),
        (r"\sin^2 x", math.sin(3) ** 2),
        (r"\sin(x)^2", math.sin(3) ** 2),
        (r"\tan^{-1} x", math.atan(3)),
        (r"\arcsin\frac12", math.pi / 6),
        (r"\cos\theta", math.cos(1)),
        (r"\sin 30^\circ", 0.5),
        (r"\cos(60^{\circ})", 0.5),
        (r"\sec x", 1 / math.cos(3)),
        (r"\ln x^2", math.log(9)),
        (r"\ln|x|", math.log(3)),
        (r"\log_2 8", 3),
        (r"\log_{x} 81", 4),
        (r"\log_264", 6),
        (r"\sum_{k=1}^{n} k^2", 91),
        (r"\prod_{k=1}^4 k", 24),
        (r"17 \bmod 5", 2),
        ("x_1 + a_{12}", 9),
    ],
)
def test_what_is_read(text: str, value: float) -> None:
    formula = read(text)
    assert formula is not None
    assert float(formula.at(AT)) == pytest.approx(value)
    assert formula.names <= AT.keys()


AMBIGUOUS = ["1/2x", "1/2(x)", "f(x)", "g(2)", "y(x)", "eggs"]
AMBIGUOUS += [r"\log 2/3", r"\sin x y", r"\sin x/2", r"\sin x(y)", "2 3", "2 1/2", r"5\frac{7}{3}", r"\cot^{-1} x"]
BROKEN = ["x +", "(x", "x)", "|x", r"\frac{x}", "^2", "x^2^3", "x^2!", "", "((((" * 400, "x" * 5000]
OTHER = [r"90^\circ", "x'", "x, y", "x = 1", r"\foo", r"\infty", r"\frac{d}{dx} x^2"]


@pytest.mark.parametrize("text", [*AMBIGUOUS, *BROKEN, *OTHER])
def test_what_could_be_read_in_two_ways_or_none_is_left_alone(text: str) -> None:
    assert read(text) is None


def test_what_a_formula_says_of_itself() -> None:
    facts = {text: read(text) for text in ("-2.5", "2", "x", "0.5x", "2+3i", r"\pi")}
    assert {text: found.literal for text, found in facts.items() if found} == {
        **dict.fromkeys(facts, False),
        "-2.5": True,
        "2": True,
    }
    assert [text for text, found in facts.items() if found and found.decimal] == ["-2.5", "0.5x"]
    assert [text for text, found in facts.items() if found and found.imaginary] == ["2+3i"]


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=6), st.fractions(-5, 5, max_denominator=9))
@settings(max_examples=60)
def test_polynomials(coefficients: list[int], x: Fraction) -> None:
    text = " + ".join(f"({value}) x^{{{power}}}" for power, value in enumerate(coefficients))
    formula = read(text)
    assert formula is not None
    if x:
        assert formula.at({"x": x}) == sum(value * x**power for power, value in enumerate(coefficients))


@given(st.text(alphabet=r"0123456789x+-*/^_(){}[]|!. \fracsqtnp", max_size=40))
@settings(max_examples=150)
def test_no_text_raises(text: str) -> None:
    read(text)


def test_long_sums_and_products_are_no_deep_recursion() -> None:
    for sign, value in (("+", 1500), ("*", 1)):
        formula = read(sign.join(["1"] * 1500))
        assert formula is not None
        assert formula.at({}) == value
