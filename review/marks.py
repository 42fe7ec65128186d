"""What reviewers have done, read from the store in a few queries: the ground of every number on the dashboard.

JSON is counted and taken apart by the store: decoding it here took most of the time.
"""

from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Text, and_, case, cast, func, select, true
from sqlalchemy.orm import Session

from review.store.models import Assignment, Audit, Item, Job, JobKind, JobState, Round, Trace
from review.work.cuts import own_step
from schemas.tables import Status

MARKED: Final = "marked"
"""What the audit calls it."""


class Mark(NamedTuple):
    """An assignment, and what it says of the item's first trace (round 0)."""

    assignment_id: str
    item_id: str
    user_id: int
    batch_id: str
    state: str
    first_wrong: int | None
    """In the trace's own steps; -1: none is wrong; None: not marked."""
    steps: int
    characters: int
    seconds: float
    revealed: bool
    imported: bool
    finished_at: datetime | None
    gold: int | None
    verdict: int | None
    suggestion: int | None
    status: str
    """How the verifiers grade the trace's answer."""


class Turn(NamedTuple):
    """A round of an assignment."""

    assignment_id: str
    number: int
    read: int
    """Steps that had to be read: up to the first wrong one, from the fork on."""
    rewritten: bool
    doubts: tuple[str, ...]
    job_id: str | None
    effect_id: str | None


class Share(NamedTuple):
    """So many of so many."""

    right: int
    of: int

    @property
    def share(self) -> float | None:
        """None of none has no share."""
        return self.right / self.of if self.of else None


def marks(session: Session, batch_id: str | None = None) -> list[Mark]:
    """All assignments (of a batch), whatever their state."""
    told = (
        select(
            Assignment.id,
            Item.id,
            Assignment.user_id,
            Item.batch_id,
            Assignment.state,
            Round.first_wrong,
            *_cuts(),
            func.length(Trace.text),
            Assignment.seconds,
            Assignment.revealed_at,
            Assignment.imported,
            Assignment.finished_at,
            Item.gold,
            Item.verdict,
            Item.suggestion,
            Trace.status,
        )
        .join(Item, Item.id == Assignment.item_id)
        .join(Trace, and_(Trace.item_id == Item.id, Trace.trace_id == Item.trace_id))
        .outerjoin(Round, and_(Round.assignment_id == Assignment.id, Round.number == 0))
        .where(_of_batch(batch_id))
        .order_by(Assignment.id)
    )
    return [_mark(tuple(row)) for row in session.execute(told)]


def turns(session: Session, batch_id: str | None = None) -> list[Turn]:
    """All rounds (of a batch) that are marked."""
    told = (
        select(
            Round.assignment_id,
            Round.number,
            Round.first_wrong,
            *_cuts(),
            Round.after.is_not(None),
            case((cast(Round.doubts, Text) != "[]", Round.doubts)),
            Round.job_id,
            Round.effect_id,
            Trace.fork_step,
        )
        .join(Assignment, Assignment.id == Round.assignment_id)
        .join(Item, Item.id == Assignment.item_id)
        .join(Trace, and_(Trace.item_id == Item.id, Trace.trace_id == Round.trace_id))
        .where(Round.first_wrong.is_not(None), _of_batch(batch_id))
        .order_by(Round.assignment_id, Round.number)
    )
    return [_turn(tuple(row)) for row in session.execute(told)]


def arrivals(session: Session, batch_id: str | None = None) -> dict[str, Share]:
    """Of the continuations of each job, how many stand as correct."""
    right = func.sum(case((Trace.status == Status.CORRECT, 1), else_=0))
    told = (
        select(Trace.job_id, right, func.count())
        .join(Item, Item.id == Trace.item_id)
        .where(Trace.job_id.is_not(None), _of_batch(batch_id))
        .group_by(Trace.job_id)
    )
    return {job: Share(int(right), of) for job, right, of in session.execute(told) if job}


def effects(session: Session, batch_id: str | None = None) -> dict[str, tuple[Share, Share]]:
    """What rollouts from before a wrong step, and from after it, came to, by the effect job's id."""
    shares = [Job.found[(name, at)].as_integer() for name in ("before", "wrong") for at in (0, 1)]
    told = (
        select(Job.id, *shares)
        .join(Item, Item.id == Job.item_id)
        .where(Job.kind == JobKind.EFFECT, Job.state == JobState.DONE, _of_batch(batch_id))
    )
    return {job: (Share(*found[:2]), Share(*found[2:])) for job, *found in session.execute(told) if None not in found}


def first_marks(session: Session, batch_id: str | None = None) -> dict[str, int]:
    """The first wrong step that each assignment was marked with first, as the audit has it, where one is suggested.

    By assignment, in the reviewer's own steps: before they saw the suggestion, if it is shown after the mark.
    """
    told = (
        select(Audit.subject, Audit.details["first_wrong"].as_integer())
        .join(Assignment, Assignment.id == Audit.subject)
        .join(Item, Item.id == Assignment.item_id)
        .where(Audit.action == MARKED, Audit.details["round"].as_integer() == 0)
        .where(Item.suggestion.is_not(None), _of_batch(batch_id))
        .order_by(Audit.id)
    )
    found: dict[str, int] = {}
    for name, first_wrong in session.execute(told):
        found.setdefault(name, first_wrong)
    return found


def _mark(row: tuple[Any, ...]) -> Mark:
    *who, first, own, offsets, steps, characters, seconds, revealed = row[:12]
    mark = first if first is None or own is None else own_step(offsets, own, first)
    return Mark._make([*who, mark, steps, characters, seconds, revealed is not None, *row[12:]])


def _turn(row: tuple[Any, ...]) -> Turn:
    name, number, first, own, _, steps, rewritten, doubts, job, effect, fork = row
    last = first + 1 if first >= 0 else len(own or range(steps))
    return Turn(name, number, max(last - (fork or 0), 1), rewritten, tuple(map(str, doubts or ())), job, effect)


def _cuts() -> tuple[ColumnElement[Any], ...]:
    """Where the reviewer's own steps start and where the trace's (only if they cut), and how many the trace has."""
    cut = cast(Round.offsets, Text).like("[%")
    return case((cut, Round.offsets)), case((cut, Trace.step_offsets)), func.json_array_length(Trace.step_offsets)


def _of_batch(batch_id: str | None) -> ColumnElement[bool]:
    return true() if batch_id is None else Item.batch_id == batch_id
