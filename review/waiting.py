"""What waits for a reviewer, by batch; and where nothing does, why."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from review.config import BatchSettings
from review.render import markdown_html
from review.store.models import AT_WORK, FINISHED, Assignment, Batch, BatchState, Item, ItemState, State


class Waiting(NamedTuple):
    """Where a batch stands for one reviewer. Gold items are not told of: they could be told from others."""

    id: str
    name: str
    state: str
    deadline: datetime | None
    left: int
    """Traces that this reviewer could get now."""
    at_work: tuple[str, ...]
    """The reviewer's own assignments under way."""
    today: int
    """Finished since midnight, UTC."""
    finished: int
    why: str
    """Why nothing is left, a clause; empty where something is."""
    until: datetime | None
    """When the first lease of others ends, where they hold what is left."""
    guidelines_html: str


def waiting(session: Session, user_id: int, now: datetime) -> list[Waiting]:
    """All open batches, and closed ones that this reviewer took part in; the newest first."""
    took_part = select(Item.batch_id).join(Assignment).where(Assignment.user_id == user_id)
    seen = or_(Batch.state == BatchState.OPEN, Batch.id.in_(took_part))
    batches = session.scalars(select(Batch).where(seen).order_by(Batch.state.desc(), Batch.opened_at.desc()))
    return [_waiting(session, batch, user_id, now) for batch in batches]


def _waiting(session: Session, batch: Batch, user_id: int, now: datetime) -> Waiting:
    review = BatchSettings.model_validate(batch.settings).review
    mine = list(
        session.execute(
            select(Assignment.id, Assignment.state, Assignment.finished_at)
            .join(Item)
            .where(Item.batch_id == batch.id, Assignment.user_id == user_id)
            .order_by(Assignment.opened_at)
        )
    )
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    done = [at for _, state, at in mine if state in FINISHED]
    is_open = batch.state == BatchState.OPEN
    room = _Room(session, batch.id, user_id, review.overlap, now)
    left = room.count(room.could_have, room.taken < review.overlap) if is_open else 0
    why, until = ("", None) if left else _why(batch, room)
    return Waiting(
        id=batch.id,
        name=batch.name,
        state=batch.state,
        deadline=batch.deadline,
        left=left,
        at_work=tuple(one for one, state, _ in mine if state in AT_WORK) if is_open else (),
        today=sum(at is not None and at >= midnight for at in done),
        finished=len(done),
        why=why,
        until=until,
        guidelines_html=markdown_html(review.guidelines) if review.guidelines else "",
    )


class _Room:
    """Conditions on the items of a batch that are open and no gold."""

    def __init__(self, session: Session, batch_id: str, user_id: int, overlap: int, now: datetime) -> None:
        self.session = session
        self.overlap = overlap
        self.open = and_(Item.batch_id == batch_id, Item.state == ItemState.OPEN, Item.gold.is_(None))
        of_item = Assignment.item_id == Item.id
        finished = Assignment.state.in_(FINISHED)
        self.held = and_(Assignment.state.in_(AT_WORK), Assignment.lease_until > now, Assignment.user_id != user_id)
        counted = select(func.count()).where(of_item).correlate(Item)
        self.taken = counted.where(or_(finished, self.held)).scalar_subquery()
        self.done = counted.where(finished).scalar_subquery()
        had = and_(of_item, Assignment.user_id == user_id, Assignment.state != State.EXPIRED)
        self.could_have = ~select(Assignment.id).where(had).correlate(Item).exists()

    def count(self, *conditions: ColumnElement[bool]) -> int:
        return self.session.scalar(select(func.count()).select_from(Item).where(self.open, *conditions)) or 0

    def first_end(self) -> datetime | None:
        wanted = (self.open, self.could_have, self.done < self.overlap, self.held)
        return self.session.scalar(select(func.min(Assignment.lease_until)).join(Item).where(*wanted))


def _why(batch: Batch, room: _Room) -> tuple[str, datetime | None]:
    if batch.state != BatchState.OPEN:
        return f"The batch is closed{f': {batch.closed_because}' if batch.closed_because else ''}", None
    lacking = room.count(room.done < room.overlap)
    if not lacking:
        return f"Every trace has enough reviewers ({room.overlap} each)", None
    if held := room.count(room.could_have, room.done < room.overlap):
        what = "the trace that is left" if held == 1 else f"the {held} traces that are left"
        return f"Others hold {what}", room.first_end()
    return "You have had every trace that still lacks reviewers", None
