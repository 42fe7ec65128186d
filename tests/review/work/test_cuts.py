"""Cuts and ratings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review.wire import Rating
from review.work.cuts import carried, checked_cuts, own_step, rated
from schemas.errors import ReviewError
from tasks.text.steps import steps


@given(st.text(min_size=1, max_size=60), st.data())
def test_cuts_keep_every_character(text: str, data: st.DataObject) -> None:
    cuts = sorted({0} | data.draw(st.sets(st.integers(0, len(text) - 1))))
    assert "".join(steps(text, checked_cuts(cuts, text))) == text


@pytest.mark.parametrize("cuts", [[], [1], [0, 0], [0, 3, 2], [0, 5], [0, 9]])
def test_cuts_that_lose_or_repeat_characters_are_refused(cuts: list[int]) -> None:
    with pytest.raises(ReviewError, match="offsets"):
        checked_cuts(cuts, "abcde")


def test_a_text_without_characters_has_no_cut_to_check() -> None:
    with pytest.raises(ReviewError, match="offsets"):
        checked_cuts([0], "")


@pytest.mark.parametrize(
    ("ratings", "first_wrong", "expected"),
    [
        ([None, 0, None, 1], 2, [1, 0, -1, None]),
        ([1, 1], 0, [-1, None]),
        ([1, 0], -1, [1, 0]),
        ([], -1, []),
    ],
)
def test_a_mark_rates_what_it_says(ratings: list[Rating], first_wrong: int, expected: list[Rating]) -> None:
    assert rated(ratings, first_wrong, len(ratings)) == expected


@pytest.mark.parametrize(
    ("ratings", "first_wrong", "says"),
    [
        ([1, 1], 2, "no such step, the trace has 2"),
        ([1], 0, "1 for 2 steps"),
        ([-1, None], 1, "a step before the first wrong one is rated wrong"),
        ([1, None], -1, "rate every one 0 or 1"),
        ([1, -1], -1, "rate every one 0 or 1"),
    ],
)
def test_a_mark_that_contradicts_itself_is_refused(ratings: list[Rating], first_wrong: int, says: str) -> None:
    with pytest.raises(ReviewError, match=says):
        rated(ratings, first_wrong, 2)


def test_the_next_round_begins_with_what_was_said_of_the_steps_that_stayed() -> None:
    assert carried([1, 0, -1, None], 2, 5) == [1, 0, 1, None, None]
    assert carried([1, 0, -1], 2, 2) == [1, 0]


@pytest.mark.parametrize(
    ("cut", "step", "own"), [(None, 2, 2), ([0, 10, 15], -1, -1), ([0, 10, 15], 1, 1), ([0, 10, 15], 2, 1), ([0], 0, 0)]
)
def test_a_step_of_ones_own_cut_lies_in_one_of_the_traces(cut: list[int] | None, step: int, own: int) -> None:
    assert own_step([0, 10, 20], cut, step) == own
