"""Parquet parts whose name carries their digest, so that one found after a crash can be trusted or not."""

import hashlib
import io
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.refs import Part
from tasks.storage import Storage

ROW_GROUP: Final = 100_000


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as one Parquet file; equal tables give equal bytes."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", compression_level=3, row_group_size=ROW_GROUP)
    return sink.getvalue()


def write_part(storage: Storage, folder: str, index: int, table: pa.Table) -> Part:
    """Write `part-<index>-<head of sha256>.parquet`, whole or not at all."""
    data = parquet_bytes(table)
    digest = hashlib.sha256(data).hexdigest()
    name = f"part-{index:05d}-{digest[:16]}.parquet"
    storage.write(f"{folder}/{name}", data)
    return Part(name=name, rows=table.num_rows, bytes=len(data), sha256=digest)


def sound_parts(storage: Storage, folder: str) -> dict[int, Part]:
    """The parts in a folder that match the digest in their name, by index; those that do not are removed."""
    sound: dict[int, Part] = {}
    for name in storage.names(folder):
        data = storage.read(f"{folder}/{name}") if name.startswith("part-") else None
        if data is None:
            continue
        digest = hashlib.sha256(data).hexdigest()
        _, index, head = name.removesuffix(".parquet").split("-")
        if digest.startswith(head):
            rows = pq.read_metadata(io.BytesIO(data)).num_rows
            sound.setdefault(int(index), Part(name=name, rows=rows, bytes=len(data), sha256=digest))
        else:
            storage.remove(f"{folder}/{name}")
    return sound


def intact(storage: Storage, folder: str, parts: tuple[Part, ...]) -> bool:
    """Whether every part is there and matches its digest."""
    return all(storage.digest(f"{folder}/{part.name}") == part.sha256 for part in parts)
