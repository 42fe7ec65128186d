import time

import pytest

from tasks.verify.maths.arithmetic import TooLargeError
from tasks.verify.maths.compare import same_answer
from tasks.verify.maths.limits import refuse_endless


@pytest.mark.parametrize(
    "text",
    [
        "9^{9^{9}}",
        "x^{9^9}",
        "x^9999999",
        r"\left\lfloor 9^{9^9} \right\rfloor",
        r"\gcd(9^{9^{9^9}}, 6)",
        r"\begin{pmatrix} 1 & 1 \\ 1 & 0 \end{pmatrix}^{10^9}",
        "(-1)^{9^{9^9} / 2}",
        r"\binom{10^9}{5 \cdot 10^8}",
        "f(9999999!)",
        "f(9!!!!)",
        "(((9!)!)!) +",
        "(" * 30 + "x" + ")" * 30,
        "{" * 3000,
    ],
)
def test_what_sympy_would_never_finish_is_refused(text: str) -> None:
    start = time.process_time()
    with pytest.raises(TooLargeError):
        refuse_endless(text)
    assert time.process_time() - start < 0.1


@pytest.mark.parametrize(
    "text",
    ["x^{2019} + 1", "2^{-3}", r"\sum_{k=1}^{n} 2^k", r"90^\circ", "0^{-1}", "x^", "((x+1)!)!", "3!!", "))((", ""],
)
def test_all_else_is_left_to_it(text: str) -> None:
    refuse_endless(text)


def test_only_what_no_rule_decides_is_refused() -> None:
    assert same_answer("x^{9999999}", "x^{9999999}") is True
    assert same_answer("7", "9^{9^9}") is False
    with pytest.raises(TooLargeError):
        same_answer("f(x)", "x^{9999999}")
