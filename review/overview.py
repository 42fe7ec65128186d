"""Batches at a glance, and what reviewers are told beside their work."""

from collections import Counter
from typing import Any, Final, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from review.audit import note
from review.store.models import FINISHED, Assignment, Batch, Item, ItemState
from schemas.errors import ReviewError

LONGEST: Final = 100_000
"""Characters of guidelines."""


class Progress(NamedTuple):
    """How far a batch has come, in items and in reviews."""

    batch: Batch
    items: int
    settled: int
    """Agreed on, or final."""
    adjudication: int
    gold: int
    reviews: int
    """Finished ones."""

    @property
    def percent(self) -> int:
        """Of items that are settled; gold is never done and does not count."""
        return 100 * self.settled // max(1, self.items)


def progress(session: Session) -> list[Progress]:
    """Of all batches, the newest first."""
    states: dict[str, Counter[str]] = {}
    counted = select(Item.batch_id, Item.state, Item.gold.is_not(None), func.count())
    for batch, state, is_gold, count in session.execute(
        counted.group_by(Item.batch_id, Item.state, Item.gold.is_not(None))
    ):
        states.setdefault(batch, Counter())["gold" if is_gold else state] += count
    finished = select(Item.batch_id, func.count()).join(Assignment, Assignment.item_id == Item.id)
    done = session.execute(finished.where(Assignment.state.in_(FINISHED)).group_by(Item.batch_id)).tuples()
    reviews = dict(done.all())
    batches = session.scalars(select(Batch).order_by(Batch.opened_at.desc(), Batch.id))
    return [_progress(batch, states.get(batch.id, Counter()), reviews.get(batch.id, 0)) for batch in batches]


def batch_of(session: Session, batch_id: str) -> Batch:
    """The batch of this id.

    Raises:
        ReviewError: there is none.
    """
    batch = session.get(Batch, batch_id)
    if batch is None:
        raise ReviewError(f"batch {batch_id!r}: there is none of this id")
    return batch


def known_items(session: Session, batch_id: str, most: int = 500) -> list[Item]:
    """Items whose first wrong step is known: gold first, then those that people settled, in the queue's order."""
    known = Item.gold.is_not(None) | Item.verdict.is_not(None)
    chosen = select(Item).where(Item.batch_id == batch_id, known)
    return list(session.scalars(chosen.order_by(Item.gold.is_(None), Item.rank).limit(most)))


def guidelines(batch: Batch) -> str:
    """The Markdown that reviewers see beside their work."""
    review: dict[str, Any] = batch.settings.get("review", {})
    return str(review.get("guidelines", ""))


def set_guidelines(session: Session, actor: str, batch_id: str, text: str) -> None:
    """Tell reviewers something else from now on.

    Raises:
        ReviewError: there is no such batch.
    """
    batch = batch_of(session, batch_id)
    was = guidelines(batch)
    review: dict[str, Any] = batch.settings.get("review", {})
    batch.settings = {**batch.settings, "review": {**review, "guidelines": text}}
    note(session, actor, "guidelines set", batch.id, was=was, text=text)


def _progress(batch: Batch, states: Counter[str], reviews: int) -> Progress:
    settled = states[ItemState.AGREED] + states[ItemState.FINAL]
    gold = states["gold"]
    return Progress(batch, states.total() - gold, settled, states[ItemState.ADJUDICATION], gold, reviews)
