"""Which problem may overlap which benchmark item, and by how many words: by hashes, a batch of problems at a time.

The rule is that of `overlap.py`. What is found here is confirmed there, word by word.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.text.kernels import kernel
from tasks.text.ragged import Ragged
from tasks.text.shingles import shingles

_LEAST_ROOM: Final = 1 << 16
_ITEM: Final = 32
"""A place is an item, shifted by so many bits, and the word of it at which a run begins."""


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


class Table(NamedTuple):
    """Runs of words by hash. Run number i begins at `places[firsts[i]:firsts[i + 1]]`, in order."""

    slots: NDArray[np.uint64]
    """The hashes as an open-addressed set; 0 is an empty slot."""
    numbers: NDArray[np.int32]
    """The number of the run in each slot."""
    firsts: NDArray[np.int64]
    places: NDArray[np.int64]


@dataclass(frozen=True)
class Index:
    """The runs of `run` words of some items, for problems of `least` to `most` words."""

    words: Ragged
    """Of all items."""
    items: NDArray[np.int64]
    """Those that are indexed."""
    run: int
    least: int
    most: int

    @cached_property
    def table(self) -> Table:
        """Made when first needed: problems short enough for some of the indexes may never come."""
        runs = shingles(self.words.take(self.items), self.run)
        slots = np.zeros(1 << (2 * len(runs.values)).bit_length(), np.uint64)
        numbers = np.empty(len(slots), np.int32)
        of_runs = np.empty(len(runs.values), np.int32)
        distinct = _insert(runs.values, slots, numbers, of_runs)
        firsts = np.concatenate([[0], np.cumsum(np.bincount(of_runs, minlength=distinct))])
        places = np.empty(len(of_runs), np.int64)
        _place(of_runs, runs.offsets, self.items, firsts[:-1].copy(), places)
        return Table(slots, numbers, firsts, places)


def build_indexes(items: Ragged, ngram: int, whole_min: int) -> list[Index]:
    """An index for every length of run that a comparison can need."""
    most, whole_min = np.iinfo(np.int64).max, min(ngram, whole_min)
    lengths = items.lengths
    wanted = [(lengths >= ngram, ngram, ngram, most)]
    for run in range(1, ngram):
        in_longer = run >= whole_min
        wanted.append((lengths == run, run, run, most if in_longer else run))
        if in_longer:
            wanted.append((lengths > run, run, run, run))
    return [Index(items, np.flatnonzero(chosen), *rest) for chosen, *rest in wanted if chosen.any()]


def find_pairs(problems: Ragged, indexes: list[Index]) -> Iterator[Pairs]:
    """Every problem and item that share a run, with the item's words that lie in shared runs; some pairs at a time."""
    lengths = problems.lengths
    for index in indexes:
        rows = np.flatnonzero((lengths >= index.least) & (lengths <= index.most))
        if len(rows):
            runs = shingles(problems if len(rows) == len(lengths) else problems.take(rows), index.run)
            for pairs in _pairs(runs, index):
                yield pairs._replace(rows=rows[pairs.rows])


def _pairs(runs: Ragged, index: Index) -> Iterator[Pairs]:
    """A row may share a run with every item, so there is room for as many pairs."""
    room = max(len(index.items), _LEAST_ROOM)
    out = Pairs(*(np.empty(room, np.int64) for _ in Pairs._fields))
    row = 0
    while row < len(runs.offsets) - 1:
        row, filled = _find(runs, row, index.table, index.run, out)
        if filled:
            yield out.only(np.arange(filled))


@kernel
def _insert(
    hashes: NDArray[np.uint64], slots: NDArray[np.uint64], numbers: NDArray[np.int32], of_runs: NDArray[np.int32]
) -> int:
    """Fill the set and number its members; `of_runs` gets the number of each hash."""
    mask = np.uint64(len(slots) - 1)
    distinct = 0
    for at in range(len(hashes)):
        value = max(hashes[at], np.uint64(1))
        slot = value & mask
        while slots[slot] != 0 and slots[slot] != value:
            slot = (slot + np.uint64(1)) & mask
        if slots[slot] == 0:
            slots[slot] = value
            numbers[slot] = distinct
            distinct += 1
        of_runs[at] = numbers[slot]
    return distinct


@kernel
def _place(
    of_runs: NDArray[np.int32],
    offsets: NDArray[np.int64],
    items: NDArray[np.int64],
    free: NDArray[np.int64],
    places: NDArray[np.int64],
) -> None:
    """Fill `places`, run by run; `free` says where the next place of each run goes."""
    for row in range(len(items)):
        for at in range(offsets[row], offsets[row + 1]):
            run = of_runs[at]
            places[free[run]] = items[row] << _ITEM | (at - offsets[row])
            free[run] += 1


@kernel
def _find(runs: Ragged, row: int, table: Table, run: int, out: Pairs) -> tuple[int, int]:
    """Write the pairs of the rows from `row` on, as long as there is room; return the next row, and how many pairs."""
    hits = np.empty(np.max(runs.offsets[1:] - runs.offsets[:-1]), np.int32)
    filled = 0
    while row < len(runs.offsets) - 1:
        found = _hits(runs.values[runs.offsets[row] : runs.offsets[row + 1]], table, hits)
        if found:
            places = _places(np.unique(hits[:found]), table)
            if filled + _count(places) > len(out.rows):
                break
            filled = _match(row, places, run, out, filled)
        row += 1
    return row, filled


@kernel
def _hits(values: NDArray[np.uint64], table: Table, hits: NDArray[np.int32]) -> int:
    """Write the numbers of those runs that are in the table to `hits`; return how many these are."""
    mask = np.uint64(len(table.slots) - 1)
    found = 0
    for at in range(len(values)):
        value = max(values[at], np.uint64(1))
        slot = value & mask
        while table.slots[slot] != 0 and table.slots[slot] != value:
            slot = (slot + np.uint64(1)) & mask
        if table.slots[slot] == value:
            hits[found] = table.numbers[slot]
            found += 1
    return found


@kernel
def _places(hits: NDArray[np.int32], table: Table) -> NDArray[np.int64]:
    """All places of these runs, item by item."""
    count = 0
    for hit in hits:
        count += table.firsts[hit + 1] - table.firsts[hit]
    places = np.empty(count, np.int64)
    count = 0
    for hit in hits:
        for at in range(table.firsts[hit], table.firsts[hit + 1]):
            places[count] = table.places[at]
            count += 1
    places.sort()
    return places


@kernel
def _count(places: NDArray[np.int64]) -> int:
    """How many items there are."""
    items = 1
    for at in range(1, len(places)):
        items += places[at] >> _ITEM != places[at - 1] >> _ITEM
    return items


@kernel
def _match(row: int, places: NDArray[np.int64], run: int, out: Pairs, filled: int) -> int:
    """Write a row's pairs to `out[filled:]`; return where the last one ends.

    A run adds all its words to its item's, less those that the one before it has covered.
    """
    for at in range(len(places)):
        if at == 0 or places[at] >> _ITEM != places[at - 1] >> _ITEM:
            out.rows[filled], out.items[filled], out.matched[filled] = row, places[at] >> _ITEM, run
            filled += 1
        else:
            out.matched[filled - 1] += min(places[at] - places[at - 1], run)
    return filled
