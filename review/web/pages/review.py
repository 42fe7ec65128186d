"""The page on which a trace is reviewed; what it shows comes from the assignments' API."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import select

from review.config import BatchSettings
from review.render import markdown_html, step_html
from review.store.models import Assignment, Batch, Item, Role, User
from review.web.access import Reviewer, Store
from review.web.app import page

router = APIRouter()
Text = Annotated[str, StringConstraints(max_length=2_000_000)]


class TextsIn(BaseModel):
    """Steps that the reviewer cut or wrote."""

    model_config = ConfigDict(extra="forbid")

    texts: list[Text] = Field(max_length=2000)


@router.get("/review")
def next_page(request: Request, viewer: Reviewer) -> Response:
    """Takes the next trace by the page's script: a GET claims nothing."""
    return page(request, "claim.html", viewer)


@router.get("/review/{assignment_id}")
def review_page(request: Request, assignment_id: str, viewer: Reviewer, store: Store) -> Response:
    """One's own assignment; adjudicators may look at others'.

    Raises:
        HTTPException: 404: there is none of this id for whoever asks.
    """
    with store.reading() as session:
        found = session.execute(
            select(Item.question, Batch.settings, Assignment.user_id)
            .join(Assignment, Assignment.item_id == Item.id)
            .join(Batch, Batch.id == Item.batch_id)
            .where(Assignment.id == assignment_id)
        ).first()
        keys = session.scalar(select(User.keys).where(User.id == viewer.id))
    if found is None or (found.user_id != viewer.id and viewer.role.rank < Role.ADJUDICATOR.rank):
        raise HTTPException(404, "there is no such trace among yours")
    settings = BatchSettings.model_validate(found.settings)
    guidelines = settings.review.guidelines
    return page(
        request,
        "review.html",
        viewer,
        assignment_id=assignment_id,
        problem_html=markdown_html(found.question),
        guidelines_html=markdown_html(guidelines) if guidelines else "",
        labels_only=settings.model is None,
        keys=keys or {},
    )


@router.post("/api/render")
def render(given: TextsIn, viewer: Reviewer) -> dict[str, list[str]]:  # noqa: ARG001
    """How steps look: safe HTML for each."""
    return {"html": [step_html(text) for text in given.texts]}
