"""ProcessBench's form (arXiv 2412.06559): whole solutions, each with the index of its first wrong step.

`label` counts from 0 and is -1 where no step is wrong; `final_answer_correct` is where the trace stands, so it may be
true with a wrong step in it. `id` is the trace's, `generator` its model, or the source of one that came without.
"""

from functools import partial
from typing import Final

import pyarrow as pa

from schemas.conform import rows
from schemas.tables import Status
from tasks.export.selection import Exporter, Selection
from tasks.export.steps import StepConfig, judged

COLUMNS: Final = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("generator", pa.string(), nullable=False),
        pa.field("problem", pa.string(), nullable=False),
        pa.field("steps", pa.list_(pa.string()), nullable=False),
        pa.field("final_answer_correct", pa.bool_(), nullable=False),
        pa.field("label", pa.int64(), nullable=False),
        pa.field("problem_id", pa.string(), nullable=False),
        pa.field("trace_id", pa.string(), nullable=False),
        pa.field("verifier", pa.string(), nullable=False),
    ]
)
_STANDS: Final = {Status.CORRECT.value: True, Status.INCORRECT.value: False}


class Config(StepConfig):
    """Whose verdicts on steps count; neutral steps are not wrong."""


def build(config: Config) -> Exporter:
    """The exporter with these settings."""
    return Exporter("trace_id", COLUMNS, partial(_rows, config), texts=("problem",))


def _rows(config: Config, selection: Selection) -> pa.Table:
    """One row a trace that stands as correct or incorrect and whose first error is known, in the order of traces."""
    stands = dict(zip(*(selection.standings[name].to_pylist() for name in ("trace_id", "status")), strict=True))
    found = [
        {
            "id": one.trace["trace_id"],
            "generator": one.trace["model"] or one.trace["source"],
            "problem": one.problem["question"],
            "steps": one.steps,
            "final_answer_correct": correct,
            "label": one.first_wrong,
            "problem_id": one.trace["problem_id"],
            "trace_id": one.trace["trace_id"],
            "verifier": one.verifier,
        }
        for one in judged(config, selection)
        if (correct := _STANDS.get(stands.get(one.trace["trace_id"], ""))) is not None and one.settled
    ]
    return rows(found, COLUMNS, at="export processbench")
