"""Supervised fine-tuning in LLaMA-Factory: ShareGPT `conversations`, with the `dataset_info.json` that names them.

Point `dataset_dir` at the format's folder. Thinking is `<think>…</think>` before the answer, as its templates
of reasoning models know it; a system prompt is the first turn.
"""

from collections.abc import Mapping
from functools import partial
from typing import Final

import pyarrow as pa
from pydantic import Field

from schemas.conform import conform
from tasks.export import sharegpt
from tasks.export.exporters import sft
from tasks.export.messages import Turn, prompt
from tasks.export.selection import Exporter, Selection
from tasks.rows import flat

COLUMNS: Final = pa.schema(
    [pa.field("conversations", sharegpt.CONVERSATION, nullable=False)]
    + [pa.field(name, pa.string(), nullable=False) for name in sft.IDS]
)


class Config(sft.Config):
    """Which traces, as for `sft`, and what LLaMA-Factory calls them."""

    dataset: str = Field("tracemill_sft", pattern=r"^[\w.-]+$", description="the set's name, before its split's")


def build(config: Config) -> Exporter:
    """The exporter with these settings."""
    return Exporter("trace_id", COLUMNS, partial(_rows, config), files=partial(_files, config))


def _rows(config: Config, selection: Selection) -> pa.Table:
    """One row a trace, in the order of traces."""
    problem, rows = sft.chosen(config, selection)
    said = prompt(config, selection.problems, problem[rows])
    answer = Turn("assistant", sharegpt.thinking(flat(selection.traces["text"])), rows)
    columns = {"conversations": sharegpt.turns(*said, answer), **sft.named(selection, rows)}
    return conform(pa.table(columns), COLUMNS, at="export llamafactory_sft")


def _files(config: Config, rows: Mapping[str, int]) -> Mapping[str, bytes]:
    columns = {"messages": "conversations"}
    return {"dataset_info.json": sharegpt.dataset_info(config.dataset, rows, columns, ranking=False)}
