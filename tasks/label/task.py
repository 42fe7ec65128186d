"""Prefect's side of taking over step labels."""

from collections.abc import Mapping, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.refs import Stage, Tables
from tasks.ids import content_id
from tasks.label.config import LabelConfig
from tasks.label.labels import STAGE, VERSION, labels
from tasks.label.marks import Mark, marks
from tasks.lake import Lake
from tasks.progress import watcher
from tasks.reviews import FOLDER, reviews

_READ: Final = ["trace_id", "step_offsets"]


@task(name="label", task_run_name="label", cache_policy=NO_CACHE, persist_result=False)
def label(lake: Lake, rounds: Sequence[Tables], config: LabelConfig) -> list[Tables]:
    """Of each round the verdicts by `reviewers`, from the batches that were exported into the lake."""
    marked, lost = marks(reviews(lake))
    if lost:
        watcher().noted(f"{len(lost)} lines of reviews cannot be read, no labels of them; the first is {lost[0]}")
    wanted = pa.array(sorted(marked), pa.string())
    made, seen = [], 0
    for one in rounds:
        traces = lake.rows(one, "traces", _READ) if marked else None
        mine = traces.filter(pc.is_in(traces["trace_id"], value_set=wanted)) if traces else None
        seen += mine.num_rows if mine else 0
        made.append(_labelled(lake, one, mine, marked, config) if mine else {})
    if len(marked) > seen:
        watcher().noted(f"{len(marked) - seen} traces of the lake's {FOLDER} are none of this run's: no labels of them")
    return made


def _labelled(
    lake: Lake, tables: Tables, traces: pa.Table, marked: Mapping[str, Sequence[Mark]], config: LabelConfig
) -> Tables:
    """`traces` are those of the round that are marked."""
    ids = sorted(map(str, traces["trace_id"].to_pylist()))
    stage = Stage(
        name=STAGE,
        version=VERSION,
        config=config.model_dump(mode="json"),
        inputs=tables["traces"],
        sources={"reviews": content_id(*(one.model_dump_json() for name in ids for one in marked[name]))},
        tables=("verdicts",),
    )
    return lake.run(stage, lambda: [lambda: {"verdicts": labels(traces, marked, config)}])
