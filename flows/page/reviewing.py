"""The way from a run to the review page."""

import os
from pathlib import Path
from typing import Final

from sqlalchemy import make_url

from flows.config import CurationConfig
from flows.kinds import configured
from flows.page import cards
from flows.store import STORE, store
from review import batches
from review.store.database import DEFAULT_URL
from review.store.models import Batch
from schemas.errors import RecipeError, StoreError
from tasks.lake import Lake

PAGE: Final = "TRACEMILL_REVIEW_URL"
"""The environment variable with the review page's address, as reviewers reach it."""
_DEFAULT_PAGE: Final = "http://127.0.0.1:8484"


def show_batches(lake: Lake, config: CurationConfig) -> str | None:
    """Link each open batch of a recipe, if the reviewers' store is there; what is wrong with it, if anything."""
    if config.review is None or not _there():
        return None
    try:
        with store() as database, database.reading() as session:
            for one in batches.opened(session):
                if _of(one, config.name, absolute(lake.url)):
                    show_batch(one, batches.progress(session, one))
    except StoreError as exc:
        return str(exc)
    return None


def show_batch(batch: Batch, told: batches.Progress) -> None:
    """Link a batch, with how far it has come."""
    page = (os.environ.get(PAGE) or _DEFAULT_PAGE).rstrip("/")
    said = f"batch {batch.name}: {told.done:,} of {told.items:,} traces are reviewed, {told.left:,} are left"
    more = f", {told.adjudication:,} wait for an adjudicator" if told.adjudication else ""
    cards.link("review", f"{said}{more}", f"{page}/#{batch.id}", f"review batch {batch.name}")


def absolute(path: str) -> str:
    """A local path as any working directory finds it."""
    return path if "://" in path else str(Path(path).resolve())


def _there() -> bool:
    """Whether there is a store: a look at the page makes none."""
    place = make_url(os.environ.get(STORE) or DEFAULT_URL)
    return place.get_backend_name() != "sqlite" or Path(place.database or "").is_file()


def _of(batch: Batch, name: str, lake: str) -> bool:
    if batch.recipe is None or batch.lake != lake:
        return False
    try:
        return configured(batch.recipe, tuple(batch.overrides or ())).name == name
    except RecipeError:
        return False
