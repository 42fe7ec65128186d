"""Rows that cannot be made again: on disk as they come, so that a crash loses none that was stored.

While a stage is under way its rows lie in `<lake>/<table>/<key>/journal-<index>-<digest>.parquet`, a file for every
batch. When all have come they are written again as large parts with a manifest, and the journal goes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import pyarrow as pa

from schemas.conform import conform
from schemas.refs import Manifest, Part, Ref, Stage, Tables
from schemas.tables import TABLES
from tasks.lake import Lake
from tasks.parts import JOURNAL, Entry, copy_as_journal, entries, forget, read_entry, write_part

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
    (tables,) = collect_each(lake, [stage], lambda stored: ((0, batch) for batch in rest(stored[0])))
    return tables


def collect_each(
    lake: Lake,
    stages: Sequence[Stage],
    rest: Callable[[Mapping[int, Iterator[pa.Table]]], Iterable[tuple[int, pa.Table]]],
) -> list[Tables]:
    """The same for several stages at once, whose rows come mixed.

    `rest` is told, by each unfinished stage's position, what is stored of it, and yields batches with the position of
    the stage that they belong to. It is not called if all stages are whole.

    Raises:
        LakeError: the lake cannot be written.
        SchemaError: a batch breaks its table's contract.
    """
    missing = {at: ref for at, ref in enumerate(map(_output, stages)) if not lake.whole(ref)}
    stored = {at: _opened(lake, ref) for at, ref in missing.items()}
    following = {at: 1 + max((entry.number for entry in those), default=-1) for at, those in stored.items()}
    for at, batch in rest({at: _read(lake, missing[at], those) for at, those in stored.items()}) if missing else ():
        rows = conform(batch, TABLES[missing[at].table], at=stages[at].name)
        write_part(lake.storage, missing[at].path, following[at], rows, kind=JOURNAL)
        following[at] += 1
    for at, ref in missing.items():
        if not lake.whole(ref):
            lake.finish(ref, stages[at], list(_joined(lake, ref)))
        forget(lake.storage, ref.path)
    return [stage.outputs for stage in stages]


def _output(stage: Stage) -> Ref:
    ((ref,),) = stage.outputs.values()
    return ref


def _opened(lake: Lake, ref: Ref) -> list[Entry]:
    """A table's journal, ready to be gone on with."""
    lake.storage.sweep(ref.path)
    _reopen(lake, ref, lake.manifest(ref))
    return entries(lake.storage, ref.path)


def _read(lake: Lake, ref: Ref, stored: Sequence[Entry]) -> Iterator[pa.Table]:
    return (read_entry(lake.storage, ref.path, entry) for entry in stored)


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
