"""Parquet parts whose name carries their digest, so that one found after a crash can be trusted or not."""

import hashlib
import io
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.conform import updated
from schemas.errors import LakeError
from schemas.refs import Part
from schemas.tables import TABLES
from tasks.storage import Storage

ROW_GROUP: Final = 100_000
PART: Final = "part"
JOURNAL: Final = "journal"


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as one Parquet file; equal tables give equal bytes."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", compression_level=3, row_group_size=ROW_GROUP)
    return sink.getvalue()


class Entry(NamedTuple):
    """A part or journal file that matches the digest in its name."""

    number: int
    part: Part


def write_part(storage: Storage, folder: str, index: int, table: pa.Table, *, kind: str = PART) -> Part:
    """Write `<kind>-<index>-<head of sha256>.parquet`, whole or not at all."""
    data = parquet_bytes(table)
    digest = hashlib.sha256(data).hexdigest()
    name = f"{kind}-{index:05d}-{digest[:16]}.parquet"
    storage.write(f"{folder}/{name}", data)
    return Part(name=name, rows=table.num_rows, bytes=len(data), sha256=digest)


def sound_parts(storage: Storage, folder: str) -> dict[int, Part]:
    """The parts in a folder that match the digest in their name, by index; those that do not are removed."""
    sound: dict[int, Part] = {}
    for index, part in _sound(storage, folder, PART):
        sound.setdefault(index, part)
    return sound


def sound_part(storage: Storage, folder: str, index: int) -> Part | None:
    """The part of this index, if one matches the digest in its name; those that do not are removed."""
    return next((part for _, part in _sound(storage, folder, f"{PART}-{index:05d}")), None)


def entries(storage: Storage, folder: str, known: Collection[str] = ()) -> list[Entry]:
    """The files of a folder's journal that match the digest in their name, in order; others are removed.

    Those whose names are `known` are left out, unread.
    """
    return list(_sound(storage, folder, JOURNAL, known))


def read_entry(storage: Storage, folder: str, entry: Entry, columns: list[str] | None = None) -> pa.Table:
    """One file of a journal, all columns or some."""
    data = storage.read(f"{folder}/{entry.part.name}")
    if data is None:
        raise LakeError(
            f"{storage.url}/{folder}/{entry.part.name} went away: another run finished the stage; run again"
        )
    table = pq.read_table(io.BytesIO(data), columns=columns)
    return updated(table, TABLES[folder.partition("/")[0]]) if columns is None else table


def copy_as_journal(storage: Storage, folder: str, part: Part) -> None:
    """Keep a sound part's rows in the folder's journal; one that is damaged or missing has none to keep."""
    data = storage.read(f"{folder}/{part.name}")
    if data is not None and hashlib.sha256(data).hexdigest() == part.sha256:
        storage.write(f"{folder}/{JOURNAL}{part.name.removeprefix(PART)}", data)


def forget(storage: Storage, folder: str) -> None:
    """Remove a folder's journal."""
    names = storage.names(folder)
    storage.remove_all([f"{folder}/{name}" for name in names if name.startswith(f"{JOURNAL}-")])


def _sound(storage: Storage, folder: str, kind: str, known: Collection[str] = ()) -> Iterator[Entry]:
    for name in storage.names(folder):
        wanted = name.startswith(f"{kind}-") and name not in known
        data = storage.read(f"{folder}/{name}") if wanted else None
        if data is None:
            continue
        digest = hashlib.sha256(data).hexdigest()
        _, index, head = name.removesuffix(".parquet").split("-")
        if digest.startswith(head):
            rows = pq.read_metadata(io.BytesIO(data)).num_rows
            yield Entry(int(index), Part(name=name, rows=rows, bytes=len(data), sha256=digest))
        else:
            storage.remove(f"{folder}/{name}")


def intact(storage: Storage, folder: str, parts: tuple[Part, ...]) -> bool:
    """Whether every part is there and matches its digest."""
    if not storage.local:
        return storage.digests([f"{folder}/{part.name}" for part in parts]) == [part.sha256 for part in parts]
    return all(storage.digest(f"{folder}/{part.name}") == part.sha256 for part in parts)
