"""Rows that cannot be made again: on disk as they come, so that a crash loses none that was stored.

While a stage is under way its rows lie in `<lake>/<table>/<key>/journal-<index>-<digest>.parquet`, a file for every
batch. When all have come they are written again as large parts with a manifest, and the journal goes.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import pyarrow as pa

from schemas.conform import conform
from schemas.refs import Manifest, Part, Ref, Stage, Tables
from schemas.tables import TABLES
from tasks.lake import Lake
from tasks.parts import JOURNAL, copy_as_journal, entries, read_entry, write_part

PART_BYTES: Final = 64 * 2**20
"""Journal files are joined to parts of about this size."""


def collect(lake: Lake, stage: Stage, rest: Callable[[Iterator[pa.Table]], Iterable[pa.Table]]) -> Tables:
    """Bring a stage's one table about from rows that arrive in any order, and return where it is.

    Nothing runs if it is whole. Otherwise `rest` is told what is stored already, batch by batch, and yields all
    other rows; each batch that it yields is on disk before the next is asked for. What a damaged part held counts as
    not stored. Rows with the same id, as two runs at once may write them, are kept once.

    Raises:
        LakeError: the lake cannot be written.
        SchemaError: a batch breaks its table's contract.
    """
    (table,) = stage.tables
    (ref,) = stage.outputs[table]
    if lake.whole(ref):
        return stage.outputs
    lake.storage.sweep(ref.path)
    _reopen(lake, ref, lake.manifest(ref))
    stored = entries(lake.storage, ref.path)
    following = 1 + max((entry.number for entry in stored), default=-1)
    for index, batch in enumerate(rest(read_entry(lake.storage, ref.path, entry) for entry in stored), following):
        write_part(lake.storage, ref.path, index, conform(batch, TABLES[table], at=stage.name), kind=JOURNAL)
    if not lake.whole(ref):
        lake.finish(ref, stage, list(_joined(lake, ref)))
    for entry in entries(lake.storage, ref.path):
        lake.storage.remove(f"{ref.path}/{entry.part.name}")
    return stage.outputs


def _reopen(lake: Lake, ref: Ref, manifest: Manifest | None) -> None:
    """Make a table that was finished, and was damaged since, a journal again."""
    if manifest is None:
        return
    for part in manifest.parts:
        copy_as_journal(lake.storage, ref.path, part)
    lake.storage.remove(f"{ref.path}/manifest.json")


def _joined(lake: Lake, ref: Ref) -> Iterator[Part]:
    """Write the journal's rows as parts, each id once."""
    seen: set[str] = set()
    batch: list[pa.Table] = []
    size = index = 0
    for entry in entries(lake.storage, ref.path):
        batch.append(_new(read_entry(lake.storage, ref.path, entry), seen))
        size += entry.part.bytes
        if size >= PART_BYTES:
            yield write_part(lake.storage, ref.path, index, pa.concat_tables(batch).combine_chunks())
            batch, size, index = [], 0, index + 1
    if batch or not index:
        batch = batch or [TABLES[ref.table].empty_table()]
        yield write_part(lake.storage, ref.path, index, pa.concat_tables(batch).combine_chunks())


def _new(table: pa.Table, seen: set[str]) -> pa.Table:
    """The rows whose id, the first column, was not seen before."""
    fresh = []
    for id_ in map(str, table.column(0).to_pylist()):
        fresh.append(id_ not in seen)
        seen.add(id_)
    return table if all(fresh) else table.filter(pa.array(fresh))
