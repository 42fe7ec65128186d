"""Jobs are asked for once, and done by one server at a time."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from review.jobs import queue
from review.store.database import Database
from review.store.models import Item, Job, JobKind, JobState
from schemas.errors import ReviewError

NOW = datetime(2030, 1, 1, tzinfo=UTC)
EDIT: dict[str, Any] = {"trace_id": "b-0", "step": 0, "after": "1 + 2 = 3", "offsets": None}


def ask(store: Database, kind: JobKind = JobKind.CONTINUE, item: str = "b-0", **asked: Any) -> Job:
    told = {"trace_id": item} if kind is JobKind.SUGGEST else EDIT | {"trace_id": item} | asked
    with store.writing() as session:
        return queue.ask(session, session.get_one(Item, item), kind, told)


def take(store: Database, now: datetime = NOW, batches: tuple[str, ...] = ("b",)) -> Job | None:
    with store.writing() as session:
        return queue.take(session, now, batches)


def change(store: Database, how: Any, job: Job, *told: Any) -> bool:
    with store.writing() as session:
        changed: bool = how(session, job, *told)
        return changed


@pytest.fixture
def filled(store: Database, shelf: Any) -> Database:
    shelf.batch(store)
    for number in range(3):
        shelf.item(store, "b", number)
    return store


def test_the_same_is_asked_once(filled: Database) -> None:
    first = ask(filled)
    assert (first.state, first.total, first.attempts) == (JobState.QUEUED, 3, 0)
    assert first.asked == EDIT
    assert ask(filled, after="\n1 + 2 = 3 \n").id == first.id
    others = {ask(filled, after="1 + 2 is 3").id, ask(filled, offsets=[0, 10]).id, ask(filled, JobKind.EFFECT).id}
    assert len(others | {first.id}) == 4
    taken = take(filled)
    assert taken is not None
    assert change(filled, queue.finish, taken, 3, {})
    assert ask(filled).state == JobState.DONE or taken.id != first.id


def test_many_ask_at_once(filled: Database) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert len({job.id for job in threads.map(lambda _: ask(filled), range(16))}) == 1


def test_a_failed_one_is_queued_again(filled: Database) -> None:
    ask(filled)
    taken = take(filled)
    assert taken is not None
    assert change(filled, queue.fail, taken, "no server")
    assert take(filled) is None
    again = ask(filled)
    assert (again.state, again.error, again.attempts) == (JobState.QUEUED, None, 1)
    retaken = take(filled)
    assert retaken is not None
    assert retaken.attempts == 2


def test_continuations_come_first_and_effects_last(filled: Database) -> None:
    for kind in (JobKind.EFFECT, JobKind.SUGGEST, JobKind.CONTINUE):
        ask(filled, kind)
    late = ask(filled, item="b-1")
    assert take(filled, batches=("other",)) is None
    taken = [take(filled) for _ in range(5)]
    kinds = [JobKind.CONTINUE, JobKind.CONTINUE, JobKind.SUGGEST, JobKind.EFFECT]
    assert [job and job.kind for job in taken] == [*kinds, None]
    assert taken[1] is not None
    assert taken[1].id == late.id


def test_a_dead_servers_job_is_taken_up_again_but_not_for_ever(filled: Database) -> None:
    ask(filled)
    first = take(filled)
    assert first is not None
    assert take(filled, NOW + timedelta(seconds=59)) is None
    assert change(filled, queue.beat, first, NOW + timedelta(seconds=30))
    assert take(filled, NOW + timedelta(seconds=61)) is None
    second = take(filled, NOW + timedelta(seconds=91))
    assert second is not None
    assert second.attempts == 2
    # Who was given up for dead spoils nothing.
    assert not any(change(filled, queue.finish, first, 3, {}) for _ in range(2))
    assert not change(filled, queue.release, first)
    assert not change(filled, queue.beat, first, NOW)
    assert take(filled, NOW + timedelta(hours=1)) is not None
    assert take(filled, NOW + timedelta(hours=2)) is None
    with filled.reading() as session:
        over = session.get_one(Job, first.id)
    assert (over.state, over.attempts) == (JobState.FAILED, 3)
    assert "the server ended in the middle" in (over.error or "")


def test_a_job_that_is_given_back_counts_no_attempt(filled: Database) -> None:
    ask(filled)
    for _ in range(5):
        taken = take(filled)
        assert taken is not None
        assert taken.attempts == 1
        assert change(filled, queue.release, taken)


def test_each_is_taken_by_one(filled: Database) -> None:
    asked = {ask(filled, after=f"1 + 2 = {n}").id for n in range(12)}
    with ThreadPoolExecutor(8) as threads:
        taken = [job.id for job in threads.map(lambda _: take(filled), range(24)) if job]
    assert sorted(taken) == sorted(asked)


def test_what_cannot_be_asked(filled: Database, shelf: Any) -> None:
    shelf.batch(filled, "labels", model=None)
    shelf.item(filled, "labels")
    for told, item in (
        ({"step": 3}, "b-0"),
        ({"step": 2, "offsets": [0, 10]}, "b-0"),
        ({"after": " \n"}, "b-0"),
        ({}, "labels-0"),
    ):
        with pytest.raises(ReviewError, match=r"no such step|is empty|no model"):
            ask(filled, item=item, **told)
    with pytest.raises(ReviewError, match="has no trace x"), filled.writing() as session:
        queue.ask(session, session.get_one(Item, "b-0"), JobKind.SUGGEST, {"trace_id": "x"})


def test_a_suggestion_is_asked_where_it_can_be_found(filled: Database, shelf: Any) -> None:
    shelf.batch(filled, "never", review={"suggest": {"when": "never"}})
    shelf.item(filled, "never")
    shelf.item(filled, "b", 7, reference=" ")
    shelf.item(filled, "b", 8, suggested_by="the lake", suggestion=1)
    with filled.writing() as session:
        asked = {
            name: queue.ensure_suggestion(session, session.get_one(Item, name))
            for name in ("b-0", "never-0", "b-7", "b-8")
        }
        assert asked["b-0"] is queue.ensure_suggestion(session, session.get_one(Item, "b-0"))
    assert [name for name, job in asked.items() if job] == ["b-0"]
