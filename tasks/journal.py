"""Rows that cannot be made again: on disk as they come, so that a crash loses none that was stored.

While a stage is under way its rows lie in `<lake>/<table>/<key>/journal-<index>-<digest>.parquet`, a file for every
batch. When all have come they are written again as large parts with a manifest, and the journal goes. Any number of
processes may write one journal at once, on any machine: files of equal number differ by their digest, and no file is
written twice.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import pyarrow as pa

from schemas.conform import conform
from schemas.refs import Manifest, Part, Ref, Stage, Tables
from schemas.tables import TABLES
from tasks.lake import Lake
from tasks.parts import JOURNAL, Entry, copy_as_journal, entries, read_entry, write_part

PART_BYTES: Final = 64 * 2**20
"""Journal files are joined to parts of about this size."""

Rest = Callable[[Mapping[int, Iterator[pa.Table]]], Iterable[tuple[int, pa.Table]]]
"""Told by each unfinished stage's position what is stored of it, yields batches with the position of their stage."""


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


def collect_each(lake: Lake, stages: Sequence[Stage], rest: Rest) -> list[Tables]:
    """The same for several stages at once, whose rows come mixed. `rest` is not called if all stages are whole.

    Raises:
        LakeError: the lake cannot be written.
        SchemaError: a batch breaks its table's contract.
    """
    missing = reopened(lake, stages)
    if missing:
        for _ in _written(lake, stages, missing, rest):
            pass
    for at, ref in missing.items():
        if not lake.whole(ref):
            lake.finish(ref, stages[at], list(_joined(lake, ref)))
        for entry in entries(lake.storage, ref.path):
            lake.storage.remove(f"{ref.path}/{entry.part.name}")
    return [stage.outputs for stage in stages]


def add_each(lake: Lake, stages: Sequence[Stage], rest: Rest) -> None:
    """Write rows of stages that another process collects into their journals, until `rest` or that process is done.

    Raises:
        LakeError: the lake cannot be written.
        SchemaError: a batch breaks its table's contract.
    """
    missing = {at: ref for at, ref in enumerate(map(_output, stages)) if lake.manifest(ref) is None}
    for at in _written(lake, stages, missing, rest) if missing else ():
        if lake.manifest(missing[at]) is not None:
            return


def reopened(lake: Lake, stages: Sequence[Stage]) -> dict[int, Ref]:
    """Where those of the stages are, by position, that are not whole; what was damaged of them is a journal again."""
    missing = {at: ref for at, ref in enumerate(map(_output, stages)) if not lake.whole(ref)}
    for ref in missing.values():
        lake.storage.sweep(ref.path)
        _reopen(lake, ref, lake.manifest(ref))
    return missing


def arrived(lake: Lake, ref: Ref, known: set[str]) -> Iterator[pa.Table]:
    """The batches of a table's journal whose files `known` does not name; then it does."""
    for entry in entries(lake.storage, ref.path, known):
        known.add(entry.part.name)
        yield read_entry(lake.storage, ref.path, entry)


def _written(lake: Lake, stages: Sequence[Stage], missing: Mapping[int, Ref], rest: Rest) -> Iterator[int]:
    """Have each batch on disk; yields the position of its stage."""
    those = {at: entries(lake.storage, ref.path) for at, ref in missing.items()}
    following = {at: 1 + max((entry.number for entry in some), default=-1) for at, some in those.items()}
    for at, batch in rest({at: _read(lake, missing[at], some) for at, some in those.items()}):
        rows = conform(batch, TABLES[missing[at].table], at=stages[at].name)
        write_part(lake.storage, missing[at].path, following[at], rows, kind=JOURNAL)
        following[at] += 1
        yield at


def _output(stage: Stage) -> Ref:
    ((ref,),) = stage.outputs.values()
    return ref


def _read(lake: Lake, ref: Ref, those: Sequence[Entry]) -> Iterator[pa.Table]:
    return (read_entry(lake.storage, ref.path, entry) for entry in those)


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
