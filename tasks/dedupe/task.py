"""Prefect's side of dedupe."""

from collections.abc import Mapping

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.refs import Stage, Tables
from tasks.dedupe.dedupe import VERSION, DedupeConfig, drop_duplicates
from tasks.lake import Lake
from tasks.progress import reported, watcher


@task(name="dedupe", task_run_name="dedupe", cache_policy=NO_CACHE, persist_result=False)
def dedupe(lake: Lake, tables: Tables, config: DedupeConfig) -> Tables:
    """Drop duplicate problems, and duplicate traces of one problem."""
    stage = Stage(
        name="dedupe",
        version=VERSION,
        config=config.model_dump(mode="json", exclude=set(config.UNSEEN)),
        inputs=tuple(ref for name in ("problems", "traces", "standings") for ref in tables.get(name, ())),
        tables=("dropped",),
    )

    total = lake.row_count(tables.get("traces", ())) or lake.row_count(tables["problems"])

    def part() -> Mapping[str, pa.Table]:
        problems = lake.rows(tables, "problems", ["problem_id", "question", "reference"])
        traces = lake.rows(tables, "traces", ["trace_id", "problem_id"])
        texts = lake.parts(tables, "traces", "text")
        standings = lake.rows(tables, "standings", ["trace_id", "status"])
        made: Mapping[str, pa.Table] = {"dropped": drop_duplicates(problems, traces, standings, config, texts).dropped}
        watcher().advanced("dedupe", total)
        return made

    with reported("dedupe", total):
        return lake.run(stage, lambda: [part])
