"""Prefect's side of dedupe."""

from collections.abc import Mapping, Sequence
from typing import Final

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.refs import Ref, Stage, Tables, joined
from schemas.tables import Status
from tasks.dedupe.dedupe import VERSION, DedupeConfig, drop_problems, drop_traces
from tasks.embed.store import embed
from tasks.funnel import alive
from tasks.lake import Lake
from tasks.progress import reported, watcher
from tasks.standing import standing_as

_COMPARED: Final = ["problem_id", "question", "reference"]
_NOT_OF_PROBLEMS: Final = {**DedupeConfig.UNSEEN, "traces": True, "across_verdicts": True}
_NOT_OF_TRACES: Final = {**DedupeConfig.UNSEEN, "problems": True, "same_reference_only": True, "semantic": True}


@task(name="dedupe problems", task_run_name="dedupe problems", cache_policy=NO_CACHE, persist_result=False)
def dedupe_problems(lake: Lake, rounds: Sequence[Tables], config: DedupeConfig) -> list[Tables]:
    """Drop each round's problems that nearly are another one of it, or one that stays of an earlier round.

    Where a round has traces and standings, of alike problems one that is solved stays. With `config.semantic`, each
    round's tables are its `dropped` and its `embeddings`.

    Raises:
        EngineError: there is no such embedding model, or it cannot be loaded.
        LakeError: there is no room for temporary files.
    """
    found: list[Tables] = []
    with reported("dedupe: problems", lake.row_count(joined(*rounds).get("problems", ()))):
        for at, one in enumerate(rounds):
            earlier = {"problems": joined(*rounds[:at]).get("problems", ()), **joined(*found)}
            found.append(_twins(lake, one, earlier, config))
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
    embedded = embed(lake, one["problems"], "question", config.semantic) if config.semantic else {}
    vectors = joined(earlier, embedded).get("embeddings", ())
    judged = [ref for name in ("traces", "standings") for ref in one.get(name, ())]
    stage = Stage(
        name="dedupe problems",
        version=VERSION,
        config=config.model_dump(mode="json", exclude=_NOT_OF_PROBLEMS),
        inputs=(*one["problems"], *judged, *earlier["problems"], *earlier.get("dropped", ()), *vectors),
        tables=("dropped",),
    )

    def part() -> Mapping[str, pa.Table]:
        problems = lake.rows(one, "problems", _COMPARED)
        known = alive(lake.rows(earlier, "problems", _COMPARED), "problems", lake.rows(earlier, "dropped"))
        meanings = lake.rows({"embeddings": vectors}, "embeddings", ["row_id", "vector"])
        dropped = drop_problems(problems, known, _solved(lake, one), config, meanings)
        watcher().advanced("dedupe: problems", problems.num_rows)
        return {"dropped": dropped}

    return joined(lake.run(stage, lambda: [part]), embedded)


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
        traces = lake.rows(one, "traces", ["trace_id", "problem_id"])
        texts = lake.parts(one, "traces", "text")
        standings = lake.rows(one, "standings", ["trace_id", "status"])
        dropped = drop_traces(traces, standings, lake.rows({"dropped": twins}, "dropped"), config, texts)
        watcher().advanced("dedupe: traces", traces.num_rows)
        return {"dropped": dropped}

    return lake.run(stage, lambda: [part])
