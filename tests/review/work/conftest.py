"""Work in the hands of a reviewer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from review.store.database import Database
from review.store.models import Assignment, Item, Job, JobState, Trace
from review.views import view
from review.wire import AssignmentView, Held
from review.work.claiming import claim
from review.work.holding import Work, held
from tasks.text.steps import SPLITTER, split_steps

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Desk:
    """One reviewer, one store, and a clock that only moves when told."""

    def __init__(self, store: Database, user: int) -> None:
        self.store, self.user, self.now, self.id = store, user, START, ""

    def claim(self) -> bool:
        """Take the next trace."""
        with self.store.writing() as session:
            found = claim(session, self.user, self.now)
        self.id = found.id if found else ""
        return found is not None

    def wait(self, **delta: float) -> None:
        """Let time pass."""
        self.now += timedelta(**delta)

    @property
    def shown(self) -> AssignmentView:
        """As the page shows it."""
        with self.store.reading() as session:
            return view(session, session.get_one(Assignment, self.id), self.user, self.now)

    def under(self) -> Held:
        """The lease and the version that the page knows."""
        shown = self.shown
        return Held(token=shown.lease.token if shown.lease else "", version=shown.version)

    @contextmanager
    def work(self, under: Held | None = None) -> Iterator[Work]:
        """Change it, by the present lease and version unless others are given."""
        by = under or self.under()
        with self.store.writing() as session:
            yield held(session, self.id, self.user, by, self.now)

    def continued(self, *texts: str) -> list[str]:
        """What the model is said to have gone on with after the rewritten step; the traces' ids."""
        with self.store.writing() as session:
            assignment = session.get_one(Assignment, self.id)
            item = session.get_one(Item, assignment.item_id)
            current = self.shown.rounds[-1]
            assert current.job
            names = [f"{current.job.id}-{number}" for number in range(len(texts))]
            for number, text in enumerate(texts):
                made = Trace(item_id=item.id, trace_id=names[number], number=number, job_id=current.job.id, text=text)
                made.parent_trace_id, made.fork_step = current.trace.trace_id, current.first_wrong
                made.step_offsets, made.splitter, made.created_at = split_steps(text), SPLITTER, self.now
                made.status, made.answer, made.sampled = "correct", "5", {"model": "m"}
                session.add(made)
            session.get_one(Job, current.job.id).state = JobState.DONE
        return names


@pytest.fixture
def desk_of() -> Callable[[Database, int], Desk]:
    """A reviewer's desk."""
    return Desk


@pytest.fixture
def desk(database: Database, opened: Callable[..., str], people: Callable[[Database, int], list[int]]) -> Desk:
    """A reviewer of three traces, with the first one taken."""
    opened(database, 3)
    made = Desk(database, people(database, 1)[0])
    assert made.claim()
    return made
