"""Near-duplicates in a column of texts: MinHash finds candidates, the exact Jaccard of their shingles decides.

Candidates come from banded MinHash (Broder 1997; Leskovec, Rajaraman, Ullman, *Mining of Massive Datasets*, ch. 3),
with bands chosen so that a pair at the threshold is found with probability 0.995, and one above it more surely still.
What is not similar enough is never called a duplicate, whatever the sketches say.

The text is read twice: for the sketches, and for the shingles of the rows that look like another one. Rows that may be
duplicates of each other are a cluster; shingles are held for as many clusters at a time as there is memory for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.dedupe.clusters import Shingles, Source, find_chains, find_clusters, settle
from tasks.dedupe.links import Rows, Standing
from tasks.dedupe.sketch import PERMUTATIONS, Near, Sketches, sketch
from tasks.dedupe.space import Effort
from tasks.text.ragged import Ragged
from tasks.text.shingles import shingles
from tasks.text.strings import Column, Strings, map_batches
from tasks.text.words import Splitting, hash_words

_SPREAD = np.uint64(0x9E3779B97F4A7C15)


class Among(NamedTuple):
    """What limits and orders a comparison: one number a row each.

    `groups`: only rows of the same group are compared.
    `labels`: rows whose labels differ are never duplicates, though of one group; -1 fits every label.
    `tiers`: of duplicates one of the least tier is kept; of these the shortest.
    `ids`: of these the one with the least.
    """

    groups: NDArray[np.uint64]
    labels: NDArray[np.int64]
    tiers: NDArray[np.int64]
    ids: NDArray[np.int64]

    @classmethod
    def all(cls, rows: int) -> "Among":
        """Every row with every other; the first is kept."""
        return cls(np.zeros(rows, np.uint64), np.zeros(rows, np.int64), np.arange(rows), np.arange(rows))

    def only(self, wanted: NDArray[np.bool_]) -> "Among":
        """Some of the rows."""
        return Among(self.groups[wanted], self.labels[wanted], self.tiers[wanted], self.ids[wanted])


class Duplicates(NamedTuple):
    """For each row the row that stands for it (itself where it is kept), and how alike the two are."""

    keepers: NDArray[np.int64]
    jaccard: NDArray[np.float64]
    exact: NDArray[np.bool_]
    """Whether the two have the same words in the same order."""


class _Distinct(NamedTuple):
    """Texts with the same words and label are one row, numbered from the best on, wherever they stand in the column."""

    texts: NDArray[np.int64]
    """Each row's best text."""
    worded: NDArray[np.int64]
    """The texts that have words."""
    of_worded: NDArray[np.int64]
    """The row of each of `worded`."""


def near_duplicates(
    texts: Column,
    near: Near,
    splitting: Splitting,
    among: Among | None = None,
    effort: Effort = Effort(),  # noqa: B008 - it is immutable
) -> Duplicates:
    """Find for each row the near-duplicate that is kept in its place.

    The best row is kept, and then each next one that is no near-duplicate of a kept row: so every row that goes has a
    kept row at `near.threshold` or above, in long chains too. A text without words is no duplicate. With ids that do
    not tie, the outcome depends neither on the order of the rows nor on `effort`. Where more than 256 distinct texts
    that are kept agree in a band, each is compared with 256 of them: time stays linear, at some cost in recall there.

    Args:
        texts: a string column, or a function that reads it part by part; then `among` must be given.
        near: what a near-duplicate is.
        splitting: how texts become words.
        among: what limits and orders the comparison; all rows with all others unless given.
        effort: memory and threads.

    Raises:
        SchemaError: `texts` is no string column, or has nulls.
        LakeError: there is no room for temporary files.
    """
    if among is None:
        among = Among.all(0 if callable(texts) else len(texts))
    sketches = sketch(texts, near, splitting, among.groups, effort)
    return compare(sketches, _Texts(texts, near, splitting, among.groups), near, among, effort)


def compare(sketches: Sketches, source: Source, near: Near, among: Among, effort: Effort) -> Duplicates:
    """The same of rows that are sketched already; `source` has their shingles.

    Raises:
        LakeError: there is no room for temporary files.
    """
    found = _distinct(sketches, among)
    rows = Rows(sketches.values, found.texts, among.labels[found.texts], _least_agreeing(near.threshold))
    clusters = find_clusters(rows, sketches.bands, effort)
    rows = rows._replace(texts=rows.texts[clusters.members], labels=rows.labels[clusters.members])
    chains = find_chains(rows, sketches.bands, clusters, effort)
    places = np.full(len(among.groups), -1, np.int32)
    places[rows.texts] = np.arange(len(rows.texts))
    most = np.maximum(sketches.words[rows.texts] - near.shingle + 1, 1)
    members = Shingles(source, places, np.concatenate([[0], np.cumsum(most)]), near.threshold)
    held = sum(array.nbytes for array in (*sketches, chains))
    rest = effort._replace(memory=max(effort.memory - held, effort.memory // 4))
    return _by_text(sketches, found, clusters.members, settle(rows, chains, clusters.ends, members, rest))


@dataclass(frozen=True)
class _Texts:
    """Shingles made anew of the texts that are asked for."""

    texts: Column
    near: Near
    splitting: Splitting
    groups: NDArray[np.uint64]

    def each(self, wanted: NDArray[np.bool_], work: Callable[[NDArray[np.int64], Ragged], None], threads: int) -> None:
        def read(batch: Strings) -> None:
            chosen = batch.only(wanted)
            words = hash_words(chosen, self.splitting, self.near.unit)
            work(chosen.rows, shingles(words, self.near.shingle, self.groups[chosen.rows]))

        map_batches(self.texts, read, threads=threads)


def _distinct(sketches: Sketches, among: Among) -> _Distinct:
    worded = np.flatnonzero(sketches.words)
    first, second, labels = sketches.digests[worded, 0], sketches.digests[worded, 1], among.labels[worded]
    order = np.argsort(first ^ (labels.astype(np.uint64) * _SPREAD))
    begins = np.ones(len(worded), np.bool_)
    begins[1:] = np.any([key[order][1:] != key[order][:-1] for key in (first, second, labels)], axis=0)
    by_rank = np.lexsort((among.ids[worded], sketches.sizes[worded], among.tiers[worded]))
    ranks = np.empty_like(by_rank)
    ranks[by_rank] = np.arange(len(worded))
    best = np.minimum.reduceat(ranks[order], np.flatnonzero(begins)) if len(worded) else ranks
    numbers = np.empty_like(best)
    numbers[np.argsort(best)] = np.arange(len(best))
    of_worded = np.empty_like(order)
    of_worded[order] = numbers[np.cumsum(begins) - 1]
    return _Distinct(worded[by_rank[np.sort(best)]], worded, of_worded)


def _least_agreeing(threshold: float) -> int:
    """Four standard deviations below what a pair at the threshold is expected to agree in."""
    return int(max(threshold * PERMUTATIONS - 4 * np.sqrt(PERMUTATIONS * threshold * (1 - threshold)), 0))


def _by_text(sketches: Sketches, found: _Distinct, members: NDArray[np.int64], standing: Standing) -> Duplicates:
    keepers, jaccard = np.arange(len(found.texts)), np.ones(len(found.texts))
    keepers[members] = members[standing.keepers]
    jaccard[members] = standing.jaccard
    count = len(sketches.words)
    by_text = Duplicates(np.arange(count), np.ones(count), np.ones(count, np.bool_))
    by_text.keepers[found.worded] = found.texts[keepers][found.of_worded]
    by_text.jaccard[found.worded] = jaccard[found.of_worded]
    by_text.exact[:] = (sketches.digests == sketches.digests[by_text.keepers]).all(axis=1)
    return by_text
