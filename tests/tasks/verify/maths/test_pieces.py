import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.verify.maths.pieces import Parts, intervals, parts, split, unwrapped

COMMA = re.compile(",")


@pytest.mark.parametrize(
    ("text", "kind", "items"),
    [
        ("1, 2 and 3", "set", ["1", "2", "3"]),
        (r"1 \text{ or } 2", "set", ["1", "2"]),
        (r"\{1, 2\}", "set", ["1", "2"]),
        (r"\{5\}", "set", ["5"]),
        (r"1 \pm \sqrt2", "set", [r"1 + \sqrt2", r"1 - \sqrt2"]),
        (r"\{\pm 1, 0\}", "set", ["+ 1", "- 1", "0"]),
        ("(1, 2)", "()", ["1", "2"]),
        ("[0, 1)", "[)", ["0", "1"]),
        ("(1, 2), (3, 4)", "set", ["(1, 2)", "(3, 4)"]),
        (r"[0,1) \cup \{2\}", "union", ["[0,1)", r"\{2\}"]),
        (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", "matrix of 2 columns", ["1", "2", "3", "4"]),
        (r"(\begin{bmatrix}1\\2\\\end{bmatrix})", "matrix of 1 columns", ["1", "2"]),
        (r"[\begin{array}{cc}1&2\end{array}]", "matrix of 2 columns", ["1", "2"]),
        ("10,455, 3", "?", ["10", "455", "3"]),
        (r"(1, \pm 2)", "?", ["1", r"\pm 2"]),
    ],
)
def test_what_an_answer_consists_of(text: str, kind: str, items: list[str]) -> None:
    assert parts(text) == Parts(kind, items)


@pytest.mark.parametrize("text", ["5", "(9+1)", "(x+1)(x-1)", "(1,2", r"\frac{1}{2}", "f(1,2)", "", "{1, 2}"[:1]])
def test_what_is_one_thing(text: str) -> None:
    assert parts(text) is None


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("2x", "y = 2x", ("2x", "2x")),
        ("y = 2x", "2x", ("2x", "2x")),
        ("x = 11", "x = 5 + 6 = 11", ("11", "11")),
        ("2x + z = 1", "1", ("2x + z = 1", "1")),
        ("x = 1", "y = 1", ("x = 1", "y = 1")),
        ("f(x) = 2x", "f(x)=3x", ("2x", "3x")),
        ("(5,8)", "(x, y) = (5,8)", ("(5,8)", "(5,8)")),
        ("x = 1, 2", "1, 2", ("1, 2", "1, 2")),
        ("x = 1, y = 2", "1, 2", ("x = 1, y = 2", "1, 2")),
        (r"x \in [0,1]", "[0,1]", ("[0,1]", "[0,1]")),
        ("11", r"x \approx 11", ("11", "11")),
        (r"\frac13", r"\frac13 \approx 0.33", (r"\frac13", r"\frac13")),
    ],
)
def test_equations_beside_values(left: str, right: str, expected: tuple[str, str]) -> None:
    assert unwrapped(left, right) == expected


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("x > 5", r"(5, \infty)"),
        ("5 < x", r"(5, \infty)"),
        (r"x \le 0", r"(-\infty, 0]"),
        (r"-2 \le x < 7", "[-2, 7)"),
        (r"7 > x \geq -2", "[-2, 7)"),
        (r"\lambda >= 1", r"[1, \infty)"),
    ],
)
def test_inequalities_beside_intervals(text: str, interval: str) -> None:
    assert intervals("[0, 1]", text) == ("[0, 1]", interval)
    assert intervals(text, text) == (interval, interval)


@pytest.mark.parametrize("text", ["2x > 6", "x < y < z", "1 < x > 2", "x = 5", "x != 3", r"\pi < e", "1 < 2"])
def test_what_is_not_solved_stays(text: str) -> None:
    assert intervals("[0, 1]", text) == ("[0, 1]", text)


def test_different_variables_stay() -> None:
    assert intervals("x > 5", "y > 5") == ("x > 5", "y > 5")


@given(st.text(alphabet="ab,()[]{}\\ ", max_size=30))
@settings(max_examples=150)
def test_pieces_and_separators_make_the_text(text: str) -> None:
    assert ",".join(split(text, COMMA)).replace(" ", "") == text.replace(" ", "")
