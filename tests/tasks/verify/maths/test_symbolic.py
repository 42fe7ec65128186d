import sys
import threading
from collections.abc import Iterator

import pytest

from schemas.tables import Status
from tasks.verify.maths import symbolic


@pytest.fixture(scope="module", autouse=True)
def prepared() -> Iterator[None]:
    limit = sys.get_int_max_str_digits()
    symbolic.prepare()
    yield
    sys.set_int_max_str_digits(limit)


@pytest.mark.parametrize(
    ("reference", "answer", "status"),
    [
        (r"\frac{x+2}{7}", r"\frac{x}{7}+\frac{2}{7}", Status.CORRECT),
        ("18", "18 dollars", Status.CORRECT),
        ("5 km", "5 kilograms", Status.UNVERIFIABLE),
        ("5 apples", "5 apple", Status.CORRECT),
        ("5 km", "6 kilograms", Status.INCORRECT),
        ("5", "5 dozen or so", Status.INCORRECT),
        ("5", "5 + x", Status.INCORRECT),
        ("5", "☃", Status.INCORRECT),
        ("☃ ~ ☃", "5", Status.UNVERIFIABLE),
        (r"\frac{1}{2^{99}}", r"\frac{1}{2^{98}}", Status.INCORRECT),
        ("0.0000012", "0.0000014 + 0", Status.INCORRECT),
        (r"\{1,2,3\}", r"\{1,2\}", Status.INCORRECT),
        ("x^2 = -1", "x^2 = -4", Status.INCORRECT),
        ("x^2 + 1 = 0", "x^2 = -1", Status.CORRECT),
        ("x^2 - 3x + 2 = 0", "(x - 1)(x - 2) = 0", Status.CORRECT),
    ],
)
def test_pairs_that_exact_rules_leave_open(reference: str, answer: str, status: Status) -> None:
    assert symbolic.check(reference, answer).status is status


def test_it_works_off_the_main_thread() -> None:
    found: list[Status] = []
    thread = threading.Thread(target=lambda: found.append(symbolic.check("x+1", "1+x").status))
    thread.start()
    thread.join()
    assert found == [Status.CORRECT]


def test_what_sympy_raises_is_not_taken_for_a_wrong_answer() -> None:
    with pytest.raises(ValueError, match="nan or zoo"):
        symbolic.check("12:00", "1:00")
