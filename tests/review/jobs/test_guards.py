"""What a reviewer is asked to look at again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review.jobs.guards import doubts
from tasks.rewrite.doubts import doubts as shared

ENDS = "the rewritten step gives the final answer, which the old one did not"
SOLUTION = "Natalia sold 48 / 2 = 24 clips in May, so altogether she sold 72 clips."


@pytest.mark.parametrize(
    ("before", "after", "reference", "told"),
    [
        ("1 + 2 = 4", "1 + 2 = 3", "10", []),
        ("1 + 2 = 4", "1 + 2 = 3, then 10", "10", ["the rewritten step holds the reference answer"]),
        ("a = 4", r"a = 3, so \boxed{3}", None, [ENDS]),
        (r"\boxed{4}", r"\boxed{3}", None, []),
        (
            "She has 4.",
            "She has 3.\n#### 3",
            None,
            [
                "the rewritten step is 2 steps",
                ENDS,
            ],
        ),
        ("It is 4.", "The answer is 3.", None, [ENDS]),
        ("They answer 3 questions.", "They answer 4 questions.", None, []),
        ("b", "b", None, ["the rewritten step is the old one"]),
        ("Half of 48 is 25.", " Half of  48 is 25.\n", None, ["the rewritten step is the old one"]),
        (
            "She sold half of all clips in the month of May.",
            "She sold half of all clips in the month of May!",
            None,
            ["the rewritten step is nearly the old one"],
        ),
        ("She sold 12 + 13 clips, that is 25 in all.", "She sold 12 × 13 clips, that is 25 in all.", None, []),
        (
            "x = 4",
            "x = 3 " + "because of this and that " * 6,
            None,
            ["the rewritten step is 31 times as long as the old one"],
        ),
        ("x = 4", "x = 3, for 1 + 2 = 3 as we know", None, []),
    ],
)
def test_doubts(before: str, after: str, reference: str | None, told: list[str]) -> None:
    assert doubts(before, after, reference) == told


def test_a_reference_solution_that_is_pasted() -> None:
    pasted = "In May Natalia sold 48/2 = 24 clips in May, that is it."
    told = ["the rewritten step repeats 8 words or more of the reference solution"]
    assert doubts("48 / 2 = 20", pasted, None, SOLUTION) == told
    assert doubts(pasted, pasted.replace("In May", "So"), None, SOLUTION) == []
    assert doubts("48 / 2 = 20", "48 / 2 = 24", None, SOLUTION) == []
    first = SOLUTION.partition(",")[0]
    assert doubts(first.replace("24", "25"), first, None, SOLUTION) == []
    assert told[0] in doubts(first.replace("24", "25"), SOLUTION, None, SOLUTION)


@given(before=st.text(), after=st.text(), reference=st.none() | st.text())
def test_any_text_is_told_of(before: str, after: str, reference: str | None) -> None:
    told = doubts(before, after, reference)
    assert told[: len(shared(before, after, reference))] == shared(before, after, reference)
    assert len(told) == len(set(told))
