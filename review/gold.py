"""Gold items: their first wrong step is known, and everyone may get them once, to see how well they find it."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from review.audit import note
from review.store.models import Item, Trace
from schemas.errors import ReviewError


def mark(session: Session, actor: str, item_id: str, first_wrong: int | None = None) -> int:
    """Make an item gold, by what people agreed on or an adjudicator chose unless a step is given; returns the step.

    Raises:
        ReviewError: there is no such item or step, or nothing is known of the item yet.
    """
    item = _item(session, item_id)
    step = item.verdict if first_wrong is None else first_wrong
    if step is None:
        raise ReviewError(f"item {item_id}: nobody agreed on its first wrong step yet; give one")
    offsets = session.scalar(select(Trace.step_offsets).filter_by(item_id=item.id, trace_id=item.trace_id))
    steps = len(offsets or [])
    if not -1 <= step < steps:
        raise ReviewError(f"item {item_id}: has no such step; there are {steps}")
    item.gold = step
    item.version += 1
    note(session, actor, "gold set", item.id, first_wrong=step)
    return step


def unmark(session: Session, actor: str, item_id: str) -> None:
    """Make an item one like all others again.

    Raises:
        ReviewError: there is no such item, or it is no gold.
    """
    item = _item(session, item_id)
    if item.gold is None:
        raise ReviewError(f"item {item_id}: is no gold")
    was, item.gold = item.gold, None
    item.version += 1
    note(session, actor, "gold removed", item.id, was=was)


def _item(session: Session, item_id: str) -> Item:
    item = session.get(Item, item_id, with_for_update=True)
    if item is None:
        raise ReviewError(f"item {item_id!r}: there is none of this id")
    return item
