"""Rows that look alike, cluster by cluster, and which of them are kept.

A row is one distinct text, the better the smaller its number. Every loop here is over bands or over clusters, which do
not depend on each other: so are the threads' shares, and so are the parts that fit in memory.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.dedupe.links import Rows, Sets, Standing, chain, fill_keys, keep_best, merge, unite
from tasks.dedupe.space import Effort, space
from tasks.text.ragged import Ragged
from tasks.text.shingles import distinct

_SALT = np.uint32(0x9E3779B1)
_SHARES = 8
"""Shares of a thread: some clusters take longer than others."""


class Clusters(NamedTuple):
    """The rows that look like another one, cluster by cluster, the best of each first."""

    members: NDArray[np.int64]
    """Their numbers among all rows."""
    numbers: NDArray[np.int32]
    """Each member's cluster."""
    ends: NDArray[np.int64]
    """Where each cluster ends."""


def find_clusters(rows: Rows, bands: NDArray[np.uint32], effort: Effort) -> Clusters:
    """Unite the rows that agree in a band and look alike by their sketches; `bands` is of shape [bands, texts]."""
    unsalted = np.zeros(len(rows.texts), np.uint32)

    def united(share: range) -> NDArray[np.int32]:
        parents = np.arange(len(rows.texts), dtype=np.int32)
        keys = np.empty(len(rows.texts), np.uint64)
        for band in share:
            fill_keys(bands[band], rows.texts, unsalted, keys)
            keys.sort()
            unite(rows, keys, parents)
        return parents

    count = min(effort.threads, len(bands))
    roots, *others = effort.map(united, [range(first, len(bands), count) for first in range(count)])
    for other in others or [roots]:
        merge(roots, other)
    members = np.flatnonzero(np.bincount(roots, minlength=len(roots))[roots] > 1)
    members = members[np.argsort(roots[members], kind="stable")]
    ends = np.flatnonzero(np.diff(roots[members], append=-1)) + 1
    numbers = np.repeat(np.arange(len(ends), dtype=np.int32), np.diff(ends, prepend=0))
    return Clusters(members, numbers, ends)


def find_chains(rows: Rows, bands: NDArray[np.uint32], clusters: Clusters, effort: Effort) -> NDArray[np.int32]:
    """For each band and member the next better one of its cluster that agrees with it there, -1 if none does."""
    chains = space((len(bands), len(rows.texts)), np.int32, effort.memory // 4)
    salts = clusters.numbers.astype(np.uint32) * _SALT

    def link(band: int) -> None:
        keys = np.empty(len(rows.texts), np.uint64)
        fill_keys(bands[band], rows.texts, salts, keys)
        keys.sort()
        chain(keys, clusters.numbers, chains[band])

    effort.map(link, range(len(bands)))
    return chains


class Source(Protocol):
    """Where the shingles of rows come from."""

    def each(self, wanted: NDArray[np.bool_], work: Callable[[NDArray[np.int64], Ragged], None], threads: int) -> None:
        """Do `work` for all wanted texts of the column, some at a time: their numbers, and their shingles."""


@dataclass(frozen=True)
class Shingles:
    """The members' shingles: their source is read once for each span of members."""

    source: Source
    places: NDArray[np.int32]
    """Each text's place among the members, -1 where it has none."""
    offsets: NDArray[np.int64]
    """Room for the members' shingles: how many at most come before each one's."""
    threshold: float

    def of(self, span: tuple[int, int], effort: Effort) -> Sets:
        """The sets of the members of a span."""
        first, last = span
        starts = self.offsets[first:last] - self.offsets[first]
        ends = np.empty_like(starts)
        values = space((int(self.offsets[last] - self.offsets[first]),), np.uint64, effort.memory)

        def fill(texts: NDArray[np.int64], found: Ragged) -> None:
            here = self.places[texts] - first
            ends[here] = distinct(found, values, starts[here])

        self.source.each((self.places >= first) & (self.places < last), fill, effort.threads)
        return Sets(values, starts, ends, first, self.threshold)


def settle(
    rows: Rows, chains: NDArray[np.int32], ends: NDArray[np.int64], shingles: Shingles, effort: Effort
) -> Standing:
    """Say of each member who is kept in its place, with the shingles of as many clusters at a time as fit in memory."""
    count = len(rows.texts)
    standing = Standing(np.arange(count, dtype=np.int32), np.ones(count), np.full(count, -1, np.int32))
    for span in spans(ends, shingles.offsets, effort.memory // 8):
        sets = shingles.of(span, effort)
        inside = ends[(ends > span[0]) & (ends <= span[1])]
        shares = spans(inside, shingles.offsets, len(sets.values) // (_SHARES * effort.threads), span[0])
        effort.map(partial(keep_best, rows, sets, chains, standing), shares)
    return standing


def spans(ends: NDArray[np.int64], offsets: NDArray[np.int64], most: int, start: int = 0) -> Iterator[tuple[int, int]]:
    """Cut the members into spans of whole clusters, with room for `most` shingles or one cluster."""
    before = offsets[ends]
    done = 0
    while done < len(ends):
        done = max(done + 1, int(np.searchsorted(before, offsets[start] + most, side="right")))
        yield start, int(ends[done - 1])
        start = int(ends[done - 1])
