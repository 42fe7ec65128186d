"""Jobs: asked for once, taken by one server at a time, and by another if that one dies.

A job's id is a hash of what is asked, so asking again finds it. A server holds a job for `LEASE` after each sign of
life; the attempt that it took the job for is its right to write, so that one that was given up for dead spoils nothing.
"""

import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from math import ceil, log2
from typing import Any, Final

from sqlalchemy import CursorResult, and_, case, or_, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from review.config import BatchSettings
from review.store.models import Batch, Item, Job, JobKind, JobState, Trace
from review.store.once import add_once
from schemas.errors import ReviewError
from tasks.ids import content_id

Json = dict[str, Any]
ANY: Final = tuple(JobKind)
LEASE: Final = timedelta(seconds=60)
ATTEMPTS: Final = 3
"""A job whose servers died so many times is not taken up again by itself."""
_ORDER: Final = case({str(kind): rank for rank, kind in enumerate(JobKind)}, value=Job.kind)
_DIED: Final = "the server ended in the middle, again and again: its log may say why"


def settings_of(session: Session, item: Item) -> BatchSettings:
    """What the item's batch keeps of its recipe."""
    return BatchSettings.model_validate(session.get_one(Batch, item.batch_id).settings)


def ask(session: Session, item: Item, kind: JobKind, asked: Json) -> Job:
    """The job that asks this about an item, new or as it stands; one that failed is queued again.

    Args:
        session: a writing one.
        item: what is reviewed.
        kind: what the model does.
        asked: continue, effect: `{trace_id, step, after, offsets}`, `offsets` null unless the reviewer cut the trace
            otherwise; suggest: `{trace_id}`.

    Raises:
        ReviewError: the batch has no model, the item no such trace or step, or the new step is empty.
    """
    settings = settings_of(session, item)
    if settings.model is None:
        raise ReviewError("this batch has no model that could go on: it is for marks only")
    trace = session.get(Trace, (item.id, asked["trace_id"]))
    if trace is None:
        raise ReviewError(f"item {item.id} has no trace {asked['trace_id']}")
    asked = _checked(kind, asked, trace)
    told = json.dumps(asked, sort_keys=True)
    name = content_id("job", kind, item.id, told)
    values = {"state": JobState.QUEUED, "total": _total(kind, asked, trace, settings), "created_at": datetime.now(UTC)}
    if not add_once(session, Job, id=name, item_id=item.id, kind=kind, asked=asked, **_FRESH, **values):
        again = {"state": JobState.QUEUED, "error": None, "finished_at": None}
        session.execute(update(Job).where(Job.id == name, Job.state == JobState.FAILED).values(**again))
    return session.get_one(Job, name, populate_existing=True)


def ensure_suggestion(session: Session, item: Item) -> Job | None:
    """See that a first wrong step is suggested for the item's first trace.

    None where one is there already, nothing tells right answers from wrong ones, or the settings ask for none.
    """
    settings = settings_of(session, item)
    checkable = any(text and text.strip() for text in (item.reference, item.tests, item.constraints))
    if item.suggested_by is not None or not checkable or settings.model is None:
        return None
    if settings.review.suggest.when == "never":
        return None
    return ask(session, item, JobKind.SUGGEST, {"trace_id": item.trace_id})


def waiting(session: Session, now: datetime, kinds: Collection[JobKind] = ANY) -> set[str]:
    """The batches for which something of these kinds waits to be taken."""
    found = select(Item.batch_id).join(Job, Job.item_id == Item.id).where(_open(now), Job.kind.in_(kinds))
    return set(session.scalars(found.distinct()))


def take(
    session: Session,
    now: datetime,
    batches: Collection[str],
    lease: timedelta = LEASE,
    kinds: Collection[JobKind] = ANY,
) -> Job | None:
    """The job to be done next, which is the caller's until its lease runs out; None where none waits.

    Continuations come before suggestions, these before effects; of each kind the oldest first.
    """
    theirs = Job.item_id.in_(select(Item.id).where(Item.batch_id.in_(batches)))
    dead = and_(Job.state == JobState.RUNNING, Job.lease_until < now, Job.attempts >= ATTEMPTS)
    session.execute(update(Job).where(theirs, dead).values(**_over(JobState.FAILED), error=_DIED))
    wanted = (
        select(Job).where(theirs, _open(now), Job.kind.in_(kinds)).order_by(_ORDER, Job.created_at, Job.id).limit(1)
    )
    job = session.scalar(wanted.with_for_update(skip_locked=True, of=Job).execution_options(populate_existing=True))
    if job is not None:
        job.state, job.lease_until, job.attempts = JobState.RUNNING, now + lease, job.attempts + 1
        session.flush()
    return job


def beat(session: Session, job: Job, now: datetime, lease: timedelta = LEASE) -> bool:
    """A sign of life; false where the job is not the caller's any more."""
    return _change(session, job, lease_until=now + lease)


def progress(session: Session, job: Job, **values: Any) -> bool:
    """Say how far a job has come: `done`, `found`; false where it is not the caller's any more."""
    return _change(session, job, **values)


def finish(session: Session, job: Job, done: int, found: Json) -> bool:
    """The job is done, with so many continuations."""
    return _change(session, job, **_over(JobState.DONE), done=done, found=found, error=None)


def fail(session: Session, job: Job, error: str) -> bool:
    """The job failed, for a reason that people may read."""
    return _change(session, job, **_over(JobState.FAILED), error=error)


def release(session: Session, job: Job) -> bool:
    """Give a job back undone, as if it had not been taken: the server ends."""
    return _change(session, job, state=JobState.QUEUED, lease_until=None, attempts=job.attempts - 1)


_FRESH: Final[Json] = {"attempts": 0, "done": 0, "found": {}}


def _checked(kind: JobKind, asked: Json, trace: Trace) -> Json:
    if kind is JobKind.SUGGEST:
        return {"trace_id": asked["trace_id"]}
    # As the lake reads a rewrite: what parts steps is no part of the new one (`tasks/rewrite/reading.py`).
    after = str(asked["after"]).rstrip().lstrip("\n")
    if not after:
        raise ReviewError("the rewritten step is empty")
    offsets = asked.get("offsets") or None
    count = len(offsets or trace.step_offsets)
    if not 0 <= asked["step"] < count:
        raise ReviewError(f"trace {trace.trace_id} has no such step: it has {count}")
    return {"trace_id": trace.trace_id, "step": asked["step"], "after": after, "offsets": offsets}


def _total(kind: JobKind, asked: Json, trace: Trace, settings: BatchSettings) -> int:
    """So many continuations at most."""
    if kind is JobKind.CONTINUE:
        return settings.going_on.k
    if kind is JobKind.SUGGEST:
        return settings.review.suggest.k * ceil(log2(max(len(trace.step_offsets), 1)))
    last = asked["step"] == len(asked["offsets"] or trace.step_offsets) - 1
    return settings.review.effect * (1 if last else 2)


def _open(now: datetime) -> ColumnElement[bool]:
    return or_(Job.state == JobState.QUEUED, and_(Job.state == JobState.RUNNING, Job.lease_until < now))


def _over(state: JobState) -> Json:
    return {"state": state, "lease_until": None, "finished_at": datetime.now(UTC)}


def _change(session: Session, job: Job, **values: Any) -> bool:
    mine = (Job.id == job.id, Job.state == JobState.RUNNING, Job.attempts == job.attempts)
    changed = session.execute(update(Job).where(*mine).values(**values).execution_options(synchronize_session=False))
    assert isinstance(changed, CursorResult)
    return changed.rowcount > 0
