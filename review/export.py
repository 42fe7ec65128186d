"""What people said, as JSON lines: the way back into the lake (`tasks/reviews.py`), or to anywhere else."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from review.audit import Head, head
from review.batches import NAME
from review.store.models import (
    FINISHED,
    Adjudication,
    Assignment,
    Batch,
    Item,
    ItemState,
    Job,
    Round,
    State,
    Trace,
    User,
)
from schemas.base import ConfigBase
from schemas.errors import ReviewError
from tasks.plugins import explain
from tasks.reviews import path_of
from tasks.rewrite.continuing import SAMPLED
from tasks.storage import Storage

_TOGETHER: Final = 200
"""Items that are read together."""


class Exported(ConfigBase):
    """What was exported, and how far the audit had come then."""

    batch: str
    rounds: int
    """Lines."""
    sha256: str
    """Of the lines' file."""
    audit: Head | None
    """None: nothing was noted yet."""
    exported_at: datetime


class _Told(NamedTuple):
    """All that there is of some items, by what it is looked up by."""

    rounds: dict[str, list[tuple[Assignment, str, Round]]]
    """By item: with the reviewer's pseudonym."""
    continuations: dict[tuple[str, str], list[Trace]]
    """By item and job."""
    effects: dict[str, dict[str, Any]]
    """By job."""
    adjudicated: set[str]


def lines(session: Session, batch: Batch) -> Iterator[dict[str, Any]]:
    """A line for each round of each finished review, by the items' rank, the reviewer and the round.

    batch, item, trace_id (of the round), problem_id, round (from 0), reviewer (a pseudonym), state (of the review);
    ratings, first_wrong (-1: none), offsets (of the reviewer's own steps, null: the trace's); step and after (what was
    rewritten, null: nothing), continuations (id, text, number, status, answer and how each was sampled), chosen (the
    one that the next round is about), doubts, effect (right and all continuations from before the wrong step and after
    it); opened_at, marked_at, rewritten_at, finished_at (ISO 8601), seconds, revealed (the reference); verdict (the
    first wrong step of the item's trace that was settled on, in its own rounds' lines) and settled (`agreed` or
    `adjudicated`); gold and bad_problem: such lines are never trained on.
    """
    ids = session.scalars(select(Item.id).where(Item.batch_id == batch.id).order_by(Item.rank, Item.id)).all()
    for some in (ids[start : start + _TOGETHER] for start in range(0, len(ids), _TOGETHER)):
        told = _told(session, some)
        items = {one.id: one for one in session.scalars(select(Item).where(Item.id.in_(some)))}
        for name in some:
            for assignment, reviewer, one in told.rounds[name]:
                yield _line(batch, items[name], assignment, one, told) | {"reviewer": reviewer}


def place(batch: Batch) -> str:
    """Where a batch's lines lie in its lake."""
    return path_of(batch.name if NAME.fullmatch(batch.name) else batch.id)


def write(session: Session, batch: Batch, storage: Storage, path: str) -> int:
    """Write a batch's lines, all or nothing, in place of what was written of it before; how many.

    Beside `<name>.jsonl` stands `<name>.manifest.json`, an `Exported`, written after it.
    """
    count, digest = 0, hashlib.sha256()

    def encoded() -> Iterator[bytes]:
        nonlocal count
        for line in lines(session, batch):
            count += 1
            data = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
            digest.update(data)
            yield data

    storage.stream(path, encoded())
    made = Exported(
        batch=batch.name, rounds=count, sha256=digest.hexdigest(), audit=head(session), exported_at=datetime.now(UTC)
    )
    storage.write(f"{path.removesuffix('.jsonl')}.manifest.json", made.model_dump_json(indent=2).encode())
    return count


def kept_head(file: Path) -> Head | None:
    """The audit's head of when a batch was exported, by its manifest.

    Raises:
        ReviewError: the file cannot be read, or is none.
    """
    try:
        return Exported.model_validate_json(file.read_bytes()).audit
    except OSError as exc:
        raise ReviewError(f"{file}: cannot be read ({exc.strerror})") from exc
    except ValidationError as exc:
        raise ReviewError(f"{file}: is no manifest of exported reviews: {explain(exc)}") from exc


def _told(session: Session, items: Sequence[str]) -> _Told:
    reviews = (
        select(Assignment, User.pseudonym, Round)
        .join(User, User.id == Assignment.user_id)
        .join(Round, Round.assignment_id == Assignment.id)
        .where(Assignment.item_id.in_(items), Assignment.state.in_(FINISHED))
        .order_by(User.pseudonym, Round.number)
    )
    rounds: defaultdict[str, list[tuple[Assignment, str, Round]]] = defaultdict(list)
    for assignment, reviewer, one in session.execute(reviews):
        rounds[assignment.item_id].append((assignment, reviewer, one))
    traces = select(Trace).where(Trace.item_id.in_(items), Trace.job_id.is_not(None))
    continuations: defaultdict[tuple[str, str], list[Trace]] = defaultdict(list)
    for trace in session.scalars(traces.order_by(Trace.number, Trace.trace_id)):
        continuations[trace.item_id, trace.job_id or ""].append(trace)
    wanted = {one.effect_id for those in rounds.values() for _, _, one in those if one.effect_id}
    jobs = session.scalars(select(Job).where(Job.id.in_(wanted)))
    adjudicated = session.scalars(select(Adjudication.item_id).where(Adjudication.item_id.in_(items)))
    return _Told(rounds, continuations, {job.id: job.found for job in jobs if job.found}, set(adjudicated))


def _line(batch: Batch, item: Item, assignment: Assignment, one: Round, told: _Told) -> dict[str, Any]:
    own = one.trace_id == item.trace_id
    settled = item.verdict is not None and own
    # An item that is final without a verdict is one whose problem most reviewers found bad.
    bad = assignment.state == State.BAD_PROBLEM or (item.state == ItemState.FINAL and item.verdict is None)
    rewritten = one.after is not None
    return {
        "batch": batch.name,
        "item": item.id,
        "trace_id": one.trace_id,
        "problem_id": item.problem_id,
        "round": one.number,
        "reviewer": None,
        "state": str(assignment.state),
        "ratings": one.ratings,
        "first_wrong": one.first_wrong,
        "offsets": one.offsets,
        "step": one.first_wrong if rewritten else None,
        "after": one.after,
        "continuations": [_continuation(trace) for trace in told.continuations.get((item.id, one.job_id or ""), ())],
        "chosen": one.chosen,
        "doubts": one.doubts,
        "effect": told.effects.get(one.effect_id or ""),
        "opened_at": _iso(one.opened_at),
        "marked_at": _iso(one.marked_at),
        "rewritten_at": _iso(one.rewritten_at),
        "finished_at": _iso(assignment.finished_at),
        "seconds": assignment.seconds,
        "revealed": assignment.revealed_at is not None,
        "verdict": item.verdict if settled else None,
        "settled": ("adjudicated" if item.id in told.adjudicated else "agreed") if settled else None,
        "gold": item.gold is not None,
        "bad_problem": bad,
    }


def _continuation(trace: Trace) -> dict[str, Any]:
    sampled = {name: trace.sampled.get(name) for name in SAMPLED if name != "text"}
    told = {"id": trace.trace_id, "text": trace.text, "number": trace.number}
    return told | {"status": str(trace.status), "answer": trace.answer} | sampled


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
