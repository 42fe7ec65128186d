"""Handing out traces: each to as many reviewers as the settings say, and to no more.

A place on an item is taken by a finished assignment, or by one at work whose lease has not run out. Time alone
decides, so nobody waits for a sweep. Claims of one batch take turns: SQLite has one writer at a time, on PostgreSQL
they lock the batch's row. `SKIP LOCKED` would not do: two statements that began at once would not see each other's rows
and go beyond the overlap, and the last trace would look taken to a reviewer while somebody else's claim looks at it.
"""

import secrets
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import CursorResult, and_, case, exists, func, insert, literal, or_, select, update
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql import ColumnElement

from review.config import GOLD_SHARE, ReviewConfig
from review.store.models import (
    AT_WORK,
    FINISHED,
    Assignment,
    Batch,
    BatchState,
    Item,
    ItemState,
    Round,
    State,
    Utc,
)
from review.work.settings import lease_of, settings_of
from schemas.errors import ReviewError
from tasks.ids import content_id

GRACE: Final = timedelta(seconds=5)
"""A lease's place stays taken so much longer: what was sent in time may be stored a little later."""

_UNFINISHED: Final = (*sorted(AT_WORK), State.EXPIRED)


def claim(session: Session, user_id: int, now: datetime, batch: str | None = None) -> Assignment | None:
    """The trace that this user works on next, of one batch (its id or name) or of any open one; None: nothing is left.

    What they are at work on comes first, then what they lost to the clock, if there is still room (drafts are kept).
    Of new ones, the oldest batch's come first, in it those of the lowest rank, then of the lowest id; traces whose
    first wrong step is known are mixed in. Nobody gets again what they finished or skipped.

    Raises:
        ReviewError: there is no such batch that is open.
    """
    batches = _turn(session, batch)
    for one in batches if _has_unfinished(session, user_id) else []:
        if found := _own(session, one, user_id, now):
            return _leased(session, found, now, lease_of(one))
    for one in batches:
        if found := _new(session, one, user_id, now):
            return found
    return None


def expire(session: Session, now: datetime) -> int:
    """Say of leases that ran out that they did; returns how many. Claims go by time, so nothing waits for this."""
    over = update(Assignment).where(Assignment.state.in_(AT_WORK), Assignment.lease_until <= now - GRACE)
    values = {"state": str(State.EXPIRED), "lease_token": None, "version": Assignment.version + 1}
    done = session.execute(over.values(**values).execution_options(synchronize_session=False))
    assert isinstance(done, CursorResult)
    return done.rowcount


def has_room(session: Session, assignment: Assignment, overlap: int, now: datetime) -> bool:
    """Whether fewer than `overlap` others hold the assignment's item; gold items have room for everyone."""
    room = select(_room(overlap, now, assignment.user_id)).where(Item.id == assignment.item_id)
    return bool(session.scalar(room))


def turn(session: Session, batch_id: str) -> None:
    """Wait until no claim of this batch is under way, and keep others out until the transaction ends."""
    session.execute(select(Batch.id).where(Batch.id == batch_id).with_for_update(key_share=True))


def state_at_work(current: Round) -> State:
    """What somebody who takes their assignment up again does next, by what there is of its round."""
    if current.after is not None:
        return State.GENERATING
    return State.MARKING if current.first_wrong in (None, -1) else State.REWRITING


def _turn(session: Session, batch: str | None) -> Sequence[Batch]:
    """The open batches that are asked for, the oldest first; their claims wait for each other."""
    wanted = select(Batch).where(Batch.state == str(BatchState.OPEN)).order_by(Batch.id)
    if batch is not None:
        wanted = wanted.where(or_(Batch.id == batch, Batch.name == batch))
    found = session.scalars(wanted.with_for_update(key_share=True)).all()
    if batch is not None and not found:
        raise ReviewError(f"batch {batch!r}: none of this name is open")
    return sorted(found, key=lambda one: (one.opened_at, one.id))


def _has_unfinished(session: Session, user_id: int) -> bool:
    """Seldom: most claims follow a finished trace, and looking closer costs more."""
    mine = exists().where(Assignment.user_id == user_id, Assignment.state.in_(_UNFINISHED))
    return bool(session.scalar(select(mine)))


def _own(session: Session, batch: Batch, user_id: int, now: datetime) -> Assignment | None:
    mine = Assignment.user_id == user_id
    held = and_(Assignment.state.in_(AT_WORK), Assignment.lease_until > now)
    free = and_(_handed_out(), _room(settings_of(batch).review.overlap, now, user_id))
    wanted = (
        select(Assignment)
        .join(Item)
        .where(Item.batch_id == batch.id, mine, Assignment.state.in_(_UNFINISHED), or_(held, free))
        .order_by(case((held, 0), else_=1), Assignment.changed_at.desc(), Assignment.id)
        .limit(1)
    )
    return session.scalar(wanted.with_for_update(of=Assignment, key_share=True))


def _leased(session: Session, one: Assignment, now: datetime, lease: timedelta) -> Assignment:
    """The lease begins anew; under another token if it had run out, so that a page left open elsewhere notices."""
    if one.state == State.EXPIRED or one.lease_until is None or one.lease_until <= now:
        one.lease_token = secrets.token_urlsafe(16)
        one.version += 1
    if one.state == State.EXPIRED:
        one.state = state_at_work(session.get_one(Round, (one.id, one.round)))
    one.lease_until = now + lease
    session.flush()
    return one


def _new(session: Session, batch: Batch, user_id: int, now: datetime) -> Assignment | None:
    review = settings_of(batch).review
    ordinary = and_(Item.gold.is_(None), _handed_out(), _room(review.overlap, now, user_id))
    due = _gold_is_due(session, batch, user_id, review)
    for which in [Item.gold.is_not(None), ordinary] if due else [ordinary]:
        if found := _hand_out(session, batch, user_id, which, now):
            _open_round(session, found, now)
            return found
    return None


def _open_round(session: Session, one: Assignment, now: datetime) -> None:
    values: dict[str, Any] = {
        "assignment_id": literal(one.id),
        "number": literal(0),
        "trace_id": Item.trace_id,
        "opened_at": literal(now, Utc()),
    }
    session.execute(insert(Round).from_select(list(values), select(*values.values()).where(Item.id == one.item_id)))


def _hand_out(
    session: Session, batch: Batch, user_id: int, which: ColumnElement[bool], now: datetime
) -> Assignment | None:
    had = exists().where(Assignment.item_id == Item.id, Assignment.user_id == user_id)
    values: dict[str, Any] = {
        "id": literal(uuid.uuid4().hex),
        "item_id": Item.id,
        "user_id": literal(user_id),
        "lease_token": literal(secrets.token_urlsafe(16)),
        "lease_until": literal(now + lease_of(batch), Utc()),
        "opened_at": literal(now, Utc()),
        "changed_at": literal(now, Utc()),
    }
    chosen = (
        select(*values.values()).where(Item.batch_id == batch.id, which, ~had).order_by(Item.rank, Item.id).limit(1)
    )
    taken = insert(Assignment).from_select(list(values), chosen).returning(Assignment)
    return session.scalars(taken).one_or_none()


def _gold_is_due(session: Session, batch: Batch, user_id: int, review: ReviewConfig) -> bool:
    """Whether the next one is to be of known verdict: a share of what a user gets, at places that look random."""
    if not session.scalar(select(exists().where(Item.batch_id == batch.id, Item.gold.is_not(None)))):
        return False
    share = GOLD_SHARE if review.gold is None else review.gold.share
    counts = select(func.count(), func.count(Item.gold)).select_from(Assignment).join(Item)
    had, golden = session.execute(counts.where(Assignment.user_id == user_id, Item.batch_id == batch.id)).one()
    offset = int(content_id(batch.id, user_id, golden)[:8], 16) / 16**8
    return bool(golden + offset < share * (had + 1))


def _handed_out() -> ColumnElement[bool]:
    return or_(Item.gold.is_not(None), Item.state == str(ItemState.OPEN))


def _room(overlap: int, now: datetime, user_id: int) -> ColumnElement[bool]:
    """Whether others leave room on `Item`."""
    other = aliased(Assignment)
    held = and_(other.state.in_(AT_WORK), other.lease_until > now - GRACE)
    taken = (
        select(func.count())
        .select_from(other)
        .where(other.item_id == Item.id, other.user_id != user_id, or_(other.state.in_(FINISHED), held))
    )
    return or_(Item.gold.is_not(None), taken.correlate(Item).scalar_subquery() < overlap)
