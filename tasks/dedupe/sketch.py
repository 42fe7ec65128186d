"""MinHash sketches of whole columns, in one pass and by batches.

The scheme is datasketch's `affine32` (its default since 2.0): the same seed and shingle hashes give the same values, so
that a datasketch index can hold and query them.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.text.kernels import kernel
from tasks.text.ragged import Ragged
from tasks.text.shingles import digests, shingles
from tasks.text.strings import Strings, Texts, map_batches
from tasks.text.words import Splitting, hash_words

PERMUTATIONS: Final = 128
SEED: Final = 1


class Sketches(NamedTuple):
    """What a pass over a column leaves of each row."""

    digests: NDArray[np.uint64]
    """128 bits for the sequence of words; shape [rows, 2]."""
    words: NDArray[np.int64]
    """How many words; rows without any are never compared."""
    values: NDArray[np.uint32]
    """The MinHash; shape [rows, PERMUTATIONS]."""


def sketch(texts: Texts, size: int, splitting: Splitting, groups: NDArray[np.uint64]) -> Sketches:
    """Sketch the `size`-word shingles of every row; only rows of one group can have any in common."""
    rows = len(texts)
    found = Sketches(
        np.empty((rows, 2), np.uint64), np.empty(rows, np.int64), np.empty((rows, PERMUTATIONS), np.uint32)
    )

    def fill(batch: Strings) -> None:
        here = slice(batch.rows[0], batch.rows[-1] + 1)
        words = hash_words(batch, splitting)
        found.words[here] = words.lengths
        found.digests[here] = digests(words, groups[here])
        minhash(shingles(words, size, groups[here]), found.values[here])

    map_batches(texts, fill)
    return found


def minhash(sets: Ragged, out: NDArray[np.uint32]) -> None:
    """Fill `out`, of shape [rows, permutations], with the least value of each permutation over each row's hashes."""
    slopes, shifts = _permutations(out.shape[1])
    _minima(sets.values, sets.offsets, slopes, shifts, out)


def _permutations(count: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    from datasketch import MinHash

    slopes, shifts = MinHash(num_perm=count, seed=SEED, scheme="affine32").permutations
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
