"""Supervised fine-tuning on traces that used tools: `messages` with calls and results, and `tools`, as TRL reads them.

TRL's SFTTrainer (1.16) renders them by the model's chat template. It trains on results of tools as well unless told
`assistant_only_loss`, which takes a template that marks the assistant's turns.
"""

from functools import partial
from typing import Any, Final

import pyarrow as pa

from schemas.conform import conform
from tasks.export.dialogues import DIALOGUE, TOOLS, asked, conversations_of, dialogues, tools_of, used_tools
from tasks.export.exporters import sft
from tasks.export.selection import Exporter, Selection
from tasks.text.conversation import reply

COLUMNS: Final = pa.schema(
    [pa.field("messages", DIALOGUE, nullable=False), pa.field(TOOLS, pa.string(), nullable=False)]
    + [pa.field(name, pa.string(), nullable=False) for name in sft.IDS]
)


class Config(sft.Config):
    """Which traces, as for `sft`, and what stands before them."""


def build(config: Config) -> Exporter:
    """The exporter with these settings."""
    return Exporter("trace_id", COLUMNS, partial(_rows, config), texts=("messages",), tools=True)


def _rows(config: Config, selection: Selection) -> pa.Table:
    """One row a trace that used tools, in the order of traces."""
    selection = selection._replace(traces=selection.traces.filter(pa.array(used_tools(selection.traces))))
    problem, rows = sft.chosen(config, selection)
    found = [one for one in conversations_of(selection.traces, rows) if one] if len(rows) else []
    before = asked(config, selection.problems, problem[rows])
    columns: dict[str, Any] = {
        "messages": dialogues([*first, *reply(one.messages)] for first, one in zip(before, found, strict=True)),
        TOOLS: pa.array(map(tools_of, found), pa.string()),
        **sft.named(selection, rows),
    }
    return conform(pa.table(columns), COLUMNS, at="export sft_tools")
