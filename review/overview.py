"""Batches at a glance, and what reviewers are told beside their work."""

from typing import Any, Final, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from review.audit import note
from review.batches import Progress, progress
from review.store.models import FINISHED, Assignment, Batch, Item

LONGEST: Final = 100_000
"""Characters of guidelines."""


class Glance(NamedTuple):
    """How far a batch has come."""

    batch: Batch
    progress: Progress
    gold: int
    """Items."""
    reviews: int
    """Finished ones, of gold too."""

    @property
    def settled(self) -> int:
        """Items that were agreed on, or are final."""
        return self.progress.agreed + self.progress.final

    @property
    def percent(self) -> int:
        """Settled ones of all that are not gold."""
        return 100 * self.settled // max(1, self.progress.items)


def glances(session: Session) -> list[Glance]:
    """Of all batches, the newest first."""
    gold = _counts(session, select(Item.batch_id, func.count()).where(Item.gold.is_not(None)))
    finished = select(Item.batch_id, func.count()).join(Assignment, Assignment.item_id == Item.id)
    reviews = _counts(session, finished.where(Assignment.state.in_(FINISHED)))
    batches = session.scalars(select(Batch).order_by(Batch.opened_at.desc(), Batch.id)).all()
    return [Glance(one, progress(session, one), gold.get(one.id, 0), reviews.get(one.id, 0)) for one in batches]


def known_items(session: Session, batch: Batch, most: int = 500) -> list[Item]:
    """Items whose first wrong step is known: gold first, then those that people settled, in the queue's order."""
    known = Item.gold.is_not(None) | Item.verdict.is_not(None)
    chosen = select(Item).where(Item.batch_id == batch.id, known)
    return list(session.scalars(chosen.order_by(Item.gold.is_(None), Item.rank).limit(most)))


def guidelines(batch: Batch) -> str:
    """The Markdown that reviewers see beside their work."""
    review: dict[str, Any] = batch.settings.get("review", {})
    return str(review.get("guidelines", ""))


def set_guidelines(session: Session, actor: str, batch: Batch, text: str) -> None:
    """Tell reviewers something else from now on; it stays, whatever the batch's recipe says when it is opened again."""
    was = guidelines(batch)
    review: dict[str, Any] = batch.settings.get("review", {})
    batch.settings = {**batch.settings, "review": {**review, "guidelines": text}}
    batch.own_guidelines = True
    note(session, actor, "guidelines set", batch.name, was=was, text=text)


def _counts(session: Session, chosen: Any) -> dict[str, int]:
    return {row[0]: row[1] for row in session.execute(chosen.group_by(Item.batch_id))}
