"""Prefect's side of selection, and of the review queue."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.errors import RecipeError
from schemas.refs import Ref, Stage, Tables, added, joined
from tasks.alive import alive
from tasks.embed.model import EmbeddingConfig
from tasks.embed.store import embed
from tasks.lake import Lake
from tasks.progress import reported, watcher
from tasks.select import queue as review
from tasks.select import select as selection
from tasks.select.contract import GONE, PROBLEMS, TRACES, Earlier, Gone, Pool
from tasks.select.select import Step, Steps, build, pool_of

_MADE_OF: Final[Mapping[str, list[str]]] = {
    "problems": PROBLEMS,
    "traces": TRACES,
    "standings": ["trace_id", "status", "score"],
    "ratings": ["judge", "subject_id", "score"],
    "dropped": ["table", "row_id"],
}
_ANSWERS: Final = ["trace_id", "verifier", "extracted_answer"]


class _Session(NamedTuple):
    lake: Lake
    steps: Sequence[Step]
    everything: Tables
    """All rounds, where names are looked for."""


@task(name="select", task_run_name="select", cache_policy=NO_CACHE, persist_result=False)
def select(lake: Lake, rounds: Sequence[Tables], config: Steps) -> list[Tables]:
    """Drop what the selectors do not take of each round, its `dropped`; and the `embeddings` that they look at.

    Budgets and caps count what earlier rounds kept, and that stays.

    Raises:
        RecipeError: no trace is by a model or sampler that a selector names.
        EngineError: there is no such embedding model, or it cannot be loaded.
    """
    steps = build(config)
    if not steps:
        return [{} for _ in rounds]
    session = _Session(lake, steps, joined(*rounds))
    found: list[Tables] = []
    with reported(selection.STAGE, lake.row_count(session.everything.get("traces", ()))):
        for at, one in enumerate(rounds):
            found.append(_selected(session, one, added(rounds[:at], found)))
    return found


@task(name="queue", task_run_name="queue", cache_policy=NO_CACHE, persist_result=False)
def queue(lake: Lake, rounds: Sequence[Tables], config: review.QueueConfig | None) -> list[Tables]:
    """The wrong traces of each round that people are to look at first, its `queue`; without settings none."""
    if config is None:
        return [{} for _ in rounds]
    with reported(review.STAGE, lake.row_count(joined(*rounds).get("traces", ()))):
        return [_queued(lake, one, config) for one in rounds]


def _selected(session: _Session, one: Tables, before: Sequence[Tables]) -> Tables:
    lake, steps, _ = session
    models = [step.selector.embedding for step in steps if step.selector.embedding]
    embedded = joined(*(embed(lake, one["problems"], "question", model) for model in models))
    earlier = joined(*before) if any(step.selector.looks_back for step in steps) else {}
    vectors = joined(embedded, {"embeddings": earlier.get("embeddings", ())}) if models else {}
    looked_at = [ref for name in ("problems", "traces", "dropped") for ref in earlier.get(name, ())]
    stage = Stage(
        name=selection.STAGE,
        version=selection.VERSION,
        config={"steps": [step.settings for step in steps]},
        inputs=(*_refs(one), *looked_at, *vectors.get("embeddings", ())),
        tables=("dropped",),
    )

    def part() -> Mapping[str, pa.Table]:
        _check_names(session)
        pool = _pool(lake, one)._replace(earlier=_kept(lake, earlier), embeddings=partial(_vectors, lake, vectors))
        dropped = selection.select(pool, steps)
        watcher().advanced(selection.STAGE, lake.row_count(one.get("traces", ())))
        return {"dropped": dropped}

    return joined(lake.run(stage, lambda: [part]), embedded)


def _queued(lake: Lake, one: Tables, config: review.QueueConfig) -> Tables:
    stage = Stage(
        name=review.STAGE,
        version=review.VERSION,
        config=config.model_dump(mode="json") | {"domains": sorted(config.domains)},
        inputs=(*_refs(one), *one.get("verdicts", ())),
        tables=("queue",),
    )

    def part() -> Mapping[str, pa.Table]:
        found = review.queue(_without_tools(lake, one), lake.rows(one, "verdicts", _ANSWERS), config)
        watcher().advanced(review.STAGE, lake.row_count(one.get("traces", ())))
        return {"queue": found}

    return lake.run(stage, lambda: [part])


def _refs(one: Tables) -> tuple[Ref, ...]:
    return tuple(ref for name in _MADE_OF for ref in one.get(name, ()))


def _pool(lake: Lake, one: Tables) -> Pool:
    tables = {name: lake.rows(one, name, columns) for name, columns in _MADE_OF.items()}
    return pool_of(tables, lake.parts(one, "traces", "text"))


def _without_tools(lake: Lake, one: Tables) -> Pool:
    """The pool without traces that used tools: a rewrite would go on without them."""
    ids: list[Any] = []
    for batch in lake.batches(one, "traces", ["trace_id", "conversation"]):
        ids += batch.column(0).filter(pc.is_valid(batch.column(1))).to_pylist()
    gone = pa.table([pa.array(ids, pa.string()), *(pa.nulls(len(ids), pa.string()) for _ in range(2))], schema=GONE)
    return _pool(lake, one).without(Gone(traces=gone)) if ids else _pool(lake, one)


def _kept(lake: Lake, earlier: Tables) -> Earlier:
    dropped = lake.rows(earlier, "dropped", _MADE_OF["dropped"])
    problems = alive(lake.rows(earlier, "problems", PROBLEMS), "problems", dropped)
    return Earlier(problems, alive(lake.rows(earlier, "traces", TRACES), "traces", dropped))


def _vectors(lake: Lake, vectors: Tables, config: EmbeddingConfig) -> pa.Table:
    found = lake.rows(vectors, "embeddings", ["row_id", "model", "vector"])
    return found.filter(pc.equal(found["model"], pa.scalar(config.model)))


def _check_names(session: _Session) -> None:
    wanted = {name: step.name for step in session.steps for name in step.selector.names}
    traces = session.lake.rows(session.everything, "traces", ["model", "source"]) if wanted else None
    if traces is None or not traces.num_rows:
        return
    known = [one for name in ("model", "source") for one in sorted(map(str, traces[name].drop_null().unique()))]
    for name in sorted(wanted.keys() - set(known)):
        raise RecipeError(f"select.{wanted[name]}: no trace is by {name!r}; there are {', '.join(known)}")
