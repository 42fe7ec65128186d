"""MinHash sketches of whole columns, in one pass and by batches.

The scheme is datasketch's `affine32` (its default since 2.0): the same seed and shingle hashes give the same values, so
that a datasketch index can hold and query them.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from schemas.base import ConfigBase
from tasks.dedupe.space import Effort, space
from tasks.text.kernels import kernel
from tasks.text.ragged import Ragged
from tasks.text.shingles import digests, shingles
from tasks.text.strings import Column, Strings, batches, map_batches
from tasks.text.words import Splitting, Unit, hash_words

if TYPE_CHECKING:
    from datasketch import MinHash

PERMUTATIONS: Final = 128
SEED: Final = 1
_RECALL: Final = 0.995


class Near(ConfigBase):
    """When two texts are near-duplicates."""

    unit: Unit = Field(
        default=Unit.WORDS,
        description="what a shingle is made of: words, or characters (letters and digits, without what parts words)",
    )
    shingle: int = Field(default=3, ge=1, description="units a shingle; with characters take 8 or more")
    threshold: float = Field(default=0.8, gt=0, le=1, description="least Jaccard similarity of the sets of shingles")


class Sketches(NamedTuple):
    """What a pass over a column leaves of each row."""

    digests: NDArray[np.uint64]
    """128 bits for the sequence of words; shape [rows, 2]."""
    words: NDArray[np.int64]
    """How many words; rows without any are never compared."""
    sizes: NDArray[np.int64]
    """How many bytes, in UTF-8."""
    values: NDArray[np.uint8]
    """The lowest byte of each MinHash value; shape [rows, PERMUTATIONS]."""
    bands: NDArray[np.uint32]
    """A hash of each band's values; shape [bands, rows]."""


def sketch(texts: Column, near: Near, splitting: Splitting, groups: NDArray[np.uint64], effort: Effort) -> Sketches:
    """Sketch the shingles of every row; only rows of one group can have any in common.

    Raises:
        SchemaError: `texts` is no string column, or has nulls.
        LakeError: there is no room for temporary files.
    """
    rows, bands = len(groups), PERMUTATIONS // rows_a_band(near.threshold)
    limit = effort.memory // 4
    found = Sketches(
        np.empty((rows, 2), np.uint64),
        np.empty(rows, np.int64),
        np.empty(rows, np.int64),
        space((rows, PERMUTATIONS), np.uint8, limit),
        space((bands, rows), np.uint32, limit),
    )

    def fill(batch: Strings) -> None:
        here = slice(batch.rows[0], batch.rows[-1] + 1)
        part, _ = sketch_batch(batch, near, splitting, groups[here])
        found.words[here], found.sizes[here], found.digests[here] = part.words, part.sizes, part.digests
        found.values[here], found.bands[:, here] = part.values, part.bands

    map_batches(texts, fill, threads=effort.threads)
    return found


def sketch_batch(
    batch: Strings, near: Near, splitting: Splitting, groups: NDArray[np.uint64] | None = None
) -> tuple[Sketches, Ragged]:
    """Sketch some rows, and return their shingles, too."""
    words = hash_words(batch, splitting, near.unit)
    sets = shingles(words, near.shingle, groups)
    values = minhash(sets)
    size = rows_a_band(near.threshold)
    bands = np.empty((PERMUTATIONS // size, len(values)), np.uint32)
    _band_hashes(values, size, bands)
    sizes = batch.ends - batch.starts
    return Sketches(digests(words, groups), words.lengths, sizes, values.astype(np.uint8), bands), sets


def rows_a_band(threshold: float) -> int:
    """The longest bands that still find a pair at the threshold with probability 0.995 (shorter find more rubbish)."""
    sizes = range(PERMUTATIONS, 1, -1)
    return next((r for r in sizes if 1 - (1 - threshold**r) ** (PERMUTATIONS // r) >= _RECALL), 1)


def minhash(sets: Ragged) -> NDArray[np.uint32]:
    """The least value of each permutation over each row's hashes; shape [rows, PERMUTATIONS]."""
    out = np.empty((len(sets.offsets) - 1, PERMUTATIONS), np.uint32)
    _minima(sets.values, sets.offsets, *_permutations(), out)
    return out


def minhashes(texts: Column, near: Near, splitting: Splitting) -> "Iterator[MinHash]":
    """Yield datasketch's own MinHash of each text, for its indexes; made of the same shingles as everything here.

    Raises:
        SchemaError: `texts` is no string column, or has nulls.
    """
    from datasketch import MinHash

    for batch in batches(texts):
        words = hash_words(batch, splitting, near.unit)
        for values in minhash(shingles(words, near.shingle)):
            yield MinHash(PERMUTATIONS, SEED, hashvalues=values, permutations=_permutations(), scheme="affine32")


@lru_cache
def _permutations() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    from datasketch import MinHash

    slopes, shifts = MinHash(num_perm=PERMUTATIONS, seed=SEED, scheme="affine32").permutations
    return slopes, shifts


@kernel
def _minima(
    values: NDArray[np.uint64],
    offsets: NDArray[np.int64],
    slopes: NDArray[np.uint32],
    shifts: NDArray[np.uint32],
    out: NDArray[np.uint32],
) -> None:
    least = np.empty(len(slopes), np.uint32)
    for row in range(len(offsets) - 1):
        least[:] = np.uint32(0xFFFFFFFF)
        for at in range(offsets[row], offsets[row + 1]):
            # The finaliser of MurmurHash3, over the low 32 bits; then a x + b modulo 2^32.
            value = np.uint32(values[at])
            value = np.uint32((value ^ (value >> np.uint32(16))) * np.uint32(0x85EBCA6B))
            value = np.uint32((value ^ (value >> np.uint32(13))) * np.uint32(0xC2B2AE35))
            value = np.uint32(value ^ (value >> np.uint32(16)))
            for index in range(len(least)):
                image = np.uint32(np.uint32(slopes[index] * value) + shifts[index])
                least[index] = min(image, least[index])
        out[row] = least


@kernel
def _band_hashes(values: NDArray[np.uint32], size: int, out: NDArray[np.uint32]) -> None:
    for row in range(values.shape[0]):
        for band in range(out.shape[0]):
            value = np.uint64(band)
            for at in range(band * size, (band + 1) * size):
                value = (value ^ np.uint64(values[row, at])) * np.uint64(0x9E3779B97F4A7C15)
                value ^= value >> np.uint64(32)
            out[band, row] = np.uint32(value)
