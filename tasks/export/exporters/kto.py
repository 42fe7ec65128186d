"""Single answers, each good or bad: conversational `prompt`, `completion`, `label`, as TRL's KTOTrainer reads them.

KTO (Ethayarajh et al. 2024, arXiv 2402.01306) scores each answer by itself: unlike in DPO, what two answers share does
not cancel. So a pair with a shared prefix is two rows here, of which one teaches the prefix as good, the other as bad.
"""

from functools import partial
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from schemas.conform import conform
from schemas.tables import Status
from tasks.export.messages import MESSAGES, PromptConfig, Turn, conversations, prompt
from tasks.export.selection import Exporter, Selection
from tasks.rows import firsts, flat, positions
from tasks.standing import standing_as

COLUMNS: Final = pa.schema(
    [
        pa.field("prompt", MESSAGES, nullable=False),
        pa.field("completion", MESSAGES, nullable=False),
        pa.field("label", pa.bool_(), nullable=False),
        pa.field("problem_id", pa.string(), nullable=False),
        pa.field("trace_id", pa.string(), nullable=False),
    ]
)


class Config(PromptConfig):
    """How many traces, and what stands before them."""

    per_problem: int | None = Field(
        None, gt=0, description="at most so many correct and so many incorrect traces a problem, the first by trace_id"
    )


def build(config: Config) -> Exporter:
    """The exporter with these settings."""
    return Exporter("trace_id", COLUMNS, partial(_rows, config), texts=("prompt", "completion"))


def _rows(config: Config, selection: Selection) -> pa.Table:
    """One row a trace that stands as correct (true) or incorrect (false), in the order of traces."""
    traces = selection.traces
    problem = positions(traces["problem_id"], selection.problems["problem_id"])
    good, bad = (
        standing_as(status, traces["trace_id"], selection.standings) for status in (Status.CORRECT, Status.INCORRECT)
    )
    chosen = np.flatnonzero((good | bad) & (problem >= 0))
    if config.per_problem is not None:
        order = np.asarray(pc.sort_indices(traces["trace_id"]), np.int64)
        chosen = firsts(order[np.isin(order, chosen)], problem * 2 + good, config.per_problem)
    columns: dict[str, Any] = {
        "prompt": conversations(*prompt(config, selection.problems, problem[chosen])),
        "completion": conversations(Turn("assistant", flat(traces["text"]), chosen)),
        "label": good[chosen],
        **{name: traces[name].take(chosen) for name in ("problem_id", "trace_id")},
    }
    return conform(pa.table(columns), COLUMNS, at="export kto")
