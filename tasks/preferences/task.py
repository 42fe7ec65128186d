"""Prefect's side of building pairs."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.refs import Stage, Tables, joined
from tasks.alive import alive
from tasks.lake import Lake
from tasks.preferences.pairs import STAGE, VERSION, PairsConfig, build_pairs
from tasks.progress import reported, watcher

_COLUMNS = ["trace_id", "problem_id", "text", "step_offsets", "completion_tokens", "on_policy"]


@task(name="preferences", task_run_name="preferences", cache_policy=NO_CACHE, persist_result=False)
def preferences(lake: Lake, rounds: Sequence[Tables], config: PairsConfig) -> list[Tables]:
    """Chosen/rejected pairs from each round's traces that no stage dropped."""
    with reported(STAGE, lake.row_count(joined(*rounds).get("traces", ()))):
        return [_pairs(lake, one, config) for one in rounds]


def _pairs(lake: Lake, tables: Tables, config: PairsConfig) -> Tables:
    stage = Stage(
        name=STAGE,
        version=VERSION,
        config=config.model_dump(mode="json"),
        inputs=tuple(ref for name in ("problems", "traces", "standings", "dropped") for ref in tables.get(name, ())),
        tables=("pairs", "dropped"),
    )

    def part() -> Mapping[str, pa.Table]:
        dropped = lake.rows(tables, "dropped")
        problems = alive(lake.rows(tables, "problems"), "problems", dropped)
        traces = alive(lake.rows(tables, "traces", _COLUMNS), "traces", dropped)
        made: Mapping[str, pa.Table] = build_pairs(problems, traces, lake.rows(tables, "standings"), config)._asdict()
        watcher().advanced(STAGE, lake.row_count(tables.get("traces", ())))
        return made

    return lake.run(stage, lambda: [part])
