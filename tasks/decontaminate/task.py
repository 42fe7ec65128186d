"""Prefect's side of decontamination."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.refs import Stage, Tables, joined
from tasks.decontaminate.benchmarks import read_benchmark
from tasks.decontaminate.config import DecontaminateConfig
from tasks.decontaminate.decontaminate import VERSION
from tasks.decontaminate.decontaminate import decontaminate as find_overlaps
from tasks.lake import Lake
from tasks.progress import reported, watcher
from tasks.sources import digests


@task(name="decontaminate", task_run_name="decontaminate", cache_policy=NO_CACHE, persist_result=False)
def decontaminate(lake: Lake, rounds: Sequence[Tables], config: DecontaminateConfig) -> list[Tables]:
    """Drop each round's problems that overlap a benchmark, with the spans as evidence."""
    with reported("decontaminate", lake.row_count(joined(*rounds).get("problems", ()))):
        return [_compared(lake, one, config) for one in rounds]


def _compared(lake: Lake, tables: Tables, config: DecontaminateConfig) -> Tables:
    stage = Stage(
        name="decontaminate",
        version=VERSION,
        config=config.model_dump(mode="json"),
        inputs=(*tables["problems"], *tables.get("traces", ())),
        sources={
            f"{name}: {file}": digest
            for name, benchmark in config.benchmarks.items()
            for file, digest in digests(benchmark.source).items()
        },
        tables=("contamination", "dropped"),
    )

    def part() -> Mapping[str, pa.Table]:
        benchmarks = {name: read_benchmark(one) for name, one in config.benchmarks.items()}
        problems = lake.rows(tables, "problems", ["problem_id", "question"])
        traces = lake.rows(tables, "traces", ["trace_id", "problem_id"])
        made: Mapping[str, pa.Table] = find_overlaps(problems, traces, benchmarks, config)._asdict()
        watcher().advanced("decontaminate", lake.row_count(tables["problems"]))
        return made

    return lake.run(stage, lambda: [part])
