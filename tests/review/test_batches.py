"""Batches: opened once, added to, closed; how far they are."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from review import batches, overview, users
from review.batches import NewBatch, NewItem
from review.config import BatchSettings
from review.store.database import Database
from review.store.models import Assignment, Audit, BatchState, Item, ItemState, Role, State, Trace
from schemas.errors import ReviewError


def item(number: int, **more: Any) -> NewItem:
    problem = {"problem_id": f"p{number}", "domain": "math", "question": "1 + 1?", "reference": "2"}
    trace = {"trace_id": f"t{number}", "text": "1 + 1 = 3\nIt is 3.", "step_offsets": [0, 10], "splitter": "steps/1"}
    told = {"source": "policy", "model": "tiny", "temperature": 0.5}
    nothing = {"tests": None, "constraints": None}
    return NewItem(problem | nothing, trace | told, number, **more)


def new(*numbers: int, name: str = "b", **more: Any) -> NewBatch:
    settings = BatchSettings.model_validate({"review": more.pop("review", {})})
    return NewBatch(name, settings, [item(one) for one in numbers], "demo", "lake", **more)


def actions(session: Session) -> list[str]:
    return list(session.scalars(select(Audit.action).order_by(Audit.id)))


def test_the_same_again_adds_nothing_and_new_rows_join(either: Database) -> None:
    for given in (new(1, 2), new(1, 2), new(2, 3)):
        with either.writing() as session:
            batch = batches.open_batch(session, "ann", given)
    with either.reading() as session:
        found = session.scalars(select(Item).order_by(Item.rank)).all()
        trace = session.get_one(Trace, (found[0].id, "t1"))
        assert [one.trace_id for one in found] == ["t1", "t2", "t3"]
        assert actions(session) == ["batch opened", "items added", "items added"]
        assert batches.find(session, "b").id == batches.find(session, batch.id).id
    assert (trace.text, trace.step_offsets, trace.status) == ("1 + 1 = 3\nIt is 3.", [0, 10], "unverifiable")
    assert (trace.sampled["model"], trace.sampled["temperature"], trace.sampled["seed"]) == ("tiny", 0.5, None)


def test_what_cannot_be_opened(either: Database) -> None:
    with either.writing() as session:
        batch = batches.open_batch(session, "ann", new(1))
        for bad in ("", "a b", "../x", "x" * 201):
            with pytest.raises(ReviewError, match="a name has letters"):
                batches.open_batch(session, "ann", new(1, name=bad))
        with pytest.raises(ReviewError, match="is of recipe demo in lake"):
            batches.open_batch(session, "ann", new(1)._replace(recipe="other"))
        batches.close(session, "ann", batch, "enough")
        assert batches.open_batch(session, "ann", new(1)) is batch
        with pytest.raises(ReviewError, match=r"was closed \(enough\); reopen it"):
            batches.open_batch(session, "ann", new(1, 2))
        with pytest.raises(ReviewError, match="there is none of this name"):
            batches.find(session, "c")


def test_a_text_that_no_store_keeps_is_left_out(either: Database) -> None:
    broken = item(2)
    broken = broken._replace(trace={**broken.trace, "text": "a\x00b"})
    with either.writing() as session:
        batch = batches.open_batch(session, "ann", new(1)._replace(items=[item(1), broken]))
        (told,) = session.scalars(select(Audit.details).where(Audit.action == "items added"))
        assert (batches.progress(session, batch).items, told) == (1, {"items": 1, "left_out": 1})


def test_settings_and_overrides_follow_the_recipe(either: Database) -> None:
    with either.writing() as session:
        batches.open_batch(session, "ann", new(1))
        batch = batches.open_batch(session, "ann", new(1, review={"overlap": 2}, overrides=("queue.count=5",)))
        assert (batch.settings["review"]["overlap"], batch.overrides) == (2, ["queue.count=5"])
        assert actions(session)[-1] == "batch changed"


def test_guidelines_of_an_admin_stay_and_those_of_a_recipe_follow_it(either: Database) -> None:
    with either.writing() as session:
        batches.open_batch(session, "ann", new(1, review={"guidelines": "one"}))
        batch = batches.open_batch(session, "ann", new(1, review={"guidelines": "two"}))
        assert overview.guidelines(batch) == "two"
        overview.set_guidelines(session, "ann", batch, "own")
    with either.writing() as session:
        batch = batches.open_batch(session, "ann", new(1, review={"guidelines": "three", "overlap": 2}))
        assert (overview.guidelines(batch), batch.settings["review"]["overlap"]) == ("own", 2)
        told = actions(session)
        batches.open_batch(session, "ann", new(1, review={"guidelines": "four", "overlap": 2}))
        assert (overview.guidelines(batch), actions(session)) == ("own", told)


def test_closing_and_opening_again(either: Database) -> None:
    with either.writing() as session:
        batch = batches.open_batch(session, "ann", new(1, review={"within_days": 2}))
        due = batch.opened_at + timedelta(days=2)
        assert batch.deadline == due
        assert batches.overdue(session, due) == []
        assert batches.overdue(session, due + timedelta(seconds=1)) == [batch]
        assert batches.close(session, "ann", batch, "time is up")
        assert not batches.close(session, "ann", batch, "again")
        assert (batch.state, batch.closed_because) == (BatchState.CLOSED, "time is up")
        assert (batches.overdue(session, due + timedelta(days=9)), batches.opened(session)) == ([], [])
        assert batches.next_name(session, "b") == "b-2"
        assert batches.closed_traces(session, "demo", "lake") == {"t1"}
        assert batches.closed_traces(session, "demo", "other") == set()
        batches.reopen(session, "bob", batch)
        assert (batch.state, batch.closed_at, batches.next_name(session, "b")) == (BatchState.OPEN, None, "b")
        assert actions(session)[-2:] == ["batch closed", "batch reopened"]


def test_progress(either: Database) -> None:
    now = datetime.now(UTC)
    with either.writing() as session:
        given = new(1, 2, 3, 4)
        batch = batches.open_batch(session, "ann", given._replace(items=[*given.items, item(9, gold=0)]))
        user = users.add(session, "tests", "owl", None, Role.REVIEWER)
        first, second, third, fourth, gold = session.scalars(select(Item).order_by(Item.rank))
        first.state, second.state = ItemState.AGREED, ItemState.ADJUDICATION
        times = {"opened_at": now, "changed_at": now}
        for number, (one, minutes) in enumerate(((third, 5), (fourth, -5), (gold, 5))):
            until = now + timedelta(minutes=minutes)
            session.add(
                Assignment(
                    id=f"a{number}", item_id=one.id, user_id=user.id, state=State.MARKING, lease_until=until, **times
                )
            )
        told = batches.progress(session, batch)
        assert told == batches.Progress(4, 0, 1, 1, 0, 1, 2)
        assert (told.done, told.complete, batches.complete(session, batch)) == (1, False, False)
        assert batches.missing(session, batch) == ["t2", "t3", "t4"]
        for one in (second, third, fourth):
            one.state = ItemState.FINAL
        session.flush()
        assert not batches.complete(session, batch)
        assert batches.progress(session, batch, now + timedelta(minutes=6)).complete
