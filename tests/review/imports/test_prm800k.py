"""PRM800K files as review history: the published form, our own exporter's, and what is wrong with lines."""

import copy
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from review.config import BatchSettings
from review.imports.prm800k import Imported, import_file, user_name
from review.imports.prm800k_rows import UnusableLineError, label
from review.store.database import Database
from review.store.models import Adjudication, Assignment, Audit, Batch, Item, ItemState, Round, State, Trace, User
from schemas.errors import ReviewError
from tasks.text.steps import steps

ADA, BEN = "340d89bc-f5b7-45e9-b272-909ba68ee363", "8a1f0c2e-0b5c-4f7e-9a37-5a1f3f0f1c11"
WRITTEN = ["I factor $20 !$.", "$200000 = 2^9 \\cdot 5^4$.", "So it is $320{,}000$.\n\n# Answer\n\n320,000"]


def _step(*completions: tuple[str, int | None], chosen: int | None = 0, human: object = None) -> dict[str, Any]:
    options = [{"text": text, "rating": rating, "flagged": None} for text, rating in completions]
    return {"completions": options, "human_completion": human, "chosen_completion": chosen}


def _row(labeled: list[dict[str, Any]], finish: str = "found_error", **other: Any) -> dict[str, Any]:
    """Phase 2, as the repository's README annotates it."""
    return {
        "labeler": ADA,
        "timestamp": "2023-01-22T04:34:27.052924",
        "generation": 9,
        "is_quality_control_question": False,
        "is_initial_screening_question": False,
        "question": {
            "problem": "What is the greatest common factor of $20 !$ and $200,\\!000$?",
            "ground_truth_solution": "…",
            "ground_truth_answer": "40,\\!000",
            "pre_generated_steps": WRITTEN,
            "pre_generated_answer": "320,000",
            "pre_generated_verifier_score": 0.01,
        },
        "label": {"steps": labeled, "total_time": 278270, "finish_reason": finish},
    } | other


WRONG = _row([_step((WRITTEN[0], 0)), _step((WRITTEN[1], -1), ("A better step.", 1), chosen=None)])
RIGHT = _row([_step((one, 1)) for one in WRITTEN], "solution", labeler=BEN)
PHASE_1 = _row(
    [
        _step(("First.", 1), ("Worse.", -1)),
        _step(("Wrong.", -1), ("Also wrong.", -1), chosen=None, human={"text": "Mine.", "rating": None}),
        _step(("Third.", 0)),
        _step(("Bad.", -1), chosen=None, human="Mine too."),
        _step(("Last.\n\n# Answer\n\n40,000", 1)),
    ],
    "solution",
    generation=None,
)
PHASE_1["question"] = PHASE_1["question"] | {"pre_generated_steps": None, "pre_generated_answer": None}


def _lines(*found: dict[str, Any] | bytes) -> list[bytes]:
    return [one if isinstance(one, bytes) else json.dumps(one).encode() for one in found]


def _taken(database: Database, lines: Sequence[bytes], name: str = "prm") -> Imported:
    with database.writing() as session:
        return import_file(session, "tests", name, iter(lines))


def test_a_label_is_a_finished_review_with_its_times(database: Database) -> None:
    assert _taken(database, _lines(WRONG)) == (1, 1, [])
    with database.reading() as session:
        one, item = session.scalars(select(Assignment)).one(), session.scalars(select(Item)).one()
        round_, trace = session.scalars(select(Round)).one(), session.scalars(select(Trace)).one()
        batch = session.scalars(select(Batch)).one()
        user = session.get_one(User, one.user_id)
    assert (one.state, one.imported, one.seconds) == (State.SUBMITTED, True, 278.27)
    assert one.finished_at is not None
    assert (one.finished_at.isoformat(), (one.finished_at - one.opened_at).total_seconds()) == (
        "2023-01-22T04:34:27.052924+00:00",
        278.27,
    )
    assert (round_.ratings, round_.first_wrong, round_.after) == ([0, -1, None], 1, None)
    assert [one.removesuffix("\n") for one in steps(trace.text, trace.step_offsets)] == WRITTEN
    assert (trace.status, trace.splitter) == ("unverifiable", "prm800k/1")
    assert (item.state, item.verdict, item.reference, item.gold) == (ItemState.AGREED, 1, "40,\\!000", None)
    assert (user.name, user.password_hash) == ("prm800k-340d89bc", None)
    assert (batch.state, BatchSettings(**batch.settings).model) == ("open", None)


def test_labels_that_differ_wait_for_adjudication_and_the_same_file_adds_nothing(database: Database) -> None:
    lines = _lines(WRONG, RIGHT, b"", b"  ")
    assert _taken(database, lines) == (1, 2, [])
    assert _taken(database, lines) == (0, 0, [])
    with database.reading() as session:
        item, batch = session.scalars(select(Item)).one(), session.scalars(select(Batch)).one()
        assert (item.state, item.verdict, batch.settings["review"]["overlap"]) == (ItemState.ADJUDICATION, None, 2)
        assert session.scalar(select(func.count()).select_from(Round)) == 2
        told = session.scalars(select(Audit.details).where(Audit.action == "labels imported")).all()
    assert [(one["items"], one["reviews"]) for one in told] == [(1, 2), (0, 0)]


def test_a_later_file_of_the_batch_adds_its_labels_but_leaves_decisions_alone(database: Database) -> None:
    _taken(database, _lines(WRONG))
    _taken(database, _lines(WRONG | {"labeler": BEN}))
    with database.writing() as session:
        item = session.scalars(select(Item)).one()
        assert (item.state, item.verdict) == (ItemState.AGREED, 1)
        item.state = ItemState.FINAL
        session.add(Adjudication(item_id=item.id, user_id=1, first_wrong=1, note="", at=datetime.now(UTC)))
    assert _taken(database, _lines(RIGHT | {"labeler": "cyd"})) == (0, 1, [])
    with database.reading() as session:
        item = session.scalars(select(Item)).one()
        assert (item.state, item.verdict) == (ItemState.FINAL, 1)


def test_the_labellers_own_steps_of_phase_1_are_rewrites_with_rounds_of_their_own(database: Database) -> None:
    assert _taken(database, _lines(PHASE_1)) == (1, 1, [])
    with database.reading() as session:
        rounds = session.scalars(select(Round).order_by(Round.number)).all()
        texts = {one.trace_id: one for one in session.scalars(select(Trace))}
        item = session.scalars(select(Item)).one()
    cut = [texts[one.trace_id] for one in rounds]
    assert [one.text.split("\n")[:5] for one in cut] == [
        ["First.", "Wrong."],
        ["First.", "Mine.", "Third.", "Bad."],
        ["First.", "Mine.", "Third.", "Mine too.", "Last."],
    ]
    assert [one.first_wrong for one in rounds] == [1, 3, -1]
    assert [one.after for one in rounds] == ["Mine.", "Mine too.", None]
    assert [one.chosen for one in rounds] == [cut[1].trace_id, cut[2].trace_id, None]
    assert [one.ratings for one in rounds] == [[1, -1], [1, 1, 0, -1], [1, 1, 0, 1, 1]]
    assert [one.parent_trace_id for one in cut] == [None, cut[0].trace_id, cut[1].trace_id]
    for parent, child in pairwise(cut):
        assert child.fork_step is not None
        assert child.fork_offset == parent.step_offsets[child.fork_step]
        assert child.text[: child.fork_offset] == parent.text[: child.fork_offset]
    assert (item.trace_id, item.verdict) == (cut[0].trace_id, 1)


@pytest.mark.parametrize(
    ("finish", "state", "item_state"),
    [("give_up", "gave_up", ItemState.ADJUDICATION), ("bad_problem", "bad_problem", ItemState.FINAL)],
)
def test_giving_up_and_bad_problems_are_no_marks(
    database: Database, finish: str, state: str, item_state: ItemState
) -> None:
    _taken(database, _lines(_row([_step((WRITTEN[0], 1))], finish)))
    with database.reading() as session:
        item, one = session.scalars(select(Item)).one(), session.scalars(select(Assignment)).one()
    assert (one.state, one.reason, item.state, item.verdict) == (state, finish, item_state, None)


def test_bad_lines_are_named_and_the_others_taken(database: Database) -> None:
    broken = copy.deepcopy(WRONG)
    broken["label"]["steps"][1]["completions"][0]["rating"] = 2
    unchosen = copy.deepcopy(RIGHT)
    unchosen["label"]["steps"][0]["chosen_completion"] = 7
    silent = _row([_step((WRITTEN[0], 1))])
    null = copy.deepcopy(WRONG)
    null["question"]["problem"] = "a\x00b"
    again = WRONG | {"timestamp": "2023-02-01T00:00:00"}
    lines = [b"{", b"[]", b"\xff", b'{"question": "\\ud800"}', *_lines(broken, unchosen, silent, null, WRONG, again)]
    found = _taken(database, lines)
    assert (found.items, found.reviews) == (1, 1)
    reasons = dict(found.unusable)
    assert sorted(reasons) == [1, 2, 3, 4, 5, 6, 7, 8, 10]
    assert reasons[5].startswith("label.steps.1.completions.0.rating: ")
    assert "chosen_completion" in reasons[6]
    assert reasons[7] == "label.finish_reason: found_error, but no step is rated -1"
    assert "null character" in reasons[8]
    assert "labelled this solution before" in reasons[10]


def test_another_batch_of_that_name_is_not_added_to(database: Database) -> None:
    _taken(database, _lines(WRONG))
    with database.writing() as session:
        session.scalars(select(Batch)).one().state = "closed"
    with pytest.raises(ReviewError, match="closed"):
        _taken(database, _lines(RIGHT))


def test_quality_control_says_so(database: Database) -> None:
    _taken(database, _lines(WRONG | {"is_quality_control_question": True}))
    with database.reading() as session:
        assert session.scalars(select(Item.why)).one() == "quality control"


@given(st.text(min_size=1, max_size=200))
def test_any_labeler_gives_a_name_that_a_user_may_have(labeler: str) -> None:
    assert len(user_name(labeler)) <= 100
    assert user_name(labeler).isascii()


@given(st.lists(st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=8), min_size=1, max_size=6))
@settings(max_examples=100)
def test_the_steps_are_in_the_trace_as_they_were(written: list[str]) -> None:
    row = _row([_step((one, 1)) for one in written], "solution")
    row["question"] = row["question"] | {"pre_generated_steps": written}
    (turn,) = label(json.dumps(row).encode()).turns
    cut = steps(turn.trace.text, turn.trace.offsets)
    assert [one.removesuffix("\n") if at < len(cut) - 1 else one for at, one in enumerate(cut)] == written
    assert "".join(cut) == turn.trace.text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(["question", "label", "labeler", "timestamp"]), json_values)
def test_whatever_a_field_holds_the_line_is_a_label_or_unusable(field: str, value: object) -> None:
    try:
        found = label(json.dumps(WRONG | {field: value}).encode())
    except UnusableLineError:
        return
    assert found.turns
