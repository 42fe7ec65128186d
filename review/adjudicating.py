"""Deciding about items whose reviewers differ, without knowing who they are.

Reviewers are A, B, C in an order that only the item decides; neither names, pseudonyms nor times are told.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from string import ascii_uppercase
from typing import Any, Final, NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from review.audit import note
from review.render import markdown_html, step_html
from review.store.models import (
    FINISHED,
    Adjudication,
    Assignment,
    Batch,
    BatchState,
    Item,
    ItemState,
    Round,
    State,
    Trace,
    User,
)
from review.work.cuts import own_step
from schemas.errors import ReviewError
from tasks.ids import content_id
from tasks.text.steps import steps

DECIDABLE: Final = (ItemState.ADJUDICATION, ItemState.FINAL)
_EXITS: Final = {State.GAVE_UP: "gave up", State.BAD_PROBLEM: "says that the problem is bad"}


class ItemChangedError(ReviewError):
    """Somebody has decided about the item since it was looked at; the page answers 409."""


class Candidate(NamedTuple):
    """What one reviewer said."""

    letter: str
    first_wrong: int | None
    """In the trace's steps; None: nothing that could be taken over."""
    ratings: tuple[int | None, ...]
    """Of each step of the trace; empty where the reviewer cut it otherwise."""
    after_html: str | None
    """The first wrong step as they rewrote it."""
    exit: str | None
    """How it ended, if not with a mark alone; with the reason that was given."""


class Waiting(NamedTuple):
    """An item of the queue."""

    item_id: str
    batch: str
    state: str
    question: str
    own: bool
    """Reviewed by whoever asks, who therefore cannot decide."""


class Case(NamedTuple):
    """All that an adjudicator sees of an item."""

    item_id: str
    version: int
    batch: str
    state: str
    question_html: str
    reference: str | None
    steps_html: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    verdict: int | None
    note: str
    """Of the last decision."""
    refusal: str | None
    """Why it cannot be decided now, in one sentence."""


class Decision(NamedTuple):
    """What an adjudicator decides: a candidate's mark is taken over, or one of their own is set."""

    version: int
    take: str | None
    """A candidate's letter."""
    first_wrong: int | None
    """Their own; -1: no step is wrong."""
    note: str


def queue(session: Session, user_id: int) -> list[Waiting]:
    """Items of open batches that wait, then those decided, which may be changed; by batch and rank."""
    own = select(Assignment.item_id).where(Assignment.user_id == user_id, Assignment.state.in_(FINISHED))
    found = session.execute(
        select(Item.id, Batch.name, Item.state, Item.question, Item.id.in_(own))
        .join(Batch, Batch.id == Item.batch_id)
        .where(Item.state.in_(DECIDABLE), Batch.state == BatchState.OPEN)
        .order_by(Item.state, Batch.opened_at, Batch.id, Item.rank, Item.id)
    )
    return [Waiting(*row) for row in found]


def case(session: Session, item_id: str, user_id: int) -> Case:
    """The item, with what its reviewers said.

    Raises:
        ReviewError: there is no such item, or it is not one to decide about.
    """
    item, batch = _item(session, item_id)
    trace = session.get_one(Trace, (item.id, item.trace_id))
    said = _said(session, item.id)
    last = session.scalar(
        select(Adjudication.note).where(Adjudication.item_id == item.id).order_by(Adjudication.id.desc()).limit(1)
    )
    return Case(
        item.id,
        item.version,
        batch.name,
        item.state,
        markdown_html(item.question),
        item.reference,
        tuple(map(step_html, steps(trace.text, trace.step_offsets))),
        tuple(_candidate(at, one, round_, trace.step_offsets) for at, (one, round_) in enumerate(said)),
        item.verdict,
        last or "",
        _refusal(batch, [one for one, _ in said], user_id),
    )


def decide(session: Session, user_id: int, item_id: str, decision: Decision) -> int:
    """Make it the item's verdict; the item's new version. The last decision counts, until its batch is closed.

    Raises:
        ReviewError: it is not to be decided (by this user), or the decision names no candidate and no step.
        ItemChangedError: it was decided about meanwhile.
    """
    item, batch = _item(session, item_id)
    said = _said(session, item.id)
    if refusal := _refusal(batch, [one for one, _ in said], user_id):
        raise ReviewError(refusal)
    trace = session.get_one(Trace, (item.id, item.trace_id))
    taken, first_wrong = _decided(decision, said, trace.step_offsets)
    changed = session.execute(
        update(Item)
        .where(Item.id == item.id, Item.version == decision.version)
        .values(verdict=first_wrong, state=ItemState.FINAL, version=Item.version + 1)
        .returning(Item.version)
    ).scalar()
    if changed is None:
        raise ItemChangedError("somebody has decided about this item meanwhile: load it again")
    session.add(
        Adjudication(
            item_id=item.id,
            user_id=user_id,
            assignment_id=taken,
            first_wrong=first_wrong,
            note=decision.note.strip(),
            at=datetime.now(UTC),
        )
    )
    actor = session.get_one(User, user_id).name
    note(session, actor, "adjudicated", item.id, first_wrong=first_wrong, taken=taken, version=changed)
    return changed


def _item(session: Session, item_id: str) -> tuple[Item, Batch]:
    found = session.execute(
        select(Item, Batch).join(Batch, Batch.id == Item.batch_id).where(Item.id == item_id)
    ).first()
    if found is None or found[0].state not in DECIDABLE:
        raise ReviewError(f"item {item_id}: there is none of this id whose reviewers differ")
    return found[0], found[1]


def _said(session: Session, item_id: str) -> list[tuple[Assignment, Round | None]]:
    """What was finished on it, in an order that the item decides."""
    found = session.execute(
        select(Assignment, Round)
        .outerjoin(Round, (Round.assignment_id == Assignment.id) & (Round.number == 0))
        .where(Assignment.item_id == item_id, Assignment.state.in_(FINISHED))
    )
    return sorted(((row[0], row[1]) for row in found), key=lambda one: content_id(item_id, one[0].id))


def _candidate(at: int, one: Assignment, round_: Round | None, offsets: Sequence[int]) -> Candidate:
    ending = _EXITS.get(State(one.state))
    if round_ is None or one.state == State.BAD_PROBLEM:
        return Candidate(_letter(at), None, (), None, _with_reason(ending, one.reason))
    ratings: list[Any] = round_.ratings if round_.offsets in (None, list(offsets)) else []
    marked = round_.first_wrong
    first = None if marked is None else own_step(offsets, round_.offsets, marked)
    after = None if round_.after is None else step_html(round_.after)
    return Candidate(_letter(at), first, tuple(ratings), after, _with_reason(ending, one.reason))


def _with_reason(ending: str | None, reason: str | None) -> str | None:
    return f"{ending}: {reason}" if ending and reason else ending


def _letter(at: int) -> str:
    return ascii_uppercase[at] if at < len(ascii_uppercase) else f"#{at + 1}"


def _refusal(batch: Batch, said: Sequence[Assignment], user_id: int) -> str | None:
    if batch.state != BatchState.OPEN:
        return f"batch {batch.name} is closed: its verdicts stand"
    if any(one.user_id == user_id for one in said):
        return "you have reviewed this trace yourself: somebody else has to decide"
    return None


def _decided(
    decision: Decision, said: Sequence[tuple[Assignment, Round | None]], offsets: Sequence[int]
) -> tuple[str | None, int]:
    """Whose mark is taken over, if any, and the first wrong step."""
    if (decision.take is None) == (decision.first_wrong is None):
        raise ReviewError("take one reviewer's mark over, or set a first wrong step: one of the two")
    if decision.first_wrong is not None:
        if not -1 <= decision.first_wrong < len(offsets):
            raise ReviewError(f"there is no such step: the trace has {len(offsets)}")
        return None, decision.first_wrong
    for at, (one, round_) in enumerate(said):
        candidate = _candidate(at, one, round_, offsets)
        if candidate.letter == decision.take and candidate.first_wrong is not None:
            return one.id, candidate.first_wrong
    raise ReviewError(f"reviewer {decision.take}: there is no mark of theirs to take over")


def waiting(session: Session) -> int:
    """How many items of open batches wait for a decision."""
    found = session.scalar(
        select(func.count())
        .select_from(Item)
        .join(Batch, Batch.id == Item.batch_id)
        .where(Item.state == ItemState.ADJUDICATION, Batch.state == BatchState.OPEN)
    )
    return found or 0
