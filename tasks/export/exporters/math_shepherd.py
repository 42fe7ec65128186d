"""Math-Shepherd's form (arXiv 2312.08935): `input` with `ки` behind each step, `label` with `+` or `-` instead, `task`.

Both begin with the question, then `Step 1: … ки`, a line a step. Readers find the steps by `ки` alone, so a trace with
these letters in it, as Russian text has, is no row. The published set labels all steps: `after_error: false` does, too.
"""

from collections.abc import Iterable
from functools import partial
from typing import Final

import pyarrow as pa
from pydantic import Field

from schemas.conform import rows
from tasks.export.selection import Exporter, Selection
from tasks.export.steps import LabelConfig, judged, labels

COLUMNS: Final = pa.schema(
    [
        pa.field(name, pa.string(), nullable=False)
        for name in ("input", "label", "task", "problem_id", "trace_id", "verifier")
    ]
)
TAG: Final = "ки"
_SIGNS: Final = {True: "+", False: "-"}


class Config(LabelConfig):
    """Whose labels, what becomes of neutral steps and of those after an error, and what the task is called."""

    task: str | None = Field(None, min_length=1, description="as GSM8K or MATH; the problem's domain unless given")


def build(config: Config) -> Exporter:
    """The exporter with these settings."""
    return Exporter("trace_id", COLUMNS, partial(_rows, config), texts=("input",))


def _rows(config: Config, selection: Selection) -> pa.Table:
    """One row a trace with a labelled step, in the order of traces."""
    found = []
    for one in judged(config, selection):
        told, question = labels(config, one), one.problem["question"]
        if told and TAG not in question and not any(TAG in step for step in one.steps):
            found.append(
                {
                    "input": _written(question, one.steps, [TAG] * len(told)),
                    "label": _written(question, one.steps, [_SIGNS[label] for label in told]),
                    "task": config.task or one.problem["domain"],
                    "problem_id": one.trace["problem_id"],
                    "trace_id": one.trace["trace_id"],
                    "verifier": one.verifier,
                }
            )
    return rows(found, COLUMNS, at="export math_shepherd")


def _written(question: str, steps: Iterable[str], tags: list[str]) -> str:
    """As many steps as tags; one that begins with its own number has it once."""
    lines = [
        f"Step {number}: {step.strip().removeprefix(f'Step {number}:').strip()} {tag}"
        for number, (step, tag) in enumerate(zip(steps, tags, strict=False), 1)
    ]
    return f"{question.strip()} " + "\n".join(lines)
