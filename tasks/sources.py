"""Reading rows: JSONL, Parquet, or anything that `datasets` loads. Each row comes with the place it stands at."""

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.core import has_magic, url_to_fs
from pydantic import Field

from schemas.base import ConfigBase
from schemas.errors import SourceError

LONGEST_LINE: Final = 2**26
"""Bytes; a longer line is a fault of its row and never held in memory whole."""
_BLOCK: Final = 2**20


class SourceConfig(ConfigBase):
    """Where the rows are."""

    format: Literal["jsonl", "parquet", "datasets"]
    path: str = Field(description="a file, a glob or an fsspec URL; with `datasets`, a hub id or a local folder")
    subset: str | None = Field(default=None, description="the configuration name of a `datasets` set")
    split: str = Field(default="train", description="the split of a `datasets` set")
    revision: str | None = Field(default=None, description="the hub revision of a `datasets` set")
    license: str | None = Field(
        default=None,
        exclude=True,  # what is made of a source does not hang on it, and so is not made again for its sake
        description="the licence of what is there, for the release's card",
    )

    @property
    def name(self) -> str:
        """What a card calls it: a hub id, or the last part of a path, which says nothing of this machine."""
        path = self.path.rstrip("/")
        return self.path if self.format == "datasets" and not Path(path).exists() else path.rsplit("/", 1)[-1]


Fault = tuple[str, str] | None
"""What is wrong with a row, and the details; None where nothing is."""


class Row(NamedTuple):
    """One row of a source, or the fault that made it unreadable."""

    place: str
    """Where it stands, for messages: `file:line`."""
    number: int
    """Its position in the whole source, from 0."""
    values: dict[str, Any]
    fault: Fault = None


def read_rows(source: SourceConfig, limit: int | None = None) -> Iterator[Row]:
    """The rows in order.

    Raises:
        SourceError: there is no such file or set, it is empty, or it is of another format.
    """
    read = {"jsonl": _jsonl, "parquet": _parquet, "datasets": _datasets}[source.format]
    seen = False
    for number, (place, values, fault) in enumerate(islice(read(source), limit)):
        seen = True
        yield Row(place, number, values, fault)
    if not seen:
        raise SourceError(f"{source.path}: no rows in it; check the source's path")


def digests(source: SourceConfig) -> dict[str, str]:
    """What identifies the content of a source: sha256 by file, or the fingerprint of a `datasets` set."""
    if source.format == "datasets":
        return {source.path: str(_load(source)._fingerprint)}
    filesystem, files = _files(source)
    found = {}
    for path in files:
        with filesystem.open(path, "rb") as file:
            found[path.rsplit("/", 1)[-1]] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def awaited(source: SourceConfig) -> bool:
    """Whether the source is a glob that no file matches yet.

    Raises:
        SourceError: the place cannot be looked at.
    """
    return source.format != "datasets" and has_magic(source.path) and not _matching(source)[1]


def _matching(source: SourceConfig) -> tuple[Any, list[str]]:
    """The file system, and the files that a path or glob means, sorted; of a path itself, be it there or not."""
    try:
        filesystem, path = url_to_fs(source.path)
        return filesystem, sorted(filesystem.glob(path)) if has_magic(path) else [path]
    except (OSError, ValueError, ImportError) as exc:
        raise SourceError(f"{source.path}: {exc}; check the source's path") from exc


def _files(source: SourceConfig) -> tuple[Any, list[str]]:
    """The file system and the files that a path or glob means, sorted."""
    filesystem, files = _matching(source)
    try:
        missing = [one for one in files if not filesystem.isfile(one)]
    except (OSError, ValueError, ImportError) as exc:
        raise SourceError(f"{source.path}: {exc}; check the source's path") from exc
    if missing or not files:
        raise SourceError(f"{source.path}: no such file; check the source's path")
    return filesystem, files


def _shown(source: SourceConfig, path: str) -> str:
    """A file as the recipe names it: its path there, or for a glob its own name."""
    return path.rsplit("/", 1)[-1] if has_magic(source.path) else source.path


def _jsonl(source: SourceConfig) -> Iterator[tuple[str, dict[str, Any], Fault]]:
    filesystem, files = _files(source)
    for path in files:
        name = _shown(source, path)
        try:
            with filesystem.open(path, "rb", compression="infer") as file:
                for line_number, line in enumerate(_lines(file), start=1):
                    if line is None:
                        yield f"{name}:{line_number}", {}, ("line too long", f"over {LONGEST_LINE >> 20} MiB")
                    elif line.strip():
                        yield (f"{name}:{line_number}", *object_of(line.removeprefix(b"\xef\xbb\xbf")))
        except (EOFError, zlib.error, gzip.BadGzipFile) as exc:
            raise SourceError(f"{name}: the compressed file is damaged: {exc}") from exc


def _lines(file: Any) -> Iterator[bytes | None]:
    """The lines of a binary file; None for one that is longer than LONGEST_LINE.

    Files of object stores read a whole block for each of their own `readline`s, hence the reader around them.
    """
    with io.BufferedReader(file, _BLOCK) as reader:
        while line := reader.readline(LONGEST_LINE):
            if len(line) < LONGEST_LINE or line.endswith(b"\n"):
                yield line
                continue
            while line and not line.endswith(b"\n"):
                line = reader.readline(_BLOCK)
            yield None


def object_of(line: bytes) -> tuple[dict[str, Any], Fault]:
    """What a line of JSONL holds, or its fault."""
    try:
        values = orjson.loads(line)
    except orjson.JSONDecodeError as exc:
        try:
            line.decode()
        except UnicodeDecodeError as bad:
            return {}, ("invalid UTF-8", f"byte {bad.start}")
        return {}, ("broken JSON", str(exc))
    return (values, None) if isinstance(values, dict) else ({}, ("not a JSON object", type(values).__name__))


def _parquet(source: SourceConfig) -> Iterator[tuple[str, dict[str, Any], Fault]]:
    filesystem, files = _files(source)
    for path in files:
        name = _shown(source, path)
        try:
            with filesystem.open(path, "rb") as file:
                batches = pq.ParquetFile(file).iter_batches(batch_size=4096)
                for number, values in enumerate(chain.from_iterable(map(_plain, batches))):
                    yield f"{name}: row {number}", *values
        except (pa.ArrowInvalid, OSError) as exc:
            raise SourceError(f"{name}: not a sound Parquet file: {exc}") from exc


def _plain(batch: pa.RecordBatch) -> Iterator[tuple[dict[str, Any], Fault]]:
    try:
        yield from ((values, None) for values in batch.to_pylist())
    except UnicodeDecodeError:
        for index in range(batch.num_rows):
            try:
                yield batch.slice(index, 1).to_pylist()[0], None
            except UnicodeDecodeError as exc:
                yield {}, ("invalid UTF-8", f"byte {exc.start} of a value")


def _load(source: SourceConfig) -> Any:
    """The set as `datasets` loads it: from a folder that `save_to_disk` wrote, a local folder of files, or the hub."""
    from datasets import DatasetDict, load_dataset, load_from_disk
    from datasets.exceptions import DatasetNotFoundError

    saved = any((Path(source.path) / name).exists() for name in ("state.json", "dataset_dict.json"))
    try:
        if not saved:
            return load_dataset(source.path, source.subset, split=source.split, revision=source.revision)
        loaded = load_from_disk(source.path)
        return loaded[source.split] if isinstance(loaded, DatasetDict) else loaded
    except (DatasetNotFoundError, FileNotFoundError, ConnectionError) as exc:
        raise SourceError(
            f"data set {source.path}: cannot be loaded ({exc}); give a local folder or go online"
        ) from exc
    except (ValueError, KeyError) as exc:
        raise SourceError(f"data set {source.path}: {exc}; check the source's subset and split") from exc


def _datasets(source: SourceConfig) -> Iterator[tuple[str, dict[str, Any], Fault]]:
    for number, values in enumerate(_load(source)):
        yield f"{source.path}: row {number}", values, None
