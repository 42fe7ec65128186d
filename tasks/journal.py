"""Rows that cannot be made again: on disk as they come, so that a crash loses none that was stored.

While a stage is under way its rows lie in `<lake>/<table>/<key>/journal-<index>-<digest>.parquet`, a file for every
batch. When all have come they are written again as large parts, sorted by id, with a manifest, and the journal goes.
Any number of processes may write one journal at once, on any machine: files of equal number differ by their digest.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.conform import conform
from schemas.refs import Manifest, Part, Ref, Stage, Tables
from schemas.tables import TABLES
from tasks.lake import Lake
from tasks.parts import JOURNAL, Entry, copy_as_journal, entries, forget, read_entry, sound_parts, write_part

PART_BYTES: Final = 64 * 2**20
"""Journal files are joined to parts of about this size."""
_MOST_PARTS: Final = 512
"""As many files are open at once."""

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
        forget(lake.storage, ref.path)
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


def salvage(lake: Lake, stage: Stage) -> Tables:
    """Finish a table that is damaged with those of its rows that are not: those of whole parts."""
    return collect(lake, stage, lambda _: ())


def _output(stage: Stage) -> Ref:
    ((ref,),) = stage.outputs.values()
    return ref


def _read(lake: Lake, ref: Ref, those: Sequence[Entry]) -> Iterator[pa.Table]:
    return (read_entry(lake.storage, ref.path, entry) for entry in those)


def _reopen(lake: Lake, ref: Ref, manifest: Manifest | None) -> None:
    """Make a table that was finished, or nearly so, and was damaged since, a journal again.

    Without a manifest what is whole tells by its name; rows that the journal has as well are kept once.
    """
    for part in manifest.parts if manifest else sound_parts(lake.storage, ref.path).values():
        copy_as_journal(lake.storage, ref.path, part)
    lake.storage.remove(f"{ref.path}/manifest.json")


def _joined(lake: Lake, ref: Ref) -> Iterator[Part]:
    """Write the journal's rows as parts, each id once, sorted by id: in whatever order and by whomever they came."""
    those = entries(lake.storage, ref.path)
    name = TABLES[ref.table].names[0]
    found = [read_entry(lake.storage, ref.path, entry, [name])[name].combine_chunks() for entry in those]
    ids = np.unique(
        np.concatenate([np.empty(0, str), *(one.to_numpy(zero_copy_only=False).astype(str) for one in found)])
    )
    parts = min(len(those), _MOST_PARTS, 1 + sum(entry.part.bytes for entry in those) // PART_BYTES)
    rows = -(-len(ids) // max(parts, 1)) or 1
    for index, table in enumerate(_split(lake, ref, those, ids[rows::rows])):
        yield write_part(lake.storage, ref.path, index, _once(table))


def _split(lake: Lake, ref: Ref, those: Sequence[Entry], firsts: NDArray[np.str_]) -> Iterator[pa.Table]:
    """The journal's rows part by part, in files of this machine meanwhile: they need not fit into memory.

    `firsts` holds the first id of every part but the first.
    """
    schema = TABLES[ref.table]
    if not len(firsts):
        yield pa.concat_tables([schema.empty_table(), *_read(lake, ref, those)])
        return
    with TemporaryDirectory(prefix="tracemill-") as folder:
        paths = [f"{folder}/{part}.arrow" for part in range(len(firsts) + 1)]
        with ExitStack() as closing:
            options = pa.ipc.IpcWriteOptions(compression="zstd")
            files = [closing.enter_context(pa.ipc.new_file(path, schema, options=options)) for path in paths]
            for table in _gathered(lake, ref, those):
                at = np.searchsorted(firsts, np.asarray(table.column(0).to_pylist(), str), side="right")
                for part in np.unique(at):
                    files[part].write_table(table.filter(pa.array(at == part)))
        for path in paths:
            with pa.ipc.open_file(path) as file:
                yield file.read_all()


def _gathered(lake: Lake, ref: Ref, those: Sequence[Entry]) -> Iterator[pa.Table]:
    """The journal in pieces of some size: a file for every two seconds would be split into crumbs."""
    batch: list[pa.Table] = []
    size = 0
    for entry in those:
        batch.append(read_entry(lake.storage, ref.path, entry))
        size += entry.part.bytes
        if size >= PART_BYTES or entry is those[-1]:
            yield pa.concat_tables(batch)
            batch, size = [], 0


def _once(table: pa.Table) -> pa.Table:
    """The first row of each id, the first column, sorted by it."""
    _, first = np.unique(np.asarray(table.column(0).to_pylist(), str), return_index=True)
    return table.take(first).combine_chunks()
