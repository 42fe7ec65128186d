"""Batches: traces that are put before reviewers together, until all are done or time is up."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from review.audit import note
from review.config import BatchSettings
from review.store.models import AT_WORK, Assignment, Batch, BatchState, Item, ItemState, Trace
from schemas.errors import ReviewError
from schemas.tables import Status
from tasks.ids import content_id
from tasks.rewrite.continuing import SAMPLED

NAME: Final = re.compile(r"[\w.-]{1,200}", re.ASCII)
"""A batch's name is a file's, too."""
_TEXTS: Final = ("question", "reference", "tests", "constraints")


class NewItem(NamedTuple):
    """A trace that people are to look at."""

    problem: Mapping[str, Any]
    """A row of PROBLEMS, with the reference that its traces are held against."""
    trace: Mapping[str, Any]
    """A row of TRACES."""
    rank: int
    why: str = ""
    status: str = Status.UNVERIFIABLE.value
    answer: str | None = None
    reason: str = ""
    """What verifiers say of it."""
    suggestion: int | None = None
    suggested_by: str | None = None
    gold: int | None = None
    """The first wrong step, where it is known."""


class NewBatch(NamedTuple):
    """What a batch is to hold."""

    name: str
    settings: BatchSettings
    items: Sequence[NewItem]
    recipe: str | None = None
    lake: str | None = None
    overrides: Sequence[str] = ()
    """Settings that differ from the recipe's; the way back needs them again."""


class Progress(NamedTuple):
    """How far a batch has come; gold items are not counted."""

    items: int
    enough: int
    agreed: int
    adjudication: int
    final: int
    at_work: int
    """Somebody holds a lease that has not run out."""
    left: int
    """Items that too few have finished."""

    @property
    def done(self) -> int:
        """Items of which nothing is missing."""
        return self.items - self.left - self.adjudication

    @property
    def complete(self) -> bool:
        """Whether nothing is left to review or to adjudicate, and nobody is at it."""
        return not (self.left or self.adjudication or self.at_work)


def open_batch(session: Session, actor: str, new: NewBatch) -> Batch:
    """Open a batch, or add to the open one of this name what it lacks; the same again changes nothing.

    The settings of an open one become those of the recipe, but guidelines that an admin wrote on the page stay.

    Raises:
        ReviewError: the name is none, or belongs to another recipe's batch, or to one that was closed.
    """
    if not NAME.fullmatch(new.name):
        raise ReviewError(f"batch {new.name!r}: a name has letters, digits and . _ - only, 200 at most")
    batch = session.scalar(select(Batch).where(Batch.name == new.name).with_for_update())
    known = set() if batch is None else _traces_of(session, [batch.id])
    items = [one for one in new.items if one.trace["trace_id"] not in known and not _broken(one)]
    settings = new.settings.model_dump(mode="json")
    if batch is not None and batch.own_guidelines:
        settings["review"]["guidelines"] = batch.settings["review"]["guidelines"]
    if batch is None:
        batch = _created(session, actor, new, settings)
    elif (batch.recipe, batch.lake) != (new.recipe, new.lake):
        raise ReviewError(f"batch {new.name}: is of recipe {batch.recipe} in {batch.lake}; give this one another name")
    elif items and batch.state == BatchState.CLOSED:
        raise ReviewError(f"batch {new.name}: was closed ({batch.closed_because}); reopen it, or give another name")
    elif (batch.settings, list(batch.overrides or ())) != (settings, list(new.overrides)):
        batch.settings, batch.overrides = settings, list(new.overrides)
        note(session, actor, "batch changed", batch.name)
    if items:
        now = datetime.now(UTC)
        rows = [_item(batch.id, one) for one in items]
        session.add_all(rows)
        session.flush()
        session.add_all(_trace(row.id, one, now) for row, one in zip(rows, items, strict=True))
        note(session, actor, "items added", batch.name, items=len(items), left_out=sum(map(_broken, new.items)))
    return batch


def close(session: Session, actor: str, batch: Batch, because: str) -> bool:
    """Hand out nothing more of it; what was begun and not finished is missing from its reviews.

    False where it was closed before: nothing changes.
    """
    if batch.state == BatchState.CLOSED:
        return False
    batch.state, batch.closed_at, batch.closed_because = BatchState.CLOSED, datetime.now(UTC), because
    note(session, actor, "batch closed", batch.name, because=because)
    return True


def reopen(session: Session, actor: str, batch: Batch) -> None:
    """Go on with a closed batch; its time begins anew."""
    if batch.state == BatchState.OPEN:
        return
    now = datetime.now(UTC)
    batch.state, batch.closed_at, batch.closed_because = BatchState.OPEN, None, None
    batch.deadline = _deadline(BatchSettings.model_validate(batch.settings), now)
    note(session, actor, "batch reopened", batch.name)


def find(session: Session, name: str) -> Batch:
    """The batch of this name or id.

    Raises:
        ReviewError: there is none.
    """
    found = session.scalar(select(Batch).where((Batch.name == name) | (Batch.id == name)))
    if found is None:
        raise ReviewError(f"batch {name}: there is none of this name; `tracemill review list` names them")
    return found


def progress(session: Session, batch: Batch, now: datetime | None = None) -> Progress:
    """How many items are how far."""
    mine = (Item.batch_id == batch.id, Item.gold.is_(None))
    by_state = select(Item.state, func.count()).where(*mine).group_by(Item.state)
    states: dict[str, int] = {row[0]: row[1] for row in session.execute(by_state)}
    working = (Assignment.state.in_(AT_WORK), Assignment.lease_until > (now or datetime.now(UTC)))
    at_work = select(func.count(Assignment.item_id.distinct())).join(Item).where(*mine, *working)
    return Progress(
        items=sum(states.values()),
        **{one.value: states.get(one.value, 0) for one in ItemState if one is not ItemState.OPEN},
        at_work=session.scalar(at_work) or 0,
        left=states.get(ItemState.OPEN.value, 0),
    )


def complete(session: Session, batch: Batch) -> bool:
    """Whether nothing is left to do in it."""
    return progress(session, batch).complete


def missing(session: Session, batch: Batch) -> list[str]:
    """The traces of items that are not done, by rank: too few finished them, or nobody adjudicated."""
    open_ = (ItemState.OPEN, ItemState.ADJUDICATION)
    mine = (Item.batch_id == batch.id, Item.gold.is_(None), Item.state.in_(open_))
    return list(session.scalars(select(Item.trace_id).where(*mine).order_by(Item.rank, Item.id)))


def overdue(session: Session, now: datetime) -> list[Batch]:
    """The open batches whose time is up."""
    mine = (Batch.state == BatchState.OPEN, Batch.deadline < now)
    return list(session.scalars(select(Batch).where(*mine).order_by(Batch.name)))


def opened(session: Session) -> list[Batch]:
    """The open batches."""
    return list(session.scalars(select(Batch).where(Batch.state == BatchState.OPEN).order_by(Batch.name)))


def next_name(session: Session, base: str) -> str:
    """`base`, or with the first number from 2 on whose batch is not closed."""
    number = 1
    while True:
        name = base if number == 1 else f"{base}-{number}"
        state = session.scalar(select(Batch.state).where(Batch.name == name))
        if state != BatchState.CLOSED:
            return name
        number += 1


def closed_traces(session: Session, recipe: str, lake: str) -> set[str]:
    """The traces that were in closed batches of a recipe: they are not put before people again."""
    mine = (Batch.recipe == recipe, Batch.lake == lake, Batch.state == BatchState.CLOSED)
    return _traces_of(session, session.scalars(select(Batch.id).where(*mine)))


def _traces_of(session: Session, batches: Iterable[str]) -> set[str]:
    return set(session.scalars(select(Item.trace_id).where(Item.batch_id.in_(list(batches)))))


def _created(session: Session, actor: str, new: NewBatch, settings: dict[str, Any]) -> Batch:
    now = datetime.now(UTC)
    batch = Batch(
        id=content_id("batch", new.name),
        name=new.name,
        recipe=new.recipe,
        lake=new.lake,
        overrides=list(new.overrides),
        settings=settings,
        state=BatchState.OPEN,
        opened_at=now,
        deadline=_deadline(new.settings, now),
    )
    session.add(batch)
    session.flush()
    note(session, actor, "batch opened", batch.name, recipe=new.recipe)
    return batch


def _deadline(settings: BatchSettings, now: datetime) -> datetime | None:
    days = settings.review.within_days
    return None if days is None else now + timedelta(days=days)


def _broken(one: NewItem) -> bool:
    """PostgreSQL stores no NUL, and a text without it would be another."""
    texts = (one.trace["text"], one.answer, one.reason, *(one.problem[name] for name in _TEXTS))
    return any("\x00" in (text or "") for text in texts)


def _item(batch_id: str, new: NewItem) -> Item:
    problem, trace = new.problem, new.trace
    return Item(
        id=content_id("item", batch_id, trace["trace_id"]),
        batch_id=batch_id,
        rank=new.rank,
        why=new.why,
        problem_id=problem["problem_id"],
        domain=problem["domain"],
        question=problem["question"],
        reference=problem["reference"],
        tests=problem["tests"],
        constraints=problem["constraints"],
        source=trace["source"],
        trace_id=trace["trace_id"],
        state=ItemState.OPEN,
        gold=new.gold,
        suggestion=new.suggestion,
        suggested_by=new.suggested_by,
    )


def _trace(item_id: str, new: NewItem, now: datetime) -> Trace:
    trace = new.trace
    return Trace(
        item_id=item_id,
        trace_id=trace["trace_id"],
        parent_trace_id=trace.get("parent_trace_id"),
        fork_step=trace.get("fork_step"),
        text=trace["text"],
        step_offsets=list(trace["step_offsets"]),
        splitter=trace["splitter"],
        status=new.status,
        answer=new.answer,
        reason=new.reason,
        sampled={name: trace.get(name) for name in SAMPLED if name != "text"},
        created_at=now,
    )
