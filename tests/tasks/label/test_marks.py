"""Reviewers' own cuts, laid over a trace's steps."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.label.marks import Mark, Said, marks
from tasks.sources import Row

OWN = (0, 10, 20, 30)
"""A trace of four steps."""


def mark(first_wrong: int, *ratings: int | None, cut: tuple[int, ...] | None = None) -> Mark:
    return Mark.model_validate(
        {"trace_id": "t", "reviewer": "owl", "first_wrong": first_wrong, "ratings": ratings, "offsets": cut}
    )


@pytest.mark.parametrize(
    ("marked", "said"),
    [
        (mark(-1, 1, 0, 1, 1), Said(-1, (1, 0.5, 1, 1))),
        (mark(-1), Said(-1, (1, 1, 1, 1))),
        (mark(2, 1, None, -1, None), Said(2, (1, 1))),
        (mark(0, -1), Said(0, ())),
        # The first two steps in one, which is neutral; the last in two, of which the second is wrong.
        (mark(3, 0, 1, 1, -1, cut=(0, 20, 30, 35)), Said(3, (0.5, 0.5, 1))),
        # Steps 1 and 2 in one, which is wrong: its beginning is step 1's.
        (mark(1, 1, -1, cut=(0, 10, 30)), Said(1, (1,))),
        # The third in two, of which one is neutral.
        (mark(-1, 1, 1, 1, 0, 1, cut=(0, 10, 20, 25, 30)), Said(-1, (1, 1, 0.5, 1))),
        # Cut in the midst of a step: the worst of what it overlaps.
        (mark(-1, 1, 0, cut=(0, 15)), Said(-1, (1, 0.5, 0.5, 0.5))),
        (mark(7, 1), Said(-1, (1, 1, 1, 1))),
    ],
)
def test_what_it_says_of_the_traces_own_steps(marked: Mark, said: Said) -> None:
    assert marked.on(OWN) == said


cuts = st.sets(st.integers(1, 39), max_size=12).map(lambda those: (0, *sorted(those)))


@given(cuts, cuts, st.data())
def test_the_wrong_step_holds_where_the_reviewers_begins(own: tuple[int, ...], cut: tuple[int, ...], data: Any) -> None:
    wrong = data.draw(st.integers(0, len(cut) - 1))
    said = mark(wrong, *([0] * wrong), -1, cut=cut).on(own)
    start, end = list(pairwise([*own, 40]))[said.first_wrong]
    assert start <= cut[wrong] < end
    assert said.scores == (0.5,) * said.first_wrong


@given(cuts, st.data())
def test_an_own_cut_like_the_traces_says_the_same(own: tuple[int, ...], data: Any) -> None:
    wrong = data.draw(st.integers(-1, len(own) - 1))
    right = len(own) if wrong < 0 else wrong
    ratings = data.draw(st.lists(st.sampled_from([0, 1]), min_size=right, max_size=right))
    assert mark(wrong, *ratings, cut=own).on(own) == mark(wrong, *ratings).on(own)


def test_lines_that_say_nothing() -> None:
    good: dict[str, Any] = {"trace_id": "t", "reviewer": "owl", "first_wrong": 1, "ratings": [1, -1], "gold": False}
    lines = [
        good,
        good | {"first_wrong": None},
        good | {"gold": True},
        good | {"bad_problem": True},
        good | {"ratings": [5]},
        {"trace_id": "t"},
        good | {"trace_id": "u", "first_wrong": -1, "verdict": 0, "settled": "adjudicated"},
    ]
    read = [Row(f"f:{number}", number, one) for number, one in enumerate(lines)]
    found = marks([*read, Row("f:9", 9, {}, ("broken JSON", "at 3"))])
    assert {name: [(one.first_wrong, one.verdict) for one in those] for name, those in found.by_trace.items()} == {
        "t": [(1, None)],
        "u": [(-1, 0)],
    }
    assert found.unreadable == ["f:4", "f:5", "f:9"]
