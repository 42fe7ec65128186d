"""Prefect's side of dedupe."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.refs import Ref, Stage, Tables, joined
from schemas.tables import Status
from tasks.alive import stays
from tasks.dedupe.dedupe import VERSION, DedupeConfig, drop_problems, drop_traces
from tasks.dedupe.index import COMPARED, SKETCH_VERSION, Lookup, sketched
from tasks.dedupe.sketch import Near
from tasks.embed.store import embed
from tasks.lake import Lake
from tasks.progress import reported, watcher
from tasks.standing import standing_as
from tasks.text.strings import filtered_parts
from tasks.text.words import Splitting

_NOT_OF_PROBLEMS: Final = {**DedupeConfig.UNSEEN, "traces": True, "across_verdicts": True}
_NOT_OF_TRACES: Final = {**DedupeConfig.UNSEEN, "problems": True, "same_reference_only": True, "semantic": True}


@task(name="dedupe problems", task_run_name="dedupe problems", cache_policy=NO_CACHE, persist_result=False)
def dedupe_problems(lake: Lake, rounds: Sequence[Tables], config: DedupeConfig) -> list[Tables]:
    """Drop each round's problems that nearly are another one of it, or one that stays of an earlier round.

    Where a round has traces and standings, of alike problems one that is solved stays. Each round's tables are its
    `dropped`, its `sketches` and, with `config.semantic`, its `embeddings`.

    Raises:
        EngineError: there is no such embedding model, or it cannot be loaded.
        LakeError: there is no room for temporary files.
    """
    found: list[Tables] = []
    with reported("dedupe: problems", lake.row_count(joined(*rounds).get("problems", ()))):
        for one in rounds:
            found.append(_twins(lake, one, joined(*found), config))
    return found


@task(name="dedupe traces", task_run_name="dedupe traces", cache_policy=NO_CACHE, persist_result=False)
def dedupe_traces(lake: Lake, rounds: Sequence[Tables], twins: Sequence[Tables], config: DedupeConfig) -> list[Tables]:
    """Drop each round's traces that nearly are another one of their problem; and those of its `twins`.

    These are the problems that `dedupe_problems` dropped.

    Raises:
        LakeError: there is no room for temporary files.
    """
    with reported("dedupe: traces", lake.row_count(joined(*rounds).get("traces", ()))):
        return [_copies(lake, one, gone["dropped"], config) for one, gone in zip(rounds, twins, strict=True)]


def _twins(lake: Lake, one: Tables, earlier: Tables, config: DedupeConfig) -> Tables:
    sketches = _sketch(lake, one["problems"], config)
    embedded = embed(lake, one["problems"], "question", config.semantic) if config.semantic else {}
    vectors = joined(earlier, embedded).get("embeddings", ())
    judged = [ref for name in ("traces", "standings") for ref in one.get(name, ())]
    before = [ref for name in ("sketches", "dropped") for ref in earlier.get(name, ())]
    stage = Stage(
        name="dedupe problems",
        version=VERSION,
        config=config.model_dump(mode="json", exclude=_NOT_OF_PROBLEMS),
        inputs=(*sketches["sketches"], *judged, *before, *vectors),
        tables=("dropped",),
    )

    def part() -> Mapping[str, pa.Table]:
        problems = lake.rows(sketches, "sketches", COMPARED)
        wanted, known = _candidates(lake, earlier, problems, config)
        every = np.concatenate([wanted, np.ones(len(problems), np.bool_)])
        shingles = filtered_parts(lake.parts(joined(earlier, sketches), "sketches", "shingles"), every)
        meanings = lake.rows({"embeddings": vectors}, "embeddings", ["row_id", "vector"])
        dropped = drop_problems(problems, known, _solved(lake, one), config, meanings, shingles)
        watcher().advanced("dedupe: problems", problems.num_rows)
        return {"dropped": dropped}

    return joined(lake.run(stage, lambda: [part]), sketches, embedded)


def _sketch(lake: Lake, refs: Sequence[Ref], config: DedupeConfig) -> Tables:
    """The sketches of these problems, which later rounds read in place of their text."""
    near = config.problems or Near()
    settings = {"near": near.model_dump(mode="json"), "splitting": config.splitting.model_dump(mode="json")}
    stages = {
        ref: Stage(name="sketch", version=SKETCH_VERSION, config=settings, inputs=(ref,), tables=("sketches",))
        for ref in refs
    }
    arguments = (_sketched, near, config.splitting, config.effort.threads)
    return joined(*(lake.run(stage, partial(lake.mapped, [ref], *arguments)) for ref, stage in stages.items()))


def _sketched(problems: pa.Table, near: Near, splitting: Splitting, threads: int) -> Mapping[str, pa.Table]:
    return {"sketches": sketched(problems, near, splitting, threads)}


def _candidates(
    lake: Lake, earlier: Tables, problems: pa.Table, config: DedupeConfig
) -> tuple[NDArray[np.bool_], pa.Table]:
    """Earlier problems that stay and may be like one of these: which of all they are, and their sketches."""
    found = lake.rows(earlier, "sketches", COMPARED)
    mask = stays(found, "problems", lake.rows(earlier, "dropped"))
    if config.semantic is None:
        mask &= Lookup(problems, config.problems or Near()).agreeing(found)
    return mask, found.filter(pa.array(mask))


def _solved(lake: Lake, one: Tables) -> "pa.Array[pa.StringScalar]":
    traces = lake.rows(one, "traces", ["trace_id", "problem_id"])
    right = standing_as(Status.CORRECT, traces["trace_id"], lake.rows(one, "standings", ["trace_id", "status"]))
    return traces["problem_id"].filter(pa.array(right)).combine_chunks()


def _copies(lake: Lake, one: Tables, twins: tuple[Ref, ...], config: DedupeConfig) -> Tables:
    stage = Stage(
        name="dedupe traces",
        version=VERSION,
        config=config.model_dump(mode="json", exclude=_NOT_OF_TRACES),
        inputs=tuple(ref for refs in (one.get("traces", ()), one.get("standings", ()), twins) for ref in refs),
        tables=("dropped",),
    )

    def part() -> Mapping[str, pa.Table]:
        traces = lake.rows(one, "traces", ["trace_id", "problem_id", "search"])
        texts = lake.parts(one, "traces", "text")
        standings = lake.rows(one, "standings", ["trace_id", "status"])
        dropped = drop_traces(traces, standings, lake.rows({"dropped": twins}, "dropped"), config, texts)
        watcher().advanced("dedupe: traces", traces.num_rows)
        return {"dropped": dropped}

    return lake.run(stage, lambda: [part])
