"""An assignment in the hands of who may change it, and what every change does beside itself.

A change raises the version, renews the lease, keeps what was for undo, and is noted in the audit. Locks are taken in
one order (batch, assignment, item, audit), so no two changes wait for each other.
"""

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from sqlalchemy import delete, inspect, select
from sqlalchemy.orm import Session

from review.audit import note
from review.config import BatchSettings
from review.store.models import (
    AT_WORK,
    Assignment,
    Base,
    Batch,
    BatchState,
    Item,
    Json,
    Past,
    Round,
    State,
    Trace,
    User,
)
from review.wire import Held
from review.work.errors import AbsentError, StaleError
from review.work.settings import lease_of, settings_of
from schemas.errors import ReviewError

_KEPT: Final = ("state", "round", "draft", "reason", "finished_at")
"""Of an assignment, for undo; when the reference was looked at stays."""


@dataclass(frozen=True)
class Work:
    """An assignment, locked, with all that it is about."""

    session: Session
    assignment: Assignment
    item: Item
    batch: Batch
    actor: str
    """The user's name."""
    now: datetime

    @property
    def settings(self) -> BatchSettings:
        """The batch's."""
        return settings_of(self.batch)

    @cached_property
    def round(self) -> Round:
        """The one at work."""
        return self.session.get_one(Round, (self.assignment.id, self.assignment.round))

    @cached_property
    def trace(self) -> Trace:
        """The round's."""
        return self.session.get_one(Trace, (self.item.id, self.round.trace_id))

    @property
    def offsets(self) -> list[int]:
        """Where the round's steps start, as the reviewer or else the splitter cut them."""
        return self.trace.step_offsets if self.round.offsets is None else self.round.offsets

    def need(self, *states: State) -> None:
        """See that it is in one of these states.

        Raises:
            ReviewError: it is not.
        """
        if self.assignment.state not in states:
            raise ReviewError(f"not now: this trace is {self.assignment.state}, not {' or '.join(states)}")

    def renew(self) -> None:
        """The lease lasts its full time from now."""
        self.assignment.lease_until = self.now + lease_of(self.batch)

    def raise_version(self) -> None:
        """It has changed."""
        self.assignment.version += 1
        self.assignment.changed_at = self.now
        if self.assignment.state in AT_WORK:
            self.renew()

    @contextmanager
    def change(self, action: str) -> Iterator[Json]:
        """A change that can be undone; what is put into the dictionary goes into the audit."""
        told: Json = {}
        version = self.assignment.version
        self.session.add(Past(assignment_id=self.assignment.id, version=version, action=action, was=_as_it_is(self)))
        yield told
        self.assignment.draft = None
        self.raise_version()
        self.noted(action, **told)

    def noted(self, action: str, **told: Any) -> None:
        """Note it in the audit; the last thing that a transaction does, for others wait."""
        note(
            self.session, self.actor, action, self.assignment.id, item=self.item.id, round=self.assignment.round, **told
        )


def held(session: Session, assignment_id: str, user_id: int, by: Held, now: datetime) -> Work:
    """The user's assignment, to be changed under its lease, as of the version that they saw.

    Raises:
        AbsentError: there is none, or it is somebody else's.
        StaleError: the lease is lost, or it has changed since.
        ReviewError: the batch is closed.
    """
    work = leased(session, assignment_id, user_id, by.token, now)
    if work.assignment.version != by.version:
        raise StaleError(
            f"this trace has changed since (in another window?): it is at version {work.assignment.version}, "
            f"what was sent is for version {by.version}"
        )
    return work


def leased(session: Session, assignment_id: str, user_id: int, token: str, now: datetime) -> Work:
    """As `held`, whatever the version. What is finished needs no time left, only its last lease's token."""
    found = session.execute(
        select(Assignment, Item, Batch, User.name)
        .join(Item, Item.id == Assignment.item_id)
        .join(Batch, Batch.id == Item.batch_id)
        .join(User, User.id == Assignment.user_id)
        .where(Assignment.id == assignment_id, Assignment.user_id == user_id)
        .with_for_update(of=Assignment, key_share=True)
    ).one_or_none()
    if found is None:
        raise AbsentError(f"assignment {assignment_id}: none of this id is yours")
    assignment, item, batch, name = found
    work = Work(session, assignment, item, batch, name, now)
    if not holds(work.assignment, now) or not hmac.compare_digest(
        (work.assignment.lease_token or "").encode(), token.encode()
    ):
        raise StaleError("the lease on this trace ran out, or it was taken up in another window; take it up again")
    if work.batch.state != BatchState.OPEN:
        raise ReviewError(f"batch {work.batch.name} is closed: nothing in it can be changed")
    return work


def reference_of(item: Item) -> str | None:
    """What a reviewer is shown who asks for the right answer: the reference, else the tests."""
    return item.reference or item.tests or None


def holds(assignment: Assignment, now: datetime) -> bool:
    """Whether its lease is good; that of finished work is, for undo."""
    if assignment.lease_token is None or assignment.state == State.EXPIRED:
        return False
    return assignment.state not in AT_WORK or (assignment.lease_until is not None and assignment.lease_until > now)


def go_back(work: Work) -> str:
    """Restore what was before the newest change, and forget that there was one; returns what it was.

    Raises:
        ReviewError: nothing was done yet.
    """
    session, assignment = work.session, work.assignment
    newest = select(Past).where(Past.assignment_id == assignment.id).order_by(Past.version.desc()).limit(1)
    past = session.scalar(newest)
    if past is None:
        raise ReviewError("there is nothing to undo")
    _restore(assignment, past.was["assignment"])
    session.execute(delete(Round).where(Round.assignment_id == assignment.id, Round.number > assignment.round))
    _restore(session.get_one(Round, (assignment.id, assignment.round)), past.was["round"])
    session.delete(past)
    return past.action


def _as_it_is(work: Work) -> Json:
    """Earlier rounds never change, so the one at work is enough."""
    columns = tuple(inspect(Round).columns.keys())
    return {"assignment": _kept(work.assignment, _KEPT), "round": _kept(work.round, columns)}


def _kept(row: Base, columns: tuple[str, ...]) -> Json:
    values = {name: getattr(row, name) for name in columns}
    return {name: one.isoformat() if isinstance(one, datetime) else one for name, one in values.items()}


def _restore(row: Base, kept: Json) -> None:
    for name, value in kept.items():
        is_time = name.endswith("_at") and value is not None
        setattr(row, name, datetime.fromisoformat(value) if is_time else value)
