"""Preference pairs of which a side used tools: `prompt`, `chosen`, `rejected` with calls and results, and `tools`.

TRL's DPOTrainer (1.16) renders them by the model's chat template. All that follows the prompt counts, the results of
tools too: where both sides have the same results these cancel, else they do not.
"""

from functools import partial
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.conform import conform
from tasks.export.dialogues import (
    DIALOGUE,
    TOOLS,
    answered,
    asked,
    conversations_of,
    dialogues,
    tools_of,
    used_tools,
)
from tasks.export.exporters.dpo import IDS, Sides, sides
from tasks.export.messages import PromptConfig
from tasks.export.selection import Exporter, Selection

COLUMNS: Final = pa.schema(
    [pa.field(name, DIALOGUE, nullable=False) for name in ("prompt", "chosen", "rejected")]
    + [pa.field(name, pa.string(), nullable=False) for name in (TOOLS, *IDS)]
)


class Config(PromptConfig):
    """What stands before the two answers."""


def build(config: Config) -> Exporter:
    """The exporter with these settings."""
    texts = ("prompt", "chosen", "rejected")
    return Exporter("pair_id", COLUMNS, partial(_rows, config), texts=texts, tools=True)


def _rows(config: Config, selection: Selection) -> pa.Table:
    """One row a pair, in the order of pairs."""
    found, traces = sides(selection), selection.traces
    used = used_tools(traces)
    found = Sides(*(one[used[found.chosen] | used[found.rejected]] for one in found))
    talks = [conversations_of(traces, rows) if len(rows) else [] for rows in (found.chosen, found.rejected)]
    tools = [tools_of(one or other) for one, other in zip(*talks, strict=True) if one or other]
    columns: dict[str, Any] = {
        "prompt": dialogues(asked(config, selection.problems, found.problem)),
        "chosen": dialogues(map(answered, talks[0], _texts(traces, found.chosen))),
        "rejected": dialogues(map(answered, talks[1], _texts(traces, found.rejected))),
        TOOLS: pa.array(tools, pa.string()),
        **{name: selection.pairs[name].take(found.pairs) for name in IDS},
    }
    return conform(pa.table(columns), COLUMNS, at="export dpo_tools")


def _texts(traces: pa.Table, rows: NDArray[np.int64]) -> list[Any]:
    return list(traces["text"].take(rows).to_pylist())
