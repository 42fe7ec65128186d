"""Items whose reviewers differ: the queue, one of them, and the decision."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from review.adjudicating import Decision, ItemChangedError, case, decide, queue
from review.store.models import ItemState, User
from review.web.access import Adjudicator, Store
from review.web.app import page
from review.wire import Problem

router = APIRouter()


class DecisionIn(BaseModel):
    """One of `take` (a candidate's letter) and `first_wrong` (from 0; -1: none)."""

    model_config = ConfigDict(extra="forbid")

    version: int
    take: str | None = None
    first_wrong: int | None = None
    note: str = Field(default="", max_length=2000)


@router.get("/adjudication")
def queue_page(request: Request, viewer: Adjudicator, store: Store) -> Response:
    """Items that wait for a decision, and those that were decided in open batches."""
    with store.reading() as session:
        items = queue(session, viewer.id)
    groups = {
        state: [one for one in items if one.state == state] for state in (ItemState.ADJUDICATION, ItemState.FINAL)
    }
    return page(
        request,
        "adjudication_queue.html",
        viewer,
        waiting=groups[ItemState.ADJUDICATION],
        decided=groups[ItemState.FINAL],
    )


@router.get("/adjudication/{item_id}")
def case_page(request: Request, item_id: str, viewer: Adjudicator, store: Store) -> Response:
    """One item, its reviewers' marks side by side, without a trace of who they are.

    Raises:
        ReviewError: there is nothing to decide about it.
    """
    with store.reading() as session:
        shown = case(session, item_id, viewer.id)
        keys = session.get_one(User, viewer.id).keys
    return page(request, "adjudication.html", viewer, case=shown, keys=keys or {})


@router.post("/api/items/{item_id}/adjudicate", response_model=None)
def adjudicate(item_id: str, given: DecisionIn, viewer: Adjudicator, store: Store) -> Response | dict[str, int | str]:
    """Decide; answers with the item's new version and the next item that waits.

    Raises:
        ReviewError: the decision cannot be taken.
    """
    try:
        with store.writing() as session:
            version = decide(session, viewer.id, item_id, Decision(**given.model_dump()))
            ahead = (one for one in queue(session, viewer.id) if one.state == ItemState.ADJUDICATION and not one.own)
            following = next(ahead, None)
    except ItemChangedError as exc:
        return JSONResponse(Problem(error="changed", message=str(exc)).model_dump(), 409)
    return {"version": version, "next": f"/adjudication/{following.item_id}" if following else "/adjudication"}
