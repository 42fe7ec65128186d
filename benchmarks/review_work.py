"""Reviews by the store's own functions, without models, and the app served: what pictures and browser tests need."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import uvicorn
from fastapi import FastAPI
from sqlalchemy import select

from review.store.database import Database
from review.store.models import Assignment, Job, JobState, Trace, User
from review.wire import ChooseIn, ExitIn, Held, MarkIn, Rating, RewriteIn, SubmitIn
from review.work import acting, leaving
from review.work.claiming import claim
from review.work.holding import Work, held
from schemas.tables import Status
from tasks.rewrite.prefix import forked, offsets_of
from tasks.text.steps import SPLITTER

_HELD: Final[dict[str, Any]] = {"token": "", "version": 0}
"""What the acts themselves do not look at."""


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The app on a free port of this machine, from a thread of its own; its address."""
    taken = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [taken]}, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{taken.getsockname()[1]}"
    running.should_exit = True
    thread.join(10)


class Continuation(NamedTuple):
    """What a model is said to have gone on with."""

    rest: str
    """All after the rewritten step."""
    answer: str
    status: str = Status.CORRECT.value


class Desk:
    """One reviewer at work; every act takes `pace` seconds."""

    def __init__(self, store: Database, name: str, began: datetime, pace: float = 20) -> None:
        self._store, self.now, self._pace = store, began, timedelta(seconds=pace)
        with store.reading() as session:
            self._user = session.scalars(select(User.id).where(User.name == name)).one()
        self.id = ""

    def take(self) -> str:
        """Take the next trace; its assignment's id."""
        with self._store.writing() as session:
            found = claim(session, self._user, self.now)
            assert found is not None, "nothing is left to claim"
            self.id = found.id
        return self.id

    def mark(self, first_wrong: int) -> None:
        """Say which step is the first wrong one; those before it are great, or all are where none is."""
        with self._work() as work:
            steps = len(work.offsets)
            right = steps if first_wrong < 0 else first_wrong
            wrong: list[Rating] = [-1] if first_wrong >= 0 else []
            great: list[Rating] = [1] * right
            unrated: list[Rating] = [None] * steps
            ratings = [*great, *wrong, *unrated][:steps]
            acting.mark(work, MarkIn(**_HELD, first_wrong=first_wrong, ratings=ratings))

    def rewrite(self, after: str, came: Sequence[Continuation], rollouts: tuple[int, int, int] = (2, 0, 4)) -> None:
        """Rewrite the first wrong step; `rollouts`: right answers from before it and from after it, of how many."""
        with self._work() as work:
            acting.rewrite(work, RewriteIn(**_HELD, after=after))
            step = work.round.first_wrong
            assert step is not None
            if work.session.get_one(Job, work.round.job_id).state != JobState.DONE:  # else somebody wrote the same
                work.session.add_all(_continued(work, (step, after), number, one) for number, one in enumerate(came))
            before, wrong, of = rollouts
            found = {"before": [before, of], "wrong": [wrong, of]}
            for name in (work.round.job_id, work.round.effect_id):
                job = work.session.get_one(Job, name)
                job.state, job.done, job.found = JobState.DONE, job.total, found

    def choose(self, number: int) -> None:
        """Go on with one of the continuations."""
        with self._work() as work:
            wanted = select(Trace.trace_id).where(Trace.job_id == work.round.job_id, Trace.number == number)
            chosen = work.session.scalars(wanted).one()
            acting.choose(work, ChooseIn(**_HELD, trace_id=chosen))

    def submit(self) -> None:
        """Be done with it."""
        with self._work() as work:
            leaving.submit(work, SubmitIn(**_HELD, despite=True))

    def give_up(self, reason: str) -> None:
        """End it without a right trace."""
        with self._work() as work:
            leaving.give_up(work, ExitIn(**_HELD, reason=reason))

    def bad_problem(self, reason: str) -> None:
        """End it, for the problem is bad."""
        with self._work() as work:
            leaving.bad_problem(work, ExitIn(**_HELD, reason=reason))

    @contextmanager
    def _work(self) -> Iterator[Work]:
        self.now += self._pace
        with self._store.writing() as session:
            assignment = session.get_one(Assignment, self.id)
            assignment.seconds += self._pace.total_seconds()
            by = Held(token=assignment.lease_token or "", version=assignment.version)
            yield held(session, self.id, self._user, by, self.now)


def _continued(work: Work, edit: tuple[int, str], number: int, one: Continuation) -> Trace:
    step, after = edit
    text = forked(work.trace.text, work.offsets, step, after) + one.rest
    offsets = offsets_of(text, work.offsets[: step + 1])
    return Trace(
        item_id=work.item.id,
        trace_id=f"{work.round.job_id}-{number}",
        parent_trace_id=work.trace.trace_id,
        fork_step=step,
        fork_offset=offsets[step],
        number=number,
        job_id=work.round.job_id,
        text=text,
        step_offsets=offsets,
        splitter=SPLITTER,
        status=one.status,
        answer=one.answer,
        sampled={"model": "scripted"},
        created_at=work.now,
    )
