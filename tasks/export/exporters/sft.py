"""Supervised fine-tuning: conversational `messages`, as TRL's SFTTrainer reads them.

Traces that used tools are left to `sft_tools`.
"""

from functools import partial
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from schemas.conform import conform
from schemas.tables import Status
from tasks.export.messages import MESSAGES, PromptConfig, Turn, conversations, portable_names, prompt
from tasks.export.selection import Exporter, Selection
from tasks.rows import firsts, flat, positions
from tasks.standing import standing_as

IDS: Final = ("problem_id", "trace_id", "source")
COLUMNS: Final = pa.schema(
    [pa.field("messages", MESSAGES, nullable=False)] + [pa.field(name, pa.string(), nullable=False) for name in IDS]
)


class Config(PromptConfig):
    """Which traces, and what stands before them."""

    statuses: tuple[Status, ...] = Field((Status.CORRECT,), min_length=1, description="where a trace must stand")
    sources: tuple[str, ...] = Field(
        (), description="whose traces: samplers by name, or what an import says; all unless given"
    )
    per_problem: int | None = Field(
        None, gt=0, description="at most so many traces a problem, the shortest (in characters) first"
    )


def build(config: Config) -> Exporter:
    """The exporter with these settings."""
    return Exporter("trace_id", COLUMNS, partial(_rows, config), texts=("messages",))


def chosen(config: Config, selection: Selection) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each trace's row in problems, -1 where it is gone; and the rows of the traces that the settings choose."""
    problem = positions(selection.traces["problem_id"], selection.problems["problem_id"])
    fitting = _stands(selection, config.statuses) & (problem >= 0)
    if config.sources:
        fitting &= np.asarray(pc.is_in(selection.traces["source"], value_set=pa.array(config.sources)), np.bool_)
    rows = np.flatnonzero(fitting)
    return problem, rows if config.per_problem is None else _shortest(
        selection.traces, problem, rows, config.per_problem
    )


def _rows(config: Config, selection: Selection) -> pa.Table:
    """One row a trace, in the order of traces: question, then the whole trace as the answer."""
    problem, rows = chosen(config, selection)
    turns = prompt(config, selection.problems, problem[rows])
    answer = Turn("assistant", flat(selection.traces["text"]), rows)
    columns = {"messages": conversations(*turns, answer), **named(selection, rows)}
    return conform(pa.table(columns), COLUMNS, at="export sft")


def named(selection: Selection, rows: NDArray[np.int64]) -> dict[str, Any]:
    """Which problem and trace each row is of, and where that is from."""
    columns: dict[str, Any] = {name: selection.traces[name].take(rows) for name in IDS}
    return columns | {"source": portable_names(columns["source"])}


def _stands(selection: Selection, statuses: tuple[Status, ...]) -> NDArray[np.bool_]:
    ids = selection.traces["trace_id"]
    stands: NDArray[np.bool_] = np.any([standing_as(status, ids, selection.standings) for status in statuses], axis=0)
    return stands


def _shortest(traces: pa.Table, problem: NDArray[np.int64], rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Of these rows of traces, the `count` shortest of each problem; among equals the first by trace_id."""
    texts: Any = traces["text"]
    by_id = np.argsort(np.asarray(pc.sort_indices(traces["trace_id"])))
    length = np.asarray(pc.utf8_length(texts), np.int64)
    return firsts(rows[np.lexsort((by_id[rows], length[rows]))], problem, count)
