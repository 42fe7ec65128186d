"""Preference pairs: conversational `prompt`, `chosen`, `rejected`, as TRL's DPOTrainer reads them.

The prompt ends with the user's turn, since TRL renders it with a generation prompt; chosen and rejected are whole
answers, since TRL puts an end-of-text token after each. What two answers share stays in both: it cancels in DPO.
"""

from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.conform import conform
from tasks.export.messages import MESSAGES, PromptConfig, Turn, conversations, prompt
from tasks.export.selection import Exporter, Selection
from tasks.rows import flat, positions

IDS: Final = ("pair_id", "problem_id", "rule", "chosen_trace_id", "rejected_trace_id")
COLUMNS: Final = pa.schema(
    [pa.field(name, MESSAGES, nullable=False) for name in ("prompt", "chosen", "rejected")]
    + [pa.field(name, pa.string(), nullable=False) for name in IDS]
)


class Config(PromptConfig):
    """What stands before the two answers."""


def build(config: Config) -> Exporter:
    """The exporter with these settings."""
    return Exporter("pair_id", COLUMNS, partial(_rows, config), texts=("prompt", "chosen", "rejected"))


class Sides(NamedTuple):
    """The pairs of which all is still there: rows of pairs, and side by side with them rows of problems and traces."""

    pairs: NDArray[np.int64]
    problem: NDArray[np.int64]
    chosen: NDArray[np.int64]
    rejected: NDArray[np.int64]


def sides(selection: Selection) -> Sides:
    """Which rows the pairs are made of, in the order of pairs."""
    pairs, traces = selection.pairs, selection.traces
    problem = positions(pairs["problem_id"], selection.problems["problem_id"])
    chosen, rejected = (positions(pairs[f"{side}_trace_id"], traces["trace_id"]) for side in ("chosen", "rejected"))
    there = np.flatnonzero((problem >= 0) & (chosen >= 0) & (rejected >= 0))
    return Sides(there, problem[there], chosen[there], rejected[there])


def _rows(config: Config, selection: Selection) -> pa.Table:
    """One row a pair, in the order of pairs."""
    found = sides(selection)
    texts = flat(selection.traces["text"])
    columns: dict[str, Any] = {
        "prompt": conversations(*prompt(config, selection.problems, found.problem)),
        "chosen": conversations(Turn("assistant", texts, found.chosen)),
        "rejected": conversations(Turn("assistant", texts, found.rejected)),
        **{name: selection.pairs[name].take(found.pairs) for name in IDS},
    }
    return conform(pa.table(columns), COLUMNS, at="export dpo")
