"""Finished work, and the tree of traces of one item."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import select

from review.history import ENDED, Asking, Filters, listed, told
from review.store.models import Batch, Role
from review.web.access import Reviewer, Store
from review.web.app import page

router = APIRouter()


class FiltersIn(BaseModel):
    """Which assignments; an empty field is no filter."""

    batch: str = ""
    state: str = ""
    reviewer: str = ""
    page: int = Field(default=1, ge=1, le=100_000)


@router.get("/history")
def history_page(request: Request, viewer: Reviewer, store: Store, given: Annotated[FiltersIn, Query()]) -> Response:
    """Finished assignments, the newest first: one's own; adjudicators and admins see all, by pseudonym."""
    others = given.reviewer if viewer.role.rank >= Role.ADJUDICATOR.rank else ""
    filters = Filters(given.batch, given.state, others, given.page)
    with store.reading() as session:
        found = listed(session, Asking(viewer.id, viewer.role), filters)
        batches = session.execute(select(Batch.id, Batch.name).order_by(Batch.opened_at.desc())).all()
    return page(
        request,
        "history.html",
        viewer,
        found=found,
        filters=filters,
        batches=batches,
        states=sorted(ENDED),
        at=lambda to: "?" + urlencode(filters._replace(page=to)._asdict()),
    )


@router.get("/history/{item_id}")
def item_page(request: Request, item_id: str, viewer: Reviewer, store: Store) -> Response:
    """One item's tree.

    Raises:
        ReviewError: there is none that the viewer may see.
    """
    with store.reading() as session:
        found = told(session, Asking(viewer.id, viewer.role), item_id)
    return page(request, "history_item.html", viewer, told=found)
