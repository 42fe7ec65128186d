"""What there is to review, and a reviewer's own keys."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import select

from review.store.models import User
from review.waiting import waiting
from review.web.access import Reviewer, Store
from review.web.app import page
from schemas.errors import ReviewError

router = APIRouter()
OFF: Final = "off"
Key = Annotated[str, StringConstraints(min_length=1, max_length=1)]
Action = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{1,20}$")]


class KeysIn(BaseModel):
    """Keys by action; `off`: no single key acts."""

    model_config = ConfigDict(extra="forbid")

    keys: dict[Action, Key | bool] = Field(max_length=40)


@router.get("/")
def queue_page(request: Request, viewer: Reviewer, store: Store) -> Response:
    """All batches, and how much of each is left for whoever looks."""
    with store.reading() as session:
        found = waiting(session, viewer.id, datetime.now(UTC))
        keys = session.scalar(select(User.keys).where(User.id == viewer.id)) or {}
    return page(
        request,
        "queue.html",
        viewer,
        standings=found,
        left=sum(one.left for one in found),
        at_work=[name for one in found for name in one.at_work],
        today=sum(one.today for one in found),
        asked="none" in request.query_params,
        keys_off=bool(keys.get(OFF)),
    )


@router.put("/api/me/keys")
def save_keys(given: KeysIn, viewer: Reviewer, store: Store) -> dict[str, Any]:
    """Keep a reviewer's own keys.

    Raises:
        ReviewError: two actions have the same key, or one has none.
    """
    chosen = [key for action, key in given.keys.items() if action != OFF]
    if not all(isinstance(key, str) and key.isprintable() and not key.isspace() for key in chosen):
        raise ReviewError("keys: each is one character that can be seen")
    if len(set(chosen)) < len(chosen):
        raise ReviewError("keys: two actions have the same key")
    with store.writing() as session:
        session.get_one(User, viewer.id).keys = dict(given.keys)
    return {"keys": given.keys}
