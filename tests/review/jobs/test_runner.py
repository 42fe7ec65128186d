"""Jobs are done once, whatever engines and servers do."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from review.jobs import queue
from review.jobs.pace import Pace
from review.jobs.runner import Runner
from review.store.database import Database
from review.store.models import Item, Job, JobKind, JobState, Rollout, Trace
from review.views import effect_view
from schemas.errors import EngineError
from tasks.engines.contract import Completion, Finish, Request
from tasks.rewrite.continuing import ids

EDIT: dict[str, Any] = {"step": 0, "after": "1 + 2 = 3", "offsets": None}
QUICK = Pace(poll_s=0.02)


def ask(store: Database, item: str = "b-0", kind: JobKind = JobKind.CONTINUE, **asked: Any) -> str:
    with store.writing() as session:
        return queue.ask(session, session.get_one(Item, item), kind, EDIT | {"trace_id": item} | asked).id


def traces(store: Database, job: str) -> list[Trace]:
    with store.reading() as session:
        return list(session.scalars(select(Trace).where(Trace.job_id == job).order_by(Trace.number)))


@pytest.fixture
def running(database: Database, shelf: Any, engine: Any) -> Iterator[Runner]:
    shelf.batch(database)
    shelf.item(database, "b")
    with Runner(database, QUICK) as runner:
        yield runner
    assert engine.starts == engine.ends


def test_continuations_become_traces(database: Database, shelf: Any, engine: Any, running: Runner) -> None:
    texts = ["3 + 3 = 6\nIt is \\boxed{6}.", "So it is \\boxed{7}.", ""]
    names = ids(("b-0", 0, "1 + 2 = 3"), 3)
    engine.answer = lambda request: texts[names.index(request.request_id)]
    name = ask(database)
    [job] = shelf.over(database, name)
    assert (job.state, job.done, job.total, job.found, job.error) == (JobState.DONE, 3, 3, {"lost": {}}, None)
    assert {one.prefix for one in engine.asked} == {"1 + 2 = 3\n"}
    assert [one.sampling.seed for one in sorted(engine.asked, key=lambda one: names.index(one.request_id))] == [
        int(one[:7], 16) for one in names
    ]
    made = traces(database, name)
    assert [one.trace_id for one in made] == names
    assert [one.text for one in made] == [f"1 + 2 = 3\n{text}" for text in texts]
    assert [one.status for one in made][:2] == ["correct", "incorrect"]
    assert [one.answer for one in made][:2] == ["6", "7"]
    first = made[0]
    assert (first.parent_trace_id, first.fork_step, first.fork_offset, first.step_offsets) == ("b-0", 0, 0, [0, 10, 20])
    assert (first.sampled["model"], first.sampled["finish_reason"], first.sampled["prompt_tokens"]) == (
        "scripted",
        "stop",
        5,
    )
    assert "text" not in first.sampled


def test_asking_again_asks_no_model(database: Database, shelf: Any, engine: Any, running: Runner) -> None:
    shelf.over(database, ask(database))
    shelf.over(database, ask(database))
    assert len(engine.asked) == 3
    # Nor does another batch that reviews the same trace.
    shelf.batch(database, "c", going_on={"k": 4})
    shelf.item(database, "c")
    with database.writing() as session:
        item = session.get_one(Item, "c-0")
        source = session.get_one(Trace, ("c-0", "c-0"))
        session.add(Trace(**{c.key: getattr(source, c.key) for c in Trace.__table__.columns} | {"trace_id": "b-0"}))
        session.flush()
        name = queue.ask(session, item, JobKind.CONTINUE, EDIT | {"trace_id": "b-0"}).id
    [job] = shelf.over(database, name)
    assert len(engine.asked) == 4
    assert (job.done, len(traces(database, name))) == (4, 4)


def test_a_reviewers_own_cut(database: Database, shelf: Any, engine: Any, running: Runner) -> None:
    name = ask(database, step=1, offsets=[0, 20], after="so 6")
    shelf.over(database, name)
    made = traces(database, name)
    assert [one.trace_id for one in made] == ids(("b-0", 1, "so 6"), 3, [0, 20])
    assert {one.prefix for one in engine.asked} == {"1 + 2 = 4\n4 + 3 = 7\nso 6\n"}
    assert (made[0].fork_step, made[0].fork_offset, made[0].step_offsets[:2]) == (1, 20, [0, 20])


def test_what_cannot_be_used(database: Database, shelf: Any, engine: Any, running: Runner) -> None:
    """Nothing sampled is counted with its reason; what the lake would drop is no right answer."""
    shelf.batch(database, "four", going_on={"k": 4})
    shelf.item(database, "four")
    names = ids(("four-0", 0, "1 + 2 = 3"), 4)

    def answer(request: Request) -> str | Completion:
        number = names.index(request.request_id)
        if number == 0:
            return Completion(request.request_id, "", Finish.OVERFLOW, 9, 0, "the prompt has 9 tokens")
        if number == 3:
            return "\x00"
        return Completion(request.request_id, "It is \\boxed{6}.", Finish.LENGTH if number == 1 else Finish.STOP, 5, 7)

    engine.answer = answer
    name = ask(database, "four-0")
    [job] = shelf.over(database, name)
    assert (job.state, job.done) == (JobState.DONE, 4)
    assert job.found["lost"][names[0]] == "context overflow: the prompt has 9 tokens"
    assert "NUL" in job.found["lost"][names[3]]
    cut_off, right = traces(database, name)
    assert cut_off.status != "correct"
    assert cut_off.reason.startswith("ran into max_tokens")
    assert right.status == "correct"


def test_a_suggestion(database: Database, shelf: Any, engine: Any, running: Runner) -> None:
    """Whoever goes on from the first wrong line comes to a wrong answer."""
    text = "1 + 2 = 3\n3 + 3 = 7\n7 + 0 = 7\nIt is \\boxed{7}."
    shelf.item(database, "b", 1, text)
    engine.answer = lambda request: "It is \\boxed{7}." if "= 7" in request.prefix else "It is \\boxed{6}."
    name = ask(database, "b-1", JobKind.SUGGEST)
    [job] = shelf.over(database, name)
    assert job.found == {"first_wrong": 1}
    assert (job.done, job.total) == (8, 8)
    with database.reading() as session:
        item = session.get_one(Item, "b-1")
        stored = session.scalars(select(Rollout)).all()
    assert (item.suggestion, item.suggested_by) == (
        1,
        "rollouts: 0 of 4 continuations of it reach the answer, of the step before 4 of 4",
    )
    assert Counter(one.right for one in stored) == {True: 4, False: 4}
    assert {one.id for one in stored} == {one.request_id for one in engine.asked}
    # An effect of the same steps counts the same continuations.
    ask(database, "b-1", JobKind.EFFECT, step=1)
    time.sleep(0.2)
    [counted] = shelf.over(database, ask(database, "b-1", JobKind.EFFECT, step=1))
    assert counted.found == {"before": [4, 4], "wrong": [0, 4]}
    assert len(engine.asked) == 8


def test_an_effect(database: Database, shelf: Any, engine: Any, running: Runner) -> None:
    engine.answer = lambda request: "It is \\boxed{7}." if "= 4" in request.prefix else "It is \\boxed{6}."
    asked, counted, last = ask(database), ask(database, kind=JobKind.EFFECT), ask(database, kind=JobKind.EFFECT, step=2)
    shelf.over(database, asked, counted, last)
    assert shelf.job(database, last).found == {"before": [0, 4], "wrong": [0, 1]}
    assert shelf.job(database, last).total == 4
    with database.reading() as session:
        made = session.scalars(select(Trace).where(Trace.job_id == asked)).all()
        told = effect_view(session.get_one(Job, asked), session.get_one(Job, counted), made)
    unknown = effect_view(None, None, [])
    assert told.model_dump() == {
        "before": {"right": 4, "of": 4},
        "wrong": {"right": 0, "of": 4},
        "after": {"right": 3, "of": 3},
    }
    assert set(unknown.model_dump().values()) == {None}


def test_an_engine_that_breaks_fails_the_job_and_starts_anew(
    database: Database, shelf: Any, engine: Any, running: Runner
) -> None:
    engine.answer = lambda _: EngineError("the server at http://me:pass@x: key sk-test-0123456789abcdef is wrong")
    [job] = shelf.over(database, ask(database))
    assert job.state == JobState.FAILED
    assert job.error == "the server at http://[hidden]@x: key [hidden] is wrong"
    engine.answer = lambda _: "It is \\boxed{6}."
    [again] = shelf.over(database, ask(database))
    assert again.id == job.id
    assert (again.state, again.error, again.attempts, len(traces(database, job.id))) == (JobState.DONE, None, 2, 3)
    assert engine.starts == 2


def test_an_engine_that_there_is_not(database: Database, shelf: Any) -> None:
    shelf.batch(database, model={"model": "m", "engine": "warp"})
    shelf.item(database, "b")
    with Runner(database, QUICK):
        [job] = shelf.over(database, ask(database))
    assert job.state == JobState.FAILED
    assert "warp" in (job.error or "")


def test_the_end_cancels_what_is_in_flight_and_gives_it_back(database: Database, shelf: Any, engine: Any) -> None:
    shelf.batch(database)
    shelf.item(database, "b")
    engine.pause_s = 60.0
    name = ask(database)
    with Runner(database, QUICK):
        while len(engine.asked) < 3:
            time.sleep(0.01)
        begun = time.monotonic()
    assert time.monotonic() - begun < 10
    job = shelf.job(database, name)
    assert (job.state, job.attempts, job.lease_until) == (JobState.QUEUED, 0, None)
    assert (engine.cancelled, engine.ends) == (3, 1)
    assert not [one for one in threading.enumerate() if one.name.startswith("jobs")]


def test_an_idle_engine_is_ended_and_started_when_asked(database: Database, shelf: Any, engine: Any) -> None:
    shelf.batch(database)
    shelf.item(database, "b")
    with Runner(database, Pace(poll_s=0.02, idle_s=0.3)):
        shelf.over(database, ask(database))
        while not engine.ends:
            time.sleep(0.02)
        shelf.over(database, ask(database, after="1 + 2 is 3"))
        assert engine.starts == 2


def test_two_runners_on_one_store(store: Database, shelf: Any, engine: Any) -> None:
    shelf.batch(store)
    for number in range(12):
        shelf.item(store, "b", number)
    engine.pause_s = 0.02
    with ExitStack() as ends:
        for _ in range(2):
            ends.enter_context(Runner(store, Pace(poll_s=0.02, together=3)))
        names = [ask(store, f"b-{number}") for number in range(12)]
        jobs = shelf.over(store, *names)
    assert {(job.state, job.attempts, job.done) for job in jobs} == {(JobState.DONE, 1, 3)}
    assert len(engine.asked) == len({one.request_id for one in engine.asked}) == 36
    assert sum(len(traces(store, name)) for name in names) == 36


def test_a_job_longer_than_its_lease_stays_its_servers(database: Database, shelf: Any, engine: Any) -> None:
    shelf.batch(database)
    shelf.item(database, "b")
    engine.pause_s = 2.0
    pace = Pace(poll_s=0.02, lease=timedelta(seconds=0.9))
    with Runner(database, pace), Runner(database, pace):
        [job] = shelf.over(database, ask(database))
    assert (job.state, job.attempts, len(engine.asked)) == (JobState.DONE, 1, 3)


def test_what_nobody_waits_for_leaves_room(database: Database, shelf: Any, engine: Any) -> None:
    shelf.batch(database)
    for number in range(5):
        shelf.item(database, "b", number)
    with database.writing() as session:
        asked = [queue.ensure_suggestion(session, session.get_one(Item, f"b-{number}")) for number in range(4)]
    suggestions = [job.id for job in asked if job]
    engine.pause_s = 60.0
    with Runner(database, Pace(poll_s=0.02, aside=2)):
        while len(engine.asked) < 8:
            time.sleep(0.01)
        engine.pause_s = 0.0
        [job] = shelf.over(database, ask(database, "b-4"))
        assert job.state == JobState.DONE
        assert [shelf.job(database, name).state for name in suggestions].count(JobState.RUNNING) == 2
