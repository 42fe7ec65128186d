"""People between two runs: a run's queue becomes a batch, and what was reviewed the next run's rewrites and labels.

Prefect only carries the news (`tracemill.review.opened`, `tracemill.review.reviewed`, with ids alone): what is done
lies in the store and in the lake, and each of these flows may run again at any time. The store is the one that the
environment variable TRACEMILL_REVIEW_DB names: an address with a password in it is no parameter.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from prefect import flow, get_run_logger
from prefect.events import emit_event
from prefect.settings import PREFECT_API_URL
from sqlalchemy import select

from flows.config import CurationConfig
from flows.curate import curate
from flows.forms import ReviewedRecipe
from flows.kinds import configured
from flows.page.reviewing import absolute, show_batch
from flows.queued import gold, queued, settings_of
from flows.recipes import lasting, sections
from flows.refresh import refresh
from flows.store import store
from review import batches
from review.export import place, write
from review.jobs.queue import ensure_suggestion
from review.store.models import Batch, Item
from review.work.claiming import expire
from schemas.errors import LakeError, ReviewError
from schemas.refs import ReleaseManifest
from tasks.lake import Lake

OPENED: Final = "tracemill.review.opened"
REVIEWED: Final = "tracemill.review.reviewed"
RESOURCE: Final = "tracemill.review."
_ACTOR: Final = "flow"
_NAMED: Final = 20
"""Traces that a log line names."""


@flow(name="open-review", flow_run_name="open review of {recipe}", persist_result=False)
def open_review(recipe: ReviewedRecipe, lake: str = "data/lake", overrides: Sequence[str] = (), name: str = "") -> str:
    """Put the queue of a recipe's newest run before reviewers; an open batch gets what it lacks. Gives its name.

    Args:
        recipe: A name from `tracemill recipes` that says `review` and `queue`; a new one is on the form after deploying
            again. From Python also a path.
        lake: A folder or an fsspec URL; a relative one is below the folder that was deployed.
        overrides: Settings that differ from the recipe's, each as `key.key=value`; what is curated after the review has
            the same.
        name: The batch's; empty: the recipe's, with a number where that was closed.

    Raises:
        TracemillError: What is wrong with the recipe, the lake or the store.
    """
    config = configured(recipe, overrides)
    settings = settings_of(config)
    root, found = absolute(lake), lasting(recipe)
    with store() as database:
        with database.reading() as session:
            chosen = name or batches.next_name(session, config.name)
            seen = batches.closed_traces(session, found, root)
            begun = session.scalar(select(Batch.id).where(Batch.name == chosen))
        items = _items(Lake(lake), config, seen)
        if not items and not begun:
            raise ReviewError(f"recipe {config.name}: its newest run queues nothing that was not reviewed yet")
        new = batches.NewBatch(chosen, settings, items, found, root, tuple(overrides))
        with database.writing() as session:
            batch = batches.open_batch(session, _ACTOR, new)
            for one in session.scalars(select(Item).where(Item.batch_id == batch.id, Item.gold.is_(None))):
                ensure_suggestion(session, one)
            told = batches.progress(session, batch)
    show_batch(batch, told)
    get_run_logger().info("batch %s: %s traces, %s left to review", batch.name, told.items, told.left)
    announce(OPENED, batch)
    return batch.name


@flow(name="after-review", flow_run_name="after review of {batch}", persist_result=False)
def after_review(batch: str) -> ReleaseManifest:
    """Take a batch's reviews into its lake, and curate anew; what is missing of it is left out, and named in the log.

    Args:
        batch: A batch's name, id, or the resource of an event about it.

    Raises:
        TracemillError: What is wrong with the batch, the recipe, a model or the lake.
    """
    with store() as database, database.reading() as session:
        found = batches.find(session, batch.removeprefix(RESOURCE))
        if found.recipe is None or found.lake is None:
            raise ReviewError(f"batch {found.name}: no recipe made it; `tracemill review export` gives its reviews")
        written = write(session, found, Lake(found.lake).storage, place(found))
        left, told = batches.missing(session, found), batches.progress(session, found)
    logger = get_run_logger()
    logger.info("batch %s: %s rounds of reviews, %s of %s traces done", found.name, written, told.done, told.items)
    if left:
        more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
        logger.warning("going on without reviews of %s traces: %s%s", len(left), ", ".join(left[:_NAMED]), more)
    overrides = tuple(found.overrides or ())
    if "generate" in sections(found.recipe):
        return refresh(found.recipe, found.lake, overrides, sample=False)
    return curate(found.recipe, found.lake, overrides)


@flow(name="sweep-reviews", flow_run_name="sweep reviews", persist_result=False)
def sweep_reviews() -> list[str]:
    """Close the batches that are done or whose time is up, but imported ones; gives their names."""
    now = datetime.now(UTC)
    with store() as database:
        with database.writing() as session:
            expire(session, now)
            late = {one.id for one in batches.overdue(session, now)}
            done = [
                (one, _why(one.id in late, batches.progress(session, one, now)))
                for one in batches.opened(session)
                if one.recipe
            ]
            closed = [(one, why) for one, why in done if why]
            for one, why in closed:
                batches.close(session, _ACTOR, one, why)
        for one, why in closed:
            get_run_logger().info("batch %s is closed: %s", one.name, why)
            announce(REVIEWED, one)
    return [one.name for one, _ in closed]


def announce(event: str, batch: Batch) -> None:
    """Tell Prefect's server what has become of a batch; a temporary one would have nobody who waits for it."""
    if not PREFECT_API_URL.value():
        return
    resource = {"prefect.resource.id": f"{RESOURCE}{batch.id}", "prefect.resource.role": "batch"}
    emit_event(event, resource=resource, payload={"batch": batch.id})


def _items(lake: Lake, config: CurationConfig, seen: set[str]) -> list[batches.NewItem]:
    last = lake.last(config.name)
    if last is None:
        raise LakeError(f"lake {lake.url}: nothing of recipe {config.name} to review; run the recipe first")
    items = queued(lake, last.tables, seen)
    if config.review is None:
        return items
    return items + gold(config.review, len(items))


def _why(late: bool, told: batches.Progress) -> str | None:  # noqa: FBT001
    """Why a batch is to be closed, if it is."""
    if told.items and told.complete:
        return "complete"
    return f"time is up: {told.done} of {told.items} traces are done" if late else None
