import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.verify.maths.numbers import clean
from tasks.verify.maths.spelling import respell


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("x+1", "x+1"),
        ("2**3", "2^{3}"),
        ("2**3**2", "2^{3^{2}}"),
        ("x**(n+1)", "x^{(n+1)}"),
        ("is **73** here", "is 73 here"),
        (r"4\sqrt(2)", r"4\sqrt{2}"),
        (r"1-\frac{1}{\mathrm{e}}", r"1-\frac{1}{e}"),
        (r"\operatorname{sin} x", r"\sin x"),
        ("$5$ and $6$", "5 and 6"),
        ("the 3rd", "the 3"),
        (r"\varnothing", r"\emptyset"),
        (r"\{\}", r"\emptyset"),
        (r"\mathbb{R}", r"(-\infty, \infty)"),
        (r"(1, +\infty)", r"(1,\infty)"),
        ("5:3", "5/3"),
        ("i(2-i)", r"i \cdot (2-i)"),
        (r"\frac{-1 \pm \sqrt{13}}{4}", r"\frac{-1 }{4} \pm \frac{ \sqrt{13}}{4}"),
        (r"\sin 30^\circ", r"\sin (\frac{30\pi}{180})"),
        ("x = 1 or x = 2", "x =1 or 2"),
        ("x = 1, y = 2", "x = 1, y = 2"),
    ],
)
def test_spellings(text: str, spelled: str) -> None:
    assert respell(clean(text)).replace(" ", "") == spelled.replace(" ", "")


@given(st.text(alphabet="0123456789xi+-*^=$:(){}\\ sqrtor", max_size=30))
@settings(max_examples=100)
def test_no_text_raises_and_plain_texts_stay(text: str) -> None:
    respell(clean(text))
    assert respell("x+1") == "x+1"
