"""Where an item stands, by what its reviewers came to."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import and_, exists, select

from review.store.models import FINISHED, Adjudication, Assignment, ItemState, Round, State, Trace
from review.work.cuts import own_step
from review.work.holding import Work


class Review(NamedTuple):
    """How one reviewer ended."""

    state: State
    first_wrong: int | None
    """In the trace's own steps, before anything was rewritten; None: not marked."""


class Standing(NamedTuple):
    """Where an item stands."""

    state: ItemState
    verdict: int | None


def standing(reviews: Sequence[Review], overlap: int) -> Standing:
    """Open until there are enough; then final if most say that the problem is bad, agreed if all marks are the same.

    Everything else is for an adjudicator: different marks, no mark at all, or some who call the problem bad.
    """
    if len(reviews) < overlap:
        return Standing(ItemState.OPEN, None)
    bad = sum(one.state is State.BAD_PROBLEM for one in reviews)
    if 2 * bad > len(reviews):
        return Standing(ItemState.FINAL, None)
    marks = {one.first_wrong for one in reviews if one.first_wrong is not None}
    return (
        Standing(ItemState.AGREED, marks.pop())
        if len(marks) == 1 and not bad
        else Standing(ItemState.ADJUDICATION, None)
    )


def settle(work: Work) -> None:
    """Say anew where the item stands; items of known verdict stay open, and what an adjudicator decided stays."""
    session, item = work.session, work.item
    session.flush()
    session.refresh(item, with_for_update={"key_share": True})
    if item.gold is not None or adjudicated(work):
        return
    found = standing(_reviews(work), work.settings.review.overlap)
    if (item.state, item.verdict) != found:
        item.state, item.verdict = found
        item.version += 1


def adjudicated(work: Work) -> bool:
    """Whether an adjudicator has decided about the item."""
    return bool(work.session.scalar(select(exists().where(Adjudication.item_id == work.item.id))))


def _reviews(work: Work) -> list[Review]:
    first = and_(Round.assignment_id == Assignment.id, Round.number == 0)
    rows = work.session.execute(
        select(Assignment.state, Round.first_wrong, Round.offsets)
        .outerjoin(Round, first)
        .where(Assignment.item_id == work.item.id, Assignment.state.in_(FINISHED))
    ).all()
    cut = any(offsets is not None for _, _, offsets in rows)
    own = work.session.get_one(Trace, (work.item.id, work.item.trace_id)).step_offsets if cut else []
    return [
        Review(State(state), None if step is None else own_step(own, offsets, step)) for state, step, offsets in rows
    ]
