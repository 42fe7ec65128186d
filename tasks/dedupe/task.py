"""Prefect's side of dedupe."""

from collections.abc import Iterator, Mapping

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.refs import Stage, Tables
from tasks.dedupe.dedupe import VERSION, DedupeConfig, drop_duplicates
from tasks.lake import Lake, Make
from tasks.progress import reported, watcher


@task(name="dedupe", task_run_name="dedupe", cache_policy=NO_CACHE, persist_result=False)
def dedupe(lake: Lake, tables: Tables, config: DedupeConfig) -> Tables:
    """Drop duplicate problems, and duplicate traces of one problem."""
    stage = Stage(
        name="dedupe",
        version=VERSION,
        config=config.model_dump(mode="json"),
        inputs=(*tables["problems"], *tables["traces"], *tables["verdicts"]),
        tables=("dropped",),
    )

    def part() -> Mapping[str, pa.Table]:
        problems = lake.read(*tables["problems"], columns=["problem_id", "question", "reference"])
        traces = lake.read(*tables["traces"], columns=["trace_id", "problem_id", "text"])
        verdicts = lake.read(*tables["verdicts"], columns=["trace_id", "status"])
        made: Mapping[str, pa.Table] = {"dropped": drop_duplicates(problems, traces, verdicts, config).dropped}
        watcher().advanced("dedupe", lake.row_count(tables["traces"]))
        return made

    def parts() -> Iterator[Make]:
        yield part

    with reported("dedupe", lake.row_count(tables["traces"])):
        return lake.run(stage, parts)
