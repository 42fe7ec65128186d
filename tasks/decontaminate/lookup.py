"""Which problem may overlap which benchmark item, and by how many words: by hashes, for all problems at once.

The rule is that of `overlap.py`. What is found here is confirmed there, word by word.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.text.kernels import kernel
from tasks.text.ragged import Ragged
from tasks.text.shingles import shingles


class Pairs(NamedTuple):
    """Problems (by row) and items that share words, and how many words of the item these are."""

    rows: NDArray[np.int64]
    items: NDArray[np.int64]
    matched: NDArray[np.int64]

    def only(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> "Pairs":
        """Some of the pairs."""
        return Pairs(self.rows[chosen], self.items[chosen], self.matched[chosen])

    @classmethod
    def join(cls, parts: Iterable["Pairs"]) -> "Pairs":
        """All pairs of all parts."""
        none = np.empty(0, np.int64)
        return cls(*(np.concatenate(column) for column in zip(*(cls(none, none, none), *parts), strict=True)))


class Index(NamedTuple):
    """The runs of `run` words of some items, for problems of `least` to `most` words."""

    run: int
    least: int
    most: int
    hashes: NDArray[np.uint64]
    """Sorted; run i begins at word `starts[i]` of `items[i]`."""
    items: NDArray[np.int64]
    starts: NDArray[np.int64]
    slots: NDArray[np.uint64]
    """The same hashes as an open-addressed set; 0 is an empty slot."""


def build_indexes(items: Ragged, ngram: int, whole_min: int) -> list[Index]:
    """Index the items for every length of run that a comparison can need."""
    most, whole_min = np.iinfo(np.int64).max, min(ngram, whole_min)
    lengths = items.lengths
    indexes = [_index(items, lengths >= ngram, ngram, (ngram, most))]
    for run in range(1, ngram):
        in_longer = run >= whole_min
        indexes.append(_index(items, lengths == run, run, (run, most if in_longer else run)))
        if in_longer:
            indexes.append(_index(items, lengths > run, run, (run, run)))
    return [index for index in indexes if len(index.hashes)]


def find_pairs(problems: Ragged, indexes: list[Index]) -> Pairs:
    """Every problem and item that share a run, with the item's words that lie in shared runs."""
    return Pairs.join(pairs for index in indexes for pairs in _pairs(problems, index))


def _index(items: Ragged, chosen: NDArray[np.bool_], run: int, words: tuple[int, int]) -> Index:
    rows = np.flatnonzero(chosen)
    runs = shingles(items.take(rows), run)
    order = np.argsort(runs.values, kind="stable")
    hashes = runs.values[order]
    slots = np.zeros(1 << (2 * len(hashes) + 1).bit_length(), np.uint64)
    _insert(hashes, slots)
    starts = np.arange(len(hashes)) - np.repeat(runs.offsets[:-1], runs.lengths)
    return Index(run, *words, hashes, np.repeat(rows, runs.lengths)[order], starts[order], slots)


def _pairs(problems: Ragged, index: Index) -> Iterator[Pairs]:
    rows = np.flatnonzero((problems.lengths >= index.least) & (problems.lengths <= index.most))
    runs = shingles(problems if len(rows) == len(problems.lengths) else problems.take(rows), index.run)
    present = np.empty(len(runs.values), np.bool_)
    _look_up(runs.values, index.slots, present)
    hits = np.flatnonzero(present)
    if not len(hits):
        return
    first = np.searchsorted(index.hashes, runs.values[hits], side="left")
    counts = np.searchsorted(index.hashes, runs.values[hits], side="right") - first
    # Each hit stands for all the places in the benchmark where its run occurs.
    places = np.arange(counts.sum()) + np.repeat(first - np.cumsum(counts) + counts, counts)
    hit_rows = rows[np.searchsorted(runs.offsets, hits, side="right") - 1]
    yield _matched_words(np.repeat(hit_rows, counts), index.items[places], index.starts[places], index.run)


def _matched_words(rows: NDArray[np.int64], items: NDArray[np.int64], starts: NDArray[np.int64], run: int) -> Pairs:
    order = np.lexsort((starts, items, rows))
    rows, items, starts = rows[order], items[order], starts[order]
    begins = np.ones(len(rows), np.bool_)
    begins[1:] = (rows[1:] != rows[:-1]) | (items[1:] != items[:-1])
    # A run adds the words up to the next run of its pair, and all of them where it is the last.
    added = np.full(len(rows), run)
    added[:-1] = np.where(begins[1:], run, np.minimum(np.diff(starts), run))
    pairs = np.flatnonzero(begins)
    return Pairs(rows[pairs], items[pairs], np.add.reduceat(added, pairs))


@kernel
def _insert(hashes: NDArray[np.uint64], slots: NDArray[np.uint64]) -> None:
    mask = np.uint64(len(slots) - 1)
    for at in range(len(hashes)):
        value = max(hashes[at], np.uint64(1))
        slot = value & mask
        while slots[slot] != 0 and slots[slot] != value:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = value


@kernel
def _look_up(hashes: NDArray[np.uint64], slots: NDArray[np.uint64], present: NDArray[np.bool_]) -> None:
    mask = np.uint64(len(slots) - 1)
    for at in range(len(hashes)):
        value = max(hashes[at], np.uint64(1))
        slot = value & mask
        while slots[slot] != 0 and slots[slot] != value:
            slot = (slot + np.uint64(1)) & mask
        present[at] = slots[slot] == value
