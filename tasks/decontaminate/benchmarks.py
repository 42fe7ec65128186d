"""Benchmarks to keep out of a training set: listed ones, local files, or anything that `datasets` loads."""

from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
from fsspec.core import url_to_fs
from pydantic import Field, field_validator

from schemas.base import ConfigBase
from schemas.conform import columns_to_table
from schemas.errors import SourceError
from schemas.tables import BENCHMARKS
from tasks.columns import MISSING, follow, parse
from tasks.sources import Row, SourceConfig, read_rows

STAGE: Final = "benchmarks"
VERSION: Final = "1"

_FILES: Final = {".jsonl": "jsonl", ".jsonl.gz": "jsonl", ".parquet": "parquet"}


class BenchmarkConfig(ConfigBase):
    """One benchmark."""

    source: tuple[SourceConfig, ...] = Field(min_length=1, description="where its items are: a source, or a list")
    text: tuple[str, ...] = Field(
        min_length=1, description="the column of an item's question, or a list (its options, say) to put together"
    )
    item: str | None = Field(default=None, description="the column that names an item; its position unless set")
    folder: str | None = Field(default=None, description="a folder with a copy of it, which is read instead")

    @field_validator("source", "text", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return value if isinstance(value, list | tuple) else [value]

    @field_validator("text")
    @classmethod
    def _paths(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(parse(path).text for path in paths)


def sources_of(name: str, config: BenchmarkConfig) -> tuple[SourceConfig, ...]:
    """Where to read a benchmark: its source, or its copy in `config.folder`.

    A copy is `<name>.jsonl`, `.jsonl.gz` or `.parquet`, or a folder `<name>` with what the hub's repository holds or
    `save_to_disk` wrote; of a benchmark of several repositories, a folder each in that one.

    Raises:
        SourceError: the folder has no copy.
    """
    if config.folder is None:
        return config.source
    filesystem, root = url_to_fs(config.folder)
    for ending, kind in _FILES.items():
        if filesystem.exists(f"{root}/{name}{ending}"):
            return (SourceConfig.model_validate({"format": kind, "path": f"{config.folder}/{name}{ending}"}),)
    if not filesystem.isdir(f"{root}/{name}"):
        raise SourceError(
            f"decontaminate.folder: there is no {name}.jsonl, {name}.parquet or folder {name} in {config.folder}; "
            "put one there, or leave `folder` out to read the hub"
        )
    return tuple(_copied(f"{config.folder}/{name}", one, config) for one in config.source)


def _copied(folder: str, source: SourceConfig, config: BenchmarkConfig) -> SourceConfig:
    *_, last = source.path.split("/")
    several = len({one.path for one in config.source}) > 1
    path = f"{folder}/{last}" if several or source.format != "datasets" else folder
    return source.model_copy(update={"path": path, "revision": None})


def read_benchmark(name: str, config: BenchmarkConfig) -> pa.Table:
    """A benchmark's items (BENCHMARKS), in its order.

    Raises:
        SourceError: it cannot be read, or an item has no text or no name.
    """
    sources = sources_of(name, config)
    items: dict[str, str] = {}
    for source in sources:
        prefix = f"{source.subset or source.path.split('/')[-1]}/" if len(sources) > 1 else ""
        for row in read_rows(source):
            item = prefix + _name(name, row, config)
            # A name that comes twice would hide an item.
            items[f"{item}#{row.number}" if item in items else item] = "\n".join(_texts(name, row, config))
    columns = {"benchmark": [name] * len(items), "item": list(items), "text": list(items.values())}
    return columns_to_table(columns, BENCHMARKS, at=STAGE)


def _name(benchmark: str, row: Row, config: BenchmarkConfig) -> str:
    name = row.number if config.item is None else follow(row.values, parse(config.item))
    if not isinstance(name, str | int):
        raise _fault(benchmark, row, str(config.item))
    return str(name)


def _texts(benchmark: str, row: Row, config: BenchmarkConfig) -> Iterator[str]:
    """The parts of an item's text; some may be null (a passage that not all items have), not all."""
    found = {path: follow(row.values, parse(path)) for path in config.text}
    for path, value in found.items():
        if row.fault is not None or value is MISSING or not any(found.values()):
            raise _fault(benchmark, row, path)
        for part in value if isinstance(value, list) else [value] * (value is not None):
            if not isinstance(part, str):
                raise _fault(benchmark, row, path)
            yield part


def _fault(benchmark: str, row: Row, path: str) -> SourceError:
    columns = ", ".join(row.values) or "none that can be read"
    return SourceError(f"benchmark {benchmark}: {row.place}: no text at {path!r}; the row has the columns {columns}")
