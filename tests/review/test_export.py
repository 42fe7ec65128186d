"""What reviewers did, as lines: finished reviews alone, by pseudonym, in an order that does not change."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from review import batches, users
from review.audit import head, holds
from review.batches import NewBatch, NewItem
from review.config import BatchSettings
from review.export import Exported, kept_head, lines, place, write
from review.store.database import Database
from review.store.models import (
    Adjudication,
    Assignment,
    Batch,
    Item,
    ItemState,
    Job,
    JobKind,
    JobState,
    Role,
    Round,
    State,
    Trace,
    User,
)
from schemas.errors import ReviewError
from tasks.label.marks import marks
from tasks.lake import Lake
from tasks.reviews import reviews
from tasks.rewrite.config import REVIEWED
from tasks.rewrite.reading import read
from tasks.storage import Storage

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TEXT = "1 + 1 = 3\nIt is 3."


def opened(session: Session) -> Batch:
    problem = {"problem_id": "p", "domain": "math", "question": "1 + 1?", "reference": "2"}
    trace = {"text": TEXT, "step_offsets": [0, 10], "splitter": "steps/1", "source": "policy"}
    items = [
        NewItem(problem | {"tests": None, "constraints": None}, trace | {"trace_id": f"t{at}"}, 3 - at, gold=gold)
        for at, gold in enumerate((None, None, 0))
    ]
    return batches.open_batch(session, "tests", NewBatch("b", BatchSettings(), items))


def reviewed(session: Session, item: Item, name: str, state: State, *rounds: dict[str, Any]) -> None:
    found = session.scalar(select(User).where(User.name == name))
    user = found or users.add(session, "tests", name, None, Role.REVIEWER)
    user.pseudonym = f"r-{name}"
    times = {"opened_at": NOW, "changed_at": NOW, "finished_at": NOW + timedelta(minutes=1)}
    one = Assignment(id=f"{name}-{item.rank}", item_id=item.id, user_id=user.id, state=state, seconds=7.5, **times)
    session.add(one)
    session.flush()
    for number, values in enumerate(rounds):
        told = {"trace_id": item.trace_id, "ratings": [-1, None], "first_wrong": 0, "opened_at": NOW}
        session.add(Round(assignment_id=one.id, number=number, **(told | values)))
    session.flush()


@pytest.fixture
def session(either: Database) -> Any:
    """Three items: one with two rounds of owl's and one of elk's, one whose problem is bad, a gold one."""
    with either.writing() as session:
        opened(session)
        gold, second, first = session.scalars(select(Item).order_by(Item.rank))
        job = Job(id="j", item_id=first.id, kind=JobKind.CONTINUE, asked={}, state=JobState.DONE, created_at=NOW)
        effect = Job(id="e", item_id=first.id, kind=JobKind.EFFECT, asked={}, state=JobState.DONE, created_at=NOW)
        effect.found = {"before": [1, 4], "wrong": [0, 4]}
        session.add_all([job, effect])
        session.flush()
        for number in (1, 0):
            values = {"text": f"1 + 1 = 2\nIt is 2, {number}.", "status": "correct", "answer": "2", "number": number}
            cut = {"step_offsets": [0, 10], "splitter": "steps/1", "parent_trace_id": "t0", "fork_step": 0}
            sampled = {"model": "tiny", "seed": 7, "finish_reason": "stop"}
            names = {"item_id": first.id, "trace_id": f"c{number}", "job_id": "j", "sampled": sampled}
            session.add(Trace(**names, **values, **cut, created_at=NOW))
        rewrote = {"after": "1 + 1 = 2", "job_id": "j", "effect_id": "e", "chosen": "c0", "rewritten_at": NOW}
        again = {"trace_id": "c0", "ratings": [1, 0], "first_wrong": -1}
        reviewed(session, first, "owl", State.SUBMITTED, rewrote, again)
        reviewed(session, first, "elk", State.GAVE_UP, {"first_wrong": 1, "ratings": [1, -1], "offsets": [0, 5]})
        reviewed(session, second, "owl", State.BAD_PROBLEM, {"first_wrong": None})
        reviewed(session, second, "elk", State.SKIPPED, {})
        reviewed(session, gold, "owl", State.SUBMITTED, {})
        first.state, first.verdict = ItemState.FINAL, 0
        admin = users.add(session, "tests", "ann", None, Role.ADMIN)
        session.add(Adjudication(item_id=first.id, user_id=admin.id, first_wrong=0, at=NOW))
        session.flush()
        yield session


def test_a_line_for_each_round_of_what_is_finished(session: Session) -> None:
    batch = batches.find(session, "b")
    found = list(lines(session, batch))
    told = [(one["trace_id"], one["reviewer"], one["round"], one["state"]) for one in found]
    assert told == [
        ("t2", "r-owl", 0, "submitted"),
        ("t1", "r-owl", 0, "bad_problem"),
        ("t0", "r-elk", 0, "gave_up"),
        ("t0", "r-owl", 0, "submitted"),
        ("c0", "r-owl", 1, "submitted"),
    ]
    assert [(one["gold"], one["bad_problem"]) for one in found[:3]] == [(True, False), (False, True), (False, False)]
    assert [(one["verdict"], one["settled"]) for one in found[2:]] == [(0, "adjudicated")] * 2 + [(None, None)]
    assert (found[2]["offsets"], found[2]["step"], found[2]["after"], found[2]["continuations"]) == (
        [0, 5],
        None,
        None,
        [],
    )
    assert found == list(lines(session, batch))
    whole = found[3]
    expected = {
        "batch": "b",
        "problem_id": "p",
        "step": 0,
        "after": "1 + 1 = 2",
        "chosen": "c0",
        "effect": {"before": [1, 4], "wrong": [0, 4]},
        "rewritten_at": "2026-01-02T03:04:05+00:00",
        "finished_at": "2026-01-02T03:05:05+00:00",
        "seconds": 7.5,
        "revealed": False,
    }
    assert {name: whole[name] for name in expected} == expected
    assert [one["id"] for one in whole["continuations"]] == ["c0", "c1"]
    one = whole["continuations"][0]
    assert (one["text"], one["status"], one["answer"], one["seed"]) == ("1 + 1 = 2\nIt is 2, 0.", "correct", "2", 7)


def test_the_lake_reads_what_is_written(session: Session, tmp_path: Path) -> None:
    batch, lake = batches.find(session, "b"), Lake(str(tmp_path / "lake"))
    assert (place(batch), write(session, batch, lake.storage, place(batch))) == ("reviews/b.jsonl", 5)
    found = {
        name: [(one.reviewer, one.first_wrong, one.verdict) for one in those]
        for name, those in marks(reviews(lake)).by_trace.items()
    }
    assert found == {"t0": [("r-elk", 1, 0), ("r-owl", 0, 0)], "c0": [("r-owl", -1, None)]}
    told = read((row for row in reviews(lake) if row.values["after"]), REVIEWED)
    ((one,), none) = told
    assert none == ()
    assert (one.item, one.round, one.reviewer, one.edit) == (batch_item(session), 0, "r-owl", ("t0", 0, "1 + 1 = 2"))
    assert [each.id for each in one.continuations] == ["c0", "c1"]
    assert (one.opened_at, one.saved_at) == (NOW, NOW)


def test_beside_the_lines_stands_how_far_the_audit_had_come(session: Session, tmp_path: Path) -> None:
    batch, storage = batches.find(session, "b"), Storage(str(tmp_path))
    write(session, batch, storage, "b.jsonl")
    told = Exported.model_validate_json((tmp_path / "b.manifest.json").read_bytes())
    assert (told.batch, told.rounds, told.audit) == ("b", 5, head(session))
    assert told.sha256 == hashlib.sha256((tmp_path / "b.jsonl").read_bytes()).hexdigest()
    kept = kept_head(tmp_path / "b.manifest.json")
    assert kept is not None
    assert holds(session, kept)
    with pytest.raises(ReviewError, match=r"b\.jsonl: is no manifest"):
        kept_head(tmp_path / "b.jsonl")
    with pytest.raises(ReviewError, match="nothing: cannot be read"):
        kept_head(tmp_path / "nothing")


def batch_item(session: Session) -> str:
    return session.scalars(select(Item.id).where(Item.trace_id == "t0")).one()


def test_an_item_that_most_call_a_bad_problem_is_never_trained_on(session: Session) -> None:
    item = session.get_one(Item, batch_item(session))
    item.verdict = None
    session.flush()
    found = list(lines(session, batches.find(session, "b")))
    assert {one["bad_problem"] for one in found if one["item"] == item.id} == {True}


def test_names_and_passwords_stay_where_they_are(session: Session, tmp_path: Path) -> None:
    write(session, batches.find(session, "b"), Storage(str(tmp_path)), "out.jsonl")
    text = (tmp_path / "out.jsonl").read_text()
    assert len(text.splitlines()) == 5
    people = {json.loads(line)["reviewer"] for line in text.splitlines()}
    assert people == {"r-owl", "r-elk"}
    assert '"owl"' not in text
