"""Benchmarks to keep out of a training set: local files, or anything that `datasets` loads."""

import pyarrow as pa
from pydantic import Field

from schemas.base import ConfigBase
from schemas.errors import SourceError
from tasks.columns import MISSING, follow, parse
from tasks.sources import SourceConfig, read_rows


class BenchmarkConfig(ConfigBase):
    """One benchmark."""

    source: SourceConfig
    text: str = Field(description="the column that holds an item's question")
    item: str | None = Field(None, description="the column that names an item; its position unless set")


def read_benchmark(config: BenchmarkConfig) -> pa.Table:
    """A benchmark's items (item, text), in its order.

    Raises:
        SourceError: it cannot be read, or an item has no text.
    """
    items, texts = [], []
    for row in read_rows(config.source):
        text = follow(row.values, parse(config.text))
        name = row.number if config.item is None else follow(row.values, parse(config.item))
        if row.fault is not None or not isinstance(text, str) or name is MISSING:
            columns = ", ".join(row.values) or "none that can be read"
            raise SourceError(f"benchmark {row.place}: no text at {config.text!r}; the row has the columns {columns}")
        items.append(str(name))
        texts.append(text)
    return pa.table({"item": pa.array(items, pa.string()), "text": pa.array(texts, pa.string())})
