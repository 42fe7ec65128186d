"""Pairs of judgements, which train a judge: what it was asked, its better reply, its worse one; columns as in `dpo`.

Wu et al. 2024, Meta-Rewarding Language Models (arXiv 2407.19594): the same model is trained on both kinds of pairs.
"""

from functools import partial
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pydantic import Field

from schemas.base import ConfigBase
from schemas.conform import conform
from tasks.export.messages import MESSAGES, Turn, conversations
from tasks.export.selection import Exporter, Selection
from tasks.rows import flat, positions

_IDS: Final = (
    "pair_id",
    "problem_id",
    "rule",
    "judge",
    "trace_id",
    "chosen_judgement_id",
    "rejected_judgement_id",
)
COLUMNS: Final = pa.schema(
    [pa.field(name, MESSAGES, nullable=False) for name in ("prompt", "chosen", "rejected")]
    + [pa.field(name, pa.string(), nullable=False) for name in _IDS]
)


class Config(ConfigBase):
    """What stands before the question."""

    system: str | None = Field(None, min_length=1, description="a system prompt for every conversation")


def build(config: Config) -> Exporter:
    """The exporter with these settings."""
    return Exporter("pair_id", COLUMNS, partial(_rows, config), texts=("prompt", "chosen", "rejected"))


def _rows(config: Config, selection: Selection) -> pa.Table:
    """One row a pair, in the order of pairs."""
    pairs, judgements = selection.judgement_pairs, selection.judgements
    problem = positions(pairs["problem_id"], selection.problems["problem_id"])
    trace = positions(pairs["trace_id"], selection.traces["trace_id"])
    chosen, rejected = (
        positions(pairs[f"{side}_judgement_id"], judgements["judgement_id"]) for side in ("chosen", "rejected")
    )
    there = np.flatnonzero(np.min([problem, trace, chosen, rejected], axis=0) >= 0)
    replies = flat(judgements["reply"])
    first = [] if config.system is None else [{"role": "system", "content": config.system}]
    asked: list[Any] = judgements["messages"].take(chosen[there]).to_pylist()
    columns: dict[str, Any] = {
        "prompt": pa.array([[*first, *messages] for messages in asked], MESSAGES),
        "chosen": conversations(Turn("assistant", replies, chosen[there])),
        "rejected": conversations(Turn("assistant", replies, rejected[there])),
        **{name: pairs[name].take(there) for name in _IDS},
    }
    return conform(pa.table(columns), COLUMNS, at="export judge_dpo")
