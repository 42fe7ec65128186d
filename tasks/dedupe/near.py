"""Near-duplicates in a column of texts: MinHash finds candidates, the exact Jaccard of their shingles decides.

Candidates come from banded MinHash (Broder 1997; Leskovec, Rajaraman, Ullman, *Mining of Massive Datasets*, ch. 3),
with bands chosen so that a pair at the threshold is found with probability 0.995, and one above it more surely still.
What is not similar enough is never called a duplicate, whatever the sketches say.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from schemas.base import ConfigBase
from tasks.dedupe.links import Rows, band_hashes, keep_best, link, mark_candidates
from tasks.dedupe.sketch import PERMUTATIONS, Sketches, sketch
from tasks.text.ragged import Ragged
from tasks.text.shingles import distinct, shingles
from tasks.text.strings import Strings, Texts, map_batches
from tasks.text.words import Splitting, hash_words

_RECALL: Final = 0.995


class Near(ConfigBase):
    """When two texts are near-duplicates."""

    shingle: int = Field(default=3, ge=1, description="words a shingle")
    threshold: float = Field(default=0.8, gt=0, le=1, description="least Jaccard similarity of the sets of shingles")


class Among(NamedTuple):
    """What limits and orders a comparison: one number a row each.

    `groups`: only rows of the same group are compared.
    `labels`: rows whose labels differ are never duplicates, though of one group; -1 fits every label.
    `ranks`: of duplicates the row with the least is kept.
    """

    groups: NDArray[np.uint64]
    labels: NDArray[np.int64]
    ranks: NDArray[np.int64]

    @classmethod
    def all(cls, rows: int) -> "Among":
        """Every row with every other; the first is kept."""
        return cls(np.zeros(rows, np.uint64), np.zeros(rows, np.int64), np.arange(rows))


class Duplicates(NamedTuple):
    """For each row the row that stands for it (itself where it is kept), and how alike the two are."""

    keepers: NDArray[np.int64]
    jaccard: NDArray[np.float64]
    exact: NDArray[np.bool_]
    """Whether the two have the same words in the same order."""


class _Classes(NamedTuple):
    """Rows with the same words and label are one class, numbered by content and not by where they stand."""

    rows: NDArray[np.int64]
    """The rows that have words."""
    of_rows: NDArray[np.int64]
    """The class of each of `rows`."""
    best: NDArray[np.int64]
    """The row of least rank of each class."""


def near_duplicates(texts: Texts, near: Near, splitting: Splitting, among: Among | None = None) -> Duplicates:
    """Find for each row the near-duplicate that is kept in its place.

    The best row of a cluster is kept, and then each next one that is no near-duplicate of a kept row: so every row
    that goes has a kept row at `near.threshold` or above, in long chains too. A text without words is no duplicate.
    With ranks that do not tie, the outcome does not depend on the order of the rows. Where more than 256 distinct texts
    agree in a band, each is compared with the 256 before it only: time stays linear, at some cost in recall there.

    Raises:
        SchemaError: `texts` is no string column, or has nulls.
    """
    among = among or Among.all(len(texts))
    sketches = sketch(texts, near.shingle, splitting, among.groups)
    classes = _classes(sketches, among)
    best = classes.best
    rows = _unset(sketches.values[best], among.labels[best], near.threshold)
    bands = _bands(rows.sketches, near.threshold)
    row_bits = _bits(len(best))
    marked = np.zeros(len(best), np.bool_)
    mark_candidates(rows, bands, row_bits, marked)
    rows = _with_sets(rows, best, marked, _shingle_sets(texts, near, splitting, among.groups, best[marked]))
    clusters = np.arange(len(best))
    link(rows, bands, row_bits, clusters)
    keepers, jaccard = np.empty(len(best), np.int64), np.empty(len(best))
    keep_best(rows, np.lexsort((among.ranks[best], clusters)), clusters, keepers, jaccard)
    return _by_row(sketches, classes, keepers, jaccard)


def _classes(sketches: Sketches, among: Among) -> _Classes:
    rows = np.flatnonzero(sketches.words)
    keys = (among.labels[rows], sketches.digests[rows, 0], sketches.digests[rows, 1])
    order = np.lexsort((among.ranks[rows], *reversed(keys)))
    begins = np.ones(len(rows), np.bool_)
    begins[1:] = np.any([key[order][1:] != key[order][:-1] for key in keys], axis=0)
    of_rows = np.empty(len(rows), np.int64)
    of_rows[order] = np.cumsum(begins) - 1
    return _Classes(rows, of_rows, rows[order][begins])


def _bits(rows: int) -> int:
    return max(1, rows.bit_length())


def _bands(sketches: NDArray[np.uint32], threshold: float) -> NDArray[np.uint64]:
    size = rows_a_band(threshold)
    bands = np.empty((PERMUTATIONS // size, len(sketches)), np.uint64)
    band_hashes(sketches, size, _bits(len(sketches)), bands)
    bands.sort(axis=1)
    return bands


def rows_a_band(threshold: float) -> int:
    """The longest bands that still find a pair at the threshold with probability 0.995 (shorter find more rubbish)."""
    sizes = range(PERMUTATIONS, 1, -1)
    return next((r for r in sizes if 1 - (1 - threshold**r) ** (PERMUTATIONS // r) >= _RECALL), 1)


def _unset(sketches: NDArray[np.uint32], labels: NDArray[np.int64], threshold: float) -> Rows:
    none = np.zeros(len(labels), np.int64)
    # Four standard deviations below what a pair at the threshold is expected to agree in.
    least = threshold * PERMUTATIONS - 4 * np.sqrt(PERMUTATIONS * threshold * (1 - threshold))
    return Rows(sketches, labels, np.empty(0, np.uint64), none, none, threshold, int(max(least, 0)))


def _shingle_sets(
    texts: Texts, near: Near, splitting: Splitting, groups: NDArray[np.uint64], rows: NDArray[np.int64]
) -> Ragged:
    """The sorted distinct shingles of some rows, in the order of the column."""
    wanted = np.zeros(len(texts), np.bool_)
    wanted[rows] = True

    def distinct_shingles(batch: Strings) -> Ragged:
        chosen = batch.only(wanted)
        sets = shingles(hash_words(chosen, splitting), near.shingle, groups[chosen.rows])
        return distinct(sets)

    return Ragged.join(map_batches(texts, distinct_shingles))


def _with_sets(rows: Rows, best: NDArray[np.int64], marked: NDArray[np.bool_], sets: Ragged) -> Rows:
    having = np.flatnonzero(marked)
    having = having[np.argsort(best[having])]
    starts, ends = np.zeros(len(best), np.int64), np.zeros(len(best), np.int64)
    starts[having], ends[having] = sets.offsets[:-1], sets.offsets[1:]
    return rows._replace(sets=sets.values, starts=starts, ends=ends)


def _by_row(
    sketches: Sketches, classes: _Classes, keepers: NDArray[np.int64], jaccard: NDArray[np.float64]
) -> Duplicates:
    count = len(sketches.words)
    found = Duplicates(np.arange(count), np.ones(count), np.ones(count, np.bool_))
    found.keepers[classes.rows] = classes.best[keepers][classes.of_rows]
    found.jaccard[classes.rows] = jaccard[classes.of_rows]
    found.exact[:] = (sketches.digests == sketches.digests[found.keepers]).all(axis=1)
    return found
