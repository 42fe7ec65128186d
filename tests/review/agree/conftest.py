"""Rows of the store, made by hand."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

import pytest
from sqlalchemy.orm import Session

from review import users
from review.audit import note
from review.config import BatchSettings, ReviewConfig
from review.store.database import Database
from review.store.models import (
    Assignment,
    Batch,
    BatchState,
    Item,
    ItemState,
    Job,
    JobState,
    Role,
    Round,
    State,
    Trace,
    User,
)
from tasks.ids import content_id

NOW = datetime.now(UTC)


class Rows:
    """Adds rows; every method commits."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def user(self, name: str, role: Role = Role.REVIEWER) -> str:
        """A user who cannot sign in; their pseudonym."""
        with self.database.writing() as session:
            return users.add(session, "tests", name, None, role).pseudonym

    def pseudonym(self, name: str) -> str:
        with self.database.reading() as session:
            return self._user(session, name).pseudonym

    def batch(self, name: str = "b", overlap: int = 2) -> str:
        with self.database.writing() as session:
            settings = BatchSettings(review=ReviewConfig(overlap=overlap)).model_dump(mode="json")
            session.add(Batch(id=f"id-{name}", name=name, settings=settings, opened_at=NOW))
        return f"id-{name}"

    def close(self, batch: str) -> None:
        with self.database.writing() as session:
            session.get_one(Batch, batch).state = BatchState.CLOSED

    def item(self, batch: str, steps: Sequence[str] = ("one\n", "two\n", "three"), **other: Any) -> str:
        """An item with its first trace; other columns as given, those of the trace with `trace_` before."""
        name = content_id(batch, *steps, *map(repr, other.items()))
        plain: dict[str, Any] = {
            "rank": 0,
            "problem_id": "p",
            "domain": "math",
            "question": f"What comes of {steps[0].strip()}?",
            "reference": "42",
            "source": "s",
            "trace_id": f"t-{name}",
        }
        mine = {key: value for key, value in other.items() if not key.startswith("trace_")}
        with self.database.writing() as session:
            session.add(Item(id=name, batch_id=batch, **(plain | mine)))
            session.flush()
            theirs = {key.removeprefix("trace_"): value for key, value in other.items() if key.startswith("trace_")}
            self.trace(session, name, f"t-{name}", steps, **theirs)
        return name

    def trace(self, session: Session, item: str, name: str, steps: Sequence[str], **other: Any) -> None:
        offsets = [0, *accumulate(map(len, steps[:-1]))]
        plain = {"status": "incorrect", "splitter": "steps/1", "step_offsets": offsets, "created_at": NOW}
        session.add(Trace(item_id=item, trace_id=name, text="".join(steps), **(plain | other)))
        session.flush()

    def review(self, item: str, who: str, first_wrong: int | None, **other: Any) -> str:
        """A finished review with its round 0; `after`, `doubts` … go to the round."""
        of_round = {key: other.pop(key) for key in list(other) if hasattr(Round, key) and key != "opened_at"}
        name = content_id(item, who)
        finished = other.pop("finished_at", NOW)
        plain: dict[str, Any] = {
            "state": State.SUBMITTED,
            "opened_at": finished - timedelta(minutes=1),
            "seconds": 60.0,
        }
        with self.database.writing() as session:
            user = self._user(session, who)
            row = plain | other | {"changed_at": finished, "finished_at": finished}
            session.add(Assignment(id=name, item_id=item, user_id=user.id, **row))
            session.flush()
            if first_wrong is not None:
                trace_id = session.get_one(Item, item).trace_id
                said = {"trace_id": trace_id, "marked_at": finished, "opened_at": finished - timedelta(seconds=40)}
                session.add(Round(assignment_id=name, number=0, first_wrong=first_wrong, **(said | of_round)))
            note(session, who, "submitted", name)
        return name

    def rewrite(self, item: str, who: str, step: int, after: str, right: Sequence[bool]) -> str:
        """A review whose rewrite was gone on from, and whose effect is known."""
        job = content_id(item, step, after)
        name = self.review(item, who, step, after=after, job_id=job, effect_id=f"e{job[1:]}", doubts=["it is long"])
        with self.database.writing() as session:
            found = {"before": [2, 4], "wrong": [0, 4]}
            for key, kind in ((job, "continue"), (f"e{job[1:]}", "effect")):
                if session.get(Job, key) is None:
                    session.add(
                        Job(id=key, item_id=item, kind=kind, asked={}, state=JobState.DONE, found=found, created_at=NOW)
                    )
            root = session.get_one(Trace, (item, session.get_one(Item, item).trace_id))
            fork = root.step_offsets[step]
            for number, reached in enumerate(right):
                self.trace(
                    session,
                    item,
                    f"{job}-{number}",
                    [root.text[:fork], f"{after}\n", f"so {number}"],
                    parent_trace_id=root.trace_id,
                    fork_step=step,
                    fork_offset=fork,
                    number=number,
                    job_id=job,
                    status="correct" if reached else "incorrect",
                    answer="42" if reached else "7",
                )
        return name

    def differing(self, batch: str, marks: dict[str, int], **other: Any) -> str:
        """An item that waits for adjudication."""
        item = self.item(batch, state=ItemState.ADJUDICATION, **other)
        for who, first_wrong in marks.items():
            self.review(item, who, first_wrong)
        return item

    def _user(self, session: Session, name: str) -> User:
        found = session.query(User).filter(User.name == name).one_or_none()
        return found or users.add(session, "tests", name, None, Role.REVIEWER)


@pytest.fixture
def rows(database: Database) -> Rows:
    return Rows(database)


@pytest.fixture
def either_rows(either: Database) -> Rows:
    """As `rows`, over `either`."""
    return Rows(either)
