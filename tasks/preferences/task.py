"""Prefect's side of building pairs."""

from collections.abc import Mapping

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.refs import Stage, Tables
from tasks.funnel import alive
from tasks.lake import Lake
from tasks.preferences.pairs import VERSION, PairsConfig, build_pairs
from tasks.progress import reported, watcher

_COLUMNS = ["trace_id", "problem_id", "text", "step_offsets", "completion_tokens", "on_policy"]


@task(name="preferences", task_run_name="preferences", cache_policy=NO_CACHE, persist_result=False)
def preferences(lake: Lake, tables: Tables, config: PairsConfig) -> Tables:
    """Chosen/rejected pairs from the traces that no stage dropped."""
    stage = Stage(
        name="preferences",
        version=VERSION,
        config=config.model_dump(mode="json"),
        inputs=(*tables["problems"], *tables["traces"], *tables["standings"], *tables["dropped"]),
        tables=("pairs", "dropped"),
    )

    def part() -> Mapping[str, pa.Table]:
        dropped = lake.read(*tables["dropped"])
        problems = alive(lake.read(*tables["problems"]), "problems", dropped)
        traces = alive(lake.read(*tables["traces"], columns=_COLUMNS), "traces", dropped)
        made: Mapping[str, pa.Table] = build_pairs(problems, traces, lake.read(*tables["standings"]), config)._asdict()
        watcher().advanced("preferences", lake.row_count(tables["traces"]))
        return made

    with reported("preferences", lake.row_count(tables["traces"])):
        return lake.run(stage, lambda: [part])
