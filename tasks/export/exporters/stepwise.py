r"""Stepwise supervision: `prompt`, `completions`, `labels`, as TRL's PRM trainer (up to 1.13) and axolotl read it.

A completion is a step without the whitespace behind it: the trainers put their own separator, `"\n"` unless told,
behind each. Labels are of steps, so a row may end before its trace does: no trainer puts an end-of-text token there.
"""

from functools import partial
from typing import Final

import pyarrow as pa

from schemas.conform import rows
from tasks.export.selection import Exporter, Selection
from tasks.export.steps import LabelConfig, judged, labels

COLUMNS: Final = pa.schema(
    [
        pa.field("prompt", pa.string(), nullable=False),
        pa.field("completions", pa.list_(pa.string()), nullable=False),
        pa.field("labels", pa.list_(pa.bool_()), nullable=False),
        pa.field("problem_id", pa.string(), nullable=False),
        pa.field("trace_id", pa.string(), nullable=False),
        pa.field("verifier", pa.string(), nullable=False),
    ]
)


class Config(LabelConfig):
    """Whose labels, and what becomes of neutral steps and of those after an error."""


def build(config: Config) -> Exporter:
    """The exporter with these settings."""
    return Exporter("trace_id", COLUMNS, partial(_rows, config), texts=("prompt",))


def _rows(config: Config, selection: Selection) -> pa.Table:
    """One row a trace with a labelled step, in the order of traces."""
    found = [
        {
            "prompt": one.problem["question"],
            "completions": one.steps[: len(told)],
            "labels": told,
            "problem_id": one.trace["problem_id"],
            "trace_id": one.trace["trace_id"],
            "verifier": one.verifier,
        }
        for one in judged(config, selection)
        if (told := labels(config, one))
    ]
    return rows(found, COLUMNS, at="export stepwise")
