"""Rows that look alike, cluster by cluster, and which of them are kept.

A row is one distinct text, the better the smaller its number. Every loop here is over bands or over clusters, which do
not depend on each other: so are the threads' shares, and so are the parts that fit in memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.dedupe.links import Rows, Sets, Standing, chain, fill_keys, keep_best, merge, unite
from tasks.dedupe.sketch import Near
from tasks.dedupe.space import Effort, space
from tasks.text.shingles import distinct, shingles
from tasks.text.strings import Column, Strings, map_batches
from tasks.text.words import Splitting, hash_words

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


@dataclass(frozen=True)
class Shingles:
    """Where the members' shingles come from: the column is read once for each span of members."""

    texts: Column
    near: Near
    splitting: Splitting
    groups: NDArray[np.uint64]
    places: NDArray[np.int32]
    """Each text's place among the members, -1 where it has none."""
    offsets: NDArray[np.int64]
    """Room for the members' shingles: how many at most come before each one's."""

    def of(self, span: tuple[int, int], effort: Effort) -> Sets:
        """The sets of the members of a span."""
        first, last = span
        starts = self.offsets[first:last] - self.offsets[first]
        ends = np.empty_like(starts)
        values = space((int(self.offsets[last] - self.offsets[first]),), np.uint64, effort.memory)
        wanted = (self.places >= first) & (self.places < last)

        def fill(batch: Strings) -> None:
            chosen = batch.only(wanted)
            here = self.places[chosen.rows] - first
            found = shingles(
                hash_words(chosen, self.splitting, self.near.unit), self.near.shingle, self.groups[chosen.rows]
            )
            ends[here] = distinct(found, values, starts[here])

        map_batches(self.texts, fill, threads=effort.threads)
        return Sets(values, starts, ends, first, self.near.threshold)


def settle(
    rows: Rows, chains: NDArray[np.int32], ends: NDArray[np.int64], source: Shingles, effort: Effort
) -> Standing:
    """Say of each member who is kept in its place, with the shingles of as many clusters at a time as fit in memory."""
    count = len(rows.texts)
    standing = Standing(np.arange(count, dtype=np.int32), np.ones(count), np.full(count, -1, np.int32))
    for span in spans(ends, source.offsets, effort.memory // 8):
        sets = source.of(span, effort)
        inside = ends[(ends > span[0]) & (ends <= span[1])]
        shares = spans(inside, source.offsets, len(sets.values) // (_SHARES * effort.threads), span[0])
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
