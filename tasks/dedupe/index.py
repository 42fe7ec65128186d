"""The table `sketches`: what comparing needs of problems, so that later rounds are held against it without their text.

Bands are looked up as an LSH index does it: a row that agrees with none of a new round's in any band is no candidate.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.conform import conform
from schemas.tables import SKETCHES
from tasks.dedupe.links import Keys, look_up
from tasks.dedupe.sketch import PERMUTATIONS, Near, Sketches, rows_a_band, sketch_batch
from tasks.text.binaries import Binaries, packed, packed_rows, unpacked, unpacked_rows
from tasks.text.ragged import Ragged
from tasks.text.shingles import distinct
from tasks.text.strings import Strings, map_batches
from tasks.text.words import Splitting

Shingled: TypeAlias = Callable[[], Iterable[Binaries]]
"""The column `shingles`, read anew, part by part, at each call."""

SKETCH_VERSION: Final = "1"
_HASH_BITS: Final = 32
_MOST_BITS: Final = 22

COMPARED: Final = [name for name in SKETCHES.names if name != "shingles"]
"""The columns that every row is compared by; `shingles` are those of rows that look alike."""


def sketched(problems: pa.Table, near: Near, splitting: Splitting, threads: int) -> pa.Table:
    """The rows of SKETCHES of these problems.

    Args:
        problems: problem_id, question, reference.
        near: what a shingle is, and how many values a band takes.
        splitting: how questions become words.
        threads: as many batches at once.

    Raises:
        SchemaError: a question is null or no string.
    """

    def work(batch: Strings) -> dict[str, "pa.Array[Any]"]:
        found, sets = sketch_batch(batch, near, splitting)
        return {
            "words": pa.array(found.words),
            "size": pa.array(found.sizes),
            "digest": packed(found.digests),
            "minhash": packed(found.values),
            "bands": packed(found.bands.T),
            "shingles": packed_rows(_distinct(sets)),
        }

    batches = [pa.table(one) for one in map_batches(problems["question"], work, threads=threads)]
    if not batches:
        return SKETCHES.empty_table()
    found = pa.concat_tables(batches)
    found = found.append_column("problem_id", problems["problem_id"])
    references = pc.utf8_trim_whitespace(problems["reference"].cast(pa.string()))
    return conform(found.append_column("reference", references), SKETCHES, at="sketch")


def sketches_of(rows: pa.Table, near: Near) -> Sketches:
    """Rows of SKETCHES as the arrays that are compared."""
    return Sketches(
        digests=unpacked(rows["digest"]).view(np.uint64).reshape(len(rows), 2),
        words=np.asarray(rows["words"]),
        sizes=np.asarray(rows["size"]),
        values=unpacked(rows["minhash"]).reshape(len(rows), PERMUTATIONS),
        bands=np.ascontiguousarray(_bands(rows, near).T),
    )


class Lookup:
    """The bands of some rows of SKETCHES, to find which others agree with one of them."""

    def __init__(self, rows: pa.Table, near: Near) -> None:
        self._near = near
        keys = np.ascontiguousarray(np.sort(_bands(rows, near), axis=0).T)
        bits = min(len(rows).bit_length(), _MOST_BITS)
        cells = np.arange((1 << bits) + 1, dtype=np.uint64) << np.uint64(_HASH_BITS - bits)
        starts = np.stack([np.searchsorted(one, cells) for one in keys])
        self._keys = Keys(keys, starts, _HASH_BITS - bits)

    def agreeing(self, rows: pa.Table) -> NDArray[np.bool_]:
        """Which of these rows of SKETCHES are candidates."""
        found = np.zeros(len(rows), np.bool_)
        look_up(_bands(rows, self._near), self._keys, found)
        return found


@dataclass(frozen=True)
class Stored:
    """Shingles that are read back."""

    parts: Shingled

    def each(self, wanted: NDArray[np.bool_], work: Callable[[NDArray[np.int64], Ragged], None], threads: int) -> None:  # noqa: ARG002 - reading is all there is to do
        """Do `work` for the wanted rows, part by part."""
        before = 0
        for part in self.parts():
            mask = wanted[before : before + len(part)]
            if mask.any():
                work(before + np.flatnonzero(mask), unpacked_rows(part.filter(pa.array(mask))))
            before += len(part)


def _distinct(sets: Ragged) -> Ragged:
    values, starts = np.empty_like(sets.values), sets.offsets[:-1]
    return Ragged.of_runs(values, starts, distinct(sets, values, starts) - starts)


def _bands(rows: pa.Table, near: Near) -> NDArray[np.uint32]:
    """Of shape [rows, bands]."""
    return unpacked(rows["bands"]).view(np.uint32).reshape(len(rows), PERMUTATIONS // rows_a_band(near.threshold))
