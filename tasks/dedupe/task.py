"""Prefect's side of dedupe."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.refs import Ref, Stage, Tables, joined
from schemas.tables import Status
from tasks.dedupe.dedupe import VERSION, DedupeConfig, drop_problems, drop_traces
from tasks.funnel import alive
from tasks.lake import Lake
from tasks.progress import reported, watcher
from tasks.standing import standing_as

_COMPARED = ["problem_id", "question", "reference"]


@task(name="dedupe problems", task_run_name="dedupe problems", cache_policy=NO_CACHE, persist_result=False)
def dedupe_problems(lake: Lake, rounds: Sequence[Tables], config: DedupeConfig) -> list[Tables]:
    """Drop each round's problems that nearly are another one of it, or one that stays of an earlier round.

    Where a round has traces and standings, of alike problems one that is solved stays.
    """
    found: list[Tables] = []
    with reported("dedupe: problems", lake.row_count(joined(*rounds).get("problems", ()))):
        for at, one in enumerate(rounds):
            earlier = joined(*rounds[:at]).get("problems", ()), joined(*found).get("dropped", ())
            found.append(_twins(lake, one, dict(zip(("problems", "dropped"), earlier, strict=True)), config))
    return found


@task(name="dedupe traces", task_run_name="dedupe traces", cache_policy=NO_CACHE, persist_result=False)
def dedupe_traces(lake: Lake, rounds: Sequence[Tables], twins: Sequence[Tables], config: DedupeConfig) -> list[Tables]:
    """Drop each round's traces that nearly are another one of their problem; and those of its `twins`.

    These are the problems that `dedupe_problems` dropped.
    """
    with reported("dedupe: traces", lake.row_count(joined(*rounds).get("traces", ()))):
        return [_copies(lake, one, gone["dropped"], config) for one, gone in zip(rounds, twins, strict=True)]


def _twins(lake: Lake, one: Tables, earlier: Tables, config: DedupeConfig) -> Tables:
    judged = [ref for name in ("traces", "standings") for ref in one.get(name, ())]
    stage = Stage(
        name="dedupe problems",
        version=VERSION,
        config=config.model_dump(mode="json", exclude={"traces", "across_verdicts"}),
        inputs=(*one["problems"], *judged, *earlier["problems"], *earlier["dropped"]),
        tables=("dropped",),
    )

    def part() -> Mapping[str, pa.Table]:
        problems = lake.rows(one, "problems", _COMPARED)
        known = alive(lake.rows(earlier, "problems", _COMPARED), "problems", lake.rows(earlier, "dropped"))
        dropped = drop_problems(problems, known, _solved(lake, one), config)
        watcher().advanced("dedupe: problems", problems.num_rows)
        return {"dropped": dropped}

    return lake.run(stage, lambda: [part])


def _solved(lake: Lake, one: Tables) -> "pa.Array[pa.StringScalar]":
    traces = lake.rows(one, "traces", ["trace_id", "problem_id"])
    right = standing_as(Status.CORRECT, traces["trace_id"], lake.rows(one, "standings", ["trace_id", "status"]))
    return traces["problem_id"].filter(pa.array(right)).combine_chunks()


def _copies(lake: Lake, one: Tables, twins: tuple[Ref, ...], config: DedupeConfig) -> Tables:
    stage = Stage(
        name="dedupe traces",
        version=VERSION,
        config=config.model_dump(mode="json", exclude={"problems", "same_reference_only"}),
        inputs=tuple(ref for refs in (one.get("traces", ()), one.get("standings", ()), twins) for ref in refs),
        tables=("dropped",),
    )

    def part() -> Mapping[str, pa.Table]:
        traces = lake.rows(one, "traces", ["trace_id", "problem_id", "text"])
        standings = lake.rows(one, "standings", ["trace_id", "status"])
        dropped = drop_traces(traces, standings, lake.rows({"dropped": twins}, "dropped"), config)
        watcher().advanced("dedupe: traces", traces.num_rows)
        return {"dropped": dropped}

    return lake.run(stage, lambda: [part])
