"""Runs of consecutive words as 64-bit hashes: what near-duplicates and benchmark overlaps are made of."""

import numpy as np
from numpy.typing import NDArray

from tasks.text.kernels import compact, digest, shingle
from tasks.text.ragged import Ragged


def shingles(words: Ragged, size: int, groups: NDArray[np.uint64] | None = None) -> Ragged:
    """Hash every run of `size` words of each row, in order and with repeats.

    A row of fewer words is one shingle of all of them; a row without words has none. With `groups` (one number a
    row), only rows of the same group can share a shingle.
    """
    out = np.empty(len(words.values), np.uint64)
    ends = np.empty_like(words.offsets)
    shingle(words.values, words.offsets, size, _or_zeros(groups, words), out, ends)
    return Ragged(out[: ends[-1]], ends)


def digests(words: Ragged, groups: NDArray[np.uint64] | None = None) -> NDArray[np.uint64]:
    """128 bits for each row's sequence of words, of shape [rows, 2]; equal where the words (and groups) are."""
    out = np.empty((len(words.offsets) - 1, 2), np.uint64)
    digest(words.values, words.offsets, _or_zeros(groups, words), out)
    return out


def distinct(ragged: Ragged, out: NDArray[np.uint64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Write each row's distinct values, sorted, to `out` from its start on; return where each row ends."""
    ends = np.empty_like(starts)
    compact(ragged.values, ragged.offsets, out, starts, ends)
    return ends


def _or_zeros(groups: NDArray[np.uint64] | None, words: Ragged) -> NDArray[np.uint64]:
    return np.zeros(len(words.offsets) - 1, np.uint64) if groups is None else groups
