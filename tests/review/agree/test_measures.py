"""A reviewer's numbers, from records made by hand."""

from typing import Any

import pytest

from review.marks import Mark, Share, Turn
from review.measures import agreed, effect, is_rubber_stamp, numbers, suggested
from review.store.models import State
from schemas.tables import Status

_PLAIN: dict[str, Any] = {
    "item_id": "i1",
    "user_id": 1,
    "batch_id": "b",
    "state": State.SUBMITTED,
    "first_wrong": 1,
    "steps": 4,
    "characters": 600,
    "seconds": 60.0,
    "revealed": False,
    "imported": False,
    "finished_at": None,
    "gold": None,
    "verdict": None,
    "suggestion": None,
    "status": Status.INCORRECT,
}


def _mark(name: str, **other: Any) -> Mark:
    return Mark(assignment_id=name, **(_PLAIN | other))


def _turn(of: str, read: int = 2, job: str | None = None, effect_id: str | None = None) -> Turn:
    return Turn(of, 0, read, job is not None, (), job, effect_id)


def test_rates_are_of_what_was_finished_and_time_is_by_step_read() -> None:
    marks = [
        _mark("a", seconds=20.0, revealed=True),
        _mark("b", seconds=60.0, first_wrong=-1),
        _mark("c", state=State.SKIPPED, first_wrong=None),
        _mark("d", state=State.GAVE_UP, seconds=0.0, status=Status.UNVERIFIABLE),
        _mark("e", state=State.LEASED),
    ]
    turns = [_turn("a", job="j1"), _turn("b", 4, job="j2"), _turn("d", job="j3"), _turn("e", 9, job="j1")]
    found = numbers(marks, turns, {"j1": Share(0, 4), "j2": Share(1, 4)})
    assert (found.finished, found.seconds_a_step) == (3, 12.5)
    assert (found.revealed, found.skipped, found.gave_up) == ((1, 3), (1, 4), (1, 3))
    assert (found.with_verifier, found.arrived) == ((1, 2), (1, 2))


def test_all_correct_faster_than_reading_is_a_rubber_stamp() -> None:
    assert is_rubber_stamp(_mark("a", first_wrong=-1, seconds=19.9))
    assert not is_rubber_stamp(_mark("a", first_wrong=-1, seconds=20.1))
    assert not is_rubber_stamp(_mark("a", first_wrong=0, seconds=0.1))


def test_gold_is_processbench_f1() -> None:
    wrong = [_mark(f"w{n}", gold=2, first_wrong=2 if n else 1) for n in range(4)]
    right = [_mark(f"r{n}", gold=-1, first_wrong=-1 if n else 3) for n in range(2)]
    found = numbers([*wrong, *right], [], {}).gold
    assert (found.erroneous, found.correct) == ((3, 4), (1, 2))
    assert found.f1 == pytest.approx(2 * 0.75 * 0.5 / 1.25)
    assert numbers(wrong, [], {}).gold.f1 is None
    none_found = [_mark("w", gold=2, first_wrong=1), *right]
    assert numbers(none_found, [], {}).gold.f1 == 0


def test_a_rewrite_that_two_wrote_alike_has_one_effect() -> None:
    turns = [_turn("a", job="j", effect_id="e"), _turn("b", job="j", effect_id="e"), _turn("c", job="j")]
    found = effect(turns, {"j": Share(3, 4)}, {"e": (Share(1, 4), Share(0, 4))})
    assert found == (Share(1, 4), Share(0, 4), Share(3, 4), 1)
    assert effect([], {}, {}).after.share is None


def test_what_was_not_finished_agrees_with_nobody() -> None:
    marks = [_mark("a"), _mark("b", state=State.MARKING, first_wrong=-1), _mark("c", state=State.BAD_PROBLEM)]
    assert agreed(marks).has_error.items == 0
    assert agreed([*marks, _mark("d", state=State.MAX_ROUNDS)]).exact.value == 1


def test_suggestions_are_counted_by_item() -> None:
    same, other = {"suggestion": 1, "verdict": 1}, {"suggestion": 1, "verdict": -1, "item_id": "i2"}
    assert suggested([_mark("a", **same), _mark("b", **same), _mark("c", **other), _mark("d")]) == (1, 2)
