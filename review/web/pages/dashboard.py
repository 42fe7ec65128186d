"""How the work goes."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from sqlalchemy import select

from review.agreement import ENOUGH
from review.dashboard import COLUMNS, OTHERS, board
from review.store.models import Batch
from review.web.access import Reviewer, Store
from review.web.app import page

router = APIRouter()


@router.get("/dashboard")
def dashboard_page(request: Request, viewer: Reviewer, store: Store, batch: str = "") -> Response:
    """The numbers of one batch, or of all; whose they are, only for adjudicators and admins, by pseudonym."""
    with store.reading() as session:
        shown = board(session, viewer.id, viewer.role, batch or None, datetime.now(UTC))
        batches = session.execute(select(Batch.id, Batch.name).order_by(Batch.opened_at.desc(), Batch.id)).all()
    return page(
        request,
        "dashboard.html",
        viewer,
        board=shown,
        batches=batches,
        batch=batch,
        columns=[name for name, _ in COLUMNS],
        enough=ENOUGH,
        least_others=OTHERS,
    )
