"""Administration of batches: how far they are, their gold, and what reviewers are told."""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from review import gold, overview
from review.web.access import Admin, Store
from review.web.app import page

router = APIRouter()


class GuidelinesIn(BaseModel):
    """What reviewers see beside their work."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=overview.LONGEST, description="Markdown")


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
        found = overview.progress(session)
    return page(request, "admin_batches.html", viewer, batches=found)


@router.get("/admin/batches/{batch_id}")
def batch_page(request: Request, batch_id: str, viewer: Admin, store: Store) -> Response:
    """A batch's gold and guidelines."""
    with store.reading() as session:
        batch = overview.batch_of(session, batch_id)
        items = overview.known_items(session, batch_id)
    shown = {"batch": batch, "items": items, "guidelines": overview.guidelines(batch)}
    return page(request, "admin_batch.html", viewer, **shown)


@router.post("/api/admin/batches/{batch_id}/guidelines")
def set_guidelines(batch_id: str, given: GuidelinesIn, viewer: Admin, store: Store) -> dict[str, str]:
    """Tell reviewers something else."""
    with store.writing() as session:
        overview.set_guidelines(session, viewer.name, batch_id, given.text)
    return {}


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
