"""Administration of batches: how far they are, their gold, and what reviewers are told."""

import logging
from collections.abc import Callable, Iterator
from typing import Final

import orjson
from fastapi import APIRouter, BackgroundTasks, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from review import batches, gold, overview
from review.audit import note
from review.export import lines
from review.render import markdown_html
from review.store.models import Batch
from review.web.access import Admin, Store
from review.web.app import page

router = APIRouter()
LOG: Final = logging.getLogger(__name__)


class GuidelinesIn(BaseModel):
    """What reviewers see beside their work."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=overview.LONGEST, description="Markdown")


class CloseIn(BaseModel):
    """Why a batch ends."""

    model_config = ConfigDict(extra="forbid")

    because: str = Field(default="an admin closed it", min_length=1, max_length=200)


class Preview(BaseModel):
    """Safe HTML."""

    html: str


class GoldIn(BaseModel):
    """The first wrong step that is known; none: the one that people settled on."""

    model_config = ConfigDict(extra="forbid")

    item: str = Field(max_length=24)
    first_wrong: int | None = Field(default=None, ge=-1, lt=2**31)


class NoGoldIn(BaseModel):
    """An item that is gold no longer."""

    model_config = ConfigDict(extra="forbid")

    item: str = Field(max_length=24)


@router.get("/admin/batches")
def batches_page(request: Request, viewer: Admin, store: Store) -> Response:
    """All batches."""
    with store.reading() as session:
        found = overview.glances(session)
    return page(request, "admin_batches.html", viewer, batches=found)


@router.get("/admin/batches/{batch_id}")
def batch_page(request: Request, batch_id: str, viewer: Admin, store: Store) -> Response:
    """A batch's gold and guidelines."""
    with store.reading() as session:
        batch = batches.find(session, batch_id)
        items = overview.known_items(session, batch)
    text = overview.guidelines(batch)
    shown = {"batch": batch, "items": items, "guidelines": text, "shown": markdown_html(text)}
    return page(request, "admin_batch.html", viewer, **shown)


@router.post("/api/admin/preview")
def preview(given: GuidelinesIn, viewer: Admin) -> Preview:  # noqa: ARG001  only for admins
    """Guidelines as reviewers would see them."""
    return Preview(html=markdown_html(given.text))


@router.post("/api/admin/batches/{batch_id}/guidelines")
def set_guidelines(batch_id: str, given: GuidelinesIn, viewer: Admin, store: Store) -> dict[str, str]:
    """Tell reviewers something else."""
    with store.writing() as session:
        overview.set_guidelines(session, viewer.name, batches.find(session, batch_id), given.text)
    return {}


@router.post("/api/admin/batches/{batch_id}/close")
def close(
    request: Request, batch_id: str, given: CloseIn, viewer: Admin, store: Store, later: BackgroundTasks
) -> dict[str, str]:
    """Hand out nothing more of it; whoever waits for its end is told once that is answered."""
    with store.writing() as session:
        batch = batches.find(session, batch_id)
        newly = batches.close(session, viewer.name, batch, given.because)
    if newly and request.app.state.closed is not None:
        later.add_task(_tell, request.app.state.closed, batch)
    return {}


@router.post("/api/admin/batches/{batch_id}/reopen")
def reopen(batch_id: str, viewer: Admin, store: Store) -> dict[str, str]:
    """Go on with it."""
    with store.writing() as session:
        batches.reopen(session, viewer.name, batches.find(session, batch_id))
    return {}


@router.get("/api/admin/batches/{batch_id}/export")
def export(batch_id: str, viewer: Admin, store: Store) -> Response:
    """Its reviews, a JSON line for each round."""
    with store.writing() as session:
        batch = batches.find(session, batch_id)
        note(session, viewer.name, "reviews downloaded", batch.name)

    def encoded() -> Iterator[bytes]:
        with store.reading() as session:
            for line in lines(session, batch):
                yield orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)

    name = batch.name if batches.NAME.fullmatch(batch.name) else batch.id
    headers = {"Content-Disposition": f'attachment; filename="{name}.jsonl"'}
    return StreamingResponse(encoded(), media_type="application/x-ndjson", headers=headers)


@router.post("/api/admin/gold")
def set_gold(given: GoldIn, viewer: Admin, store: Store) -> dict[str, int]:
    """Make an item gold."""
    with store.writing() as session:
        return {"first_wrong": gold.mark(session, viewer.name, given.item, given.first_wrong)}


@router.post("/api/admin/gold/remove")
def remove_gold(given: NoGoldIn, viewer: Admin, store: Store) -> dict[str, str]:
    """Gold no longer."""
    with store.writing() as session:
        gold.unmark(session, viewer.name, given.item)
    return {}


def _tell(closed: Callable[[Batch], None], batch: Batch) -> None:
    try:
        closed(batch)
    except Exception:
        # The batch is closed all the same; `tracemill review close` says it again.
        LOG.exception("batch %s is closed, but nobody could be told", batch.name)
