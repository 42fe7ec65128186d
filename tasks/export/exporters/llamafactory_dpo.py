"""Preference pairs in LLaMA-Factory: ShareGPT `conversations`, `chosen`, `rejected`, with their `dataset_info.json`.

The conversation ends with the question; chosen and rejected are whole answers, as in `dpo`, each one {from, value}.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import pyarrow as pa
from pydantic import Field

from schemas.conform import conform
from tasks.export import sharegpt
from tasks.export.exporters import dpo
from tasks.export.messages import Turn, prompt
from tasks.export.selection import Exporter, Selection
from tasks.rows import flat

COLUMNS: Final = pa.schema(
    [pa.field("conversations", sharegpt.CONVERSATION, nullable=False)]
    + [pa.field(side, sharegpt.SAID, nullable=False) for side in ("chosen", "rejected")]
    + [pa.field(name, pa.string(), nullable=False) for name in dpo.IDS]
)


class Config(dpo.Config):
    """What stands before the two answers, as for `dpo`, and what LLaMA-Factory calls them."""

    dataset: str = Field("tracemill_dpo", pattern=r"^[\w.-]+$", description="the set's name, before its split's")


def build(config: Config) -> Exporter:
    """The exporter with these settings."""
    return Exporter("pair_id", COLUMNS, partial(_rows, config), files=partial(_files, config))


def _rows(config: Config, selection: Selection) -> pa.Table:
    """One row a pair, in the order of pairs."""
    found = dpo.sides(selection)
    texts = sharegpt.thinking(flat(selection.traces["text"]))
    columns: dict[str, Any] = {name: selection.pairs[name].take(found.pairs) for name in dpo.IDS}
    columns["conversations"] = sharegpt.turns(*prompt(config, selection.problems, found.problem))
    for side, rows in (("chosen", found.chosen), ("rejected", found.rejected)):
        columns[side] = sharegpt.single(Turn("assistant", texts, rows))
    return conform(pa.table(columns), COLUMNS, at="export llamafactory_dpo")


def _files(config: Config, rows: Mapping[str, int]) -> Mapping[str, bytes]:
    columns = {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"}
    return {"dataset_info.json": sharegpt.dataset_info(config.dataset, rows, columns, ranking=True)}
