"""Prefect's side of dedupe."""

from collections.abc import Mapping
from typing import Final

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.refs import Stage, Tables, joined
from tasks.dedupe.dedupe import VERSION, DedupeConfig, Deduped, drop_duplicates
from tasks.embed.store import embed
from tasks.lake import Lake
from tasks.progress import reported, watcher

_INPUTS: Final = ("problems", "traces", "standings", "embeddings")


@task(name="dedupe", task_run_name="dedupe", cache_policy=NO_CACHE, persist_result=False)
def dedupe(lake: Lake, tables: Tables, config: DedupeConfig) -> Tables:
    """Drop duplicate problems, and duplicate traces of one problem; with `semantic`, the problems' embeddings are kept.

    Raises:
        EngineError: there is no such embedding model, or it cannot be loaded.
        LakeError: there is no room for temporary files.
    """
    embedded = embed(lake, tables["problems"], "question", config.semantic) if config.semantic else {}
    inputs = {**tables, **embedded}
    stage = Stage(
        name="dedupe",
        version=VERSION,
        config=config.model_dump(mode="json", exclude=config.UNSEEN),
        inputs=tuple(ref for name in _INPUTS for ref in inputs.get(name, ())),
        tables=("dropped",),
    )
    total = lake.row_count(tables.get("traces", ())) or lake.row_count(tables["problems"])

    def part() -> Mapping[str, pa.Table]:
        made: Mapping[str, pa.Table] = {"dropped": _deduped(lake, inputs, config).dropped}
        watcher().advanced("dedupe", total)
        return made

    with reported("dedupe", total):
        return joined(lake.run(stage, lambda: [part]), embedded)


def _deduped(lake: Lake, tables: Tables, config: DedupeConfig) -> Deduped:
    return drop_duplicates(
        lake.rows(tables, "problems", ["problem_id", "question", "reference"]),
        lake.rows(tables, "traces", ["trace_id", "problem_id"]),
        lake.rows(tables, "standings", ["trace_id", "status"]),
        config,
        lake.parts(tables, "traces", "text"),
        lake.rows(tables, "embeddings", ["row_id", "vector"]),
    )
