"""What lies beside a format's folders of Parquet files: JSON lines of each split, and files of the exporter's own.

Nothing but Parquet lies in `<format>/<split>/`, for some trainers read a folder as files of one kind.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import orjson
import pyarrow as pa

from schemas.summary import TokenLengths
from tasks.export.pieces import Format
from tasks.export.published import Files
from tasks.export.tokens import SUFFIX, token_lengths
from tasks.storage import Storage

_ROWS: Final = 512


def beside(storage: Storage, folder: str, made: Iterable[Format], written: Mapping[str, Files]) -> dict[str, str]:
    """Write each format's `<split>.jsonl`, where trainers want it, and its other files; digests by path in `folder`."""
    digests: dict[str, str] = {}
    for name, splits in _by_name(made).items():
        storage.sweep(f"{folder}/{name}")
        for one in splits:
            if one.exporter.lines:
                path = f"{one.path}.jsonl"
                digests[path] = storage.stream(f"{folder}/{path}", lines(written[one.path]))
        rows = {one.split: one.row_count for one in splits}
        for file, data in splits[0].exporter.files(rows).items():
            storage.write(f"{folder}/{name}/{file}", data)
            digests[f"{name}/{file}"] = hashlib.sha256(data).hexdigest()
    return digests


def lines(files: Files) -> Iterator[bytes]:
    """The rows as JSON objects, a line each, in the order of the files."""
    for batch in _batches(files, None):
        yield b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in batch.to_pylist())


def lengths(made: Iterable[Format], written: Mapping[str, Files]) -> tuple[TokenLengths, ...]:
    """What the columns of token counts come to, by format, over its splits."""
    found: list[TokenLengths] = []
    for name, splits in _by_name(made).items():
        exporter = splits[0].exporter
        columns = [f"{one}{SUFFIX}" for one in exporter.texts if f"{one}{SUFFIX}" in exporter.columns.names]
        if columns:
            batches = [batch for one in splits for batch in _batches(written[one.path], columns)]
            schema = pa.schema([exporter.columns.field(one) for one in columns])
            found += token_lengths(name, pa.Table.from_batches(batches, schema))
    return tuple(found)


def _by_name(made: Iterable[Format]) -> dict[str, list[Format]]:
    found: dict[str, list[Format]] = {}
    for one in made:
        found.setdefault(one.name, []).append(one)
    return found


def _batches(files: Files, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
    """In order, and no more of them in memory than one file's row group at a time needs."""
    some: Any = files.dataset()
    yield from some.to_batches(columns, batch_size=_ROWS, batch_readahead=1, fragment_readahead=1)
