"""The compiled loops over pairs of rows: who looks alike, exact Jaccard, who is kept.

They stand in one file because numba's cache notices a change of the file a kernel is in, and of no other. A row here is
one distinct text, by its number: the smaller, the better. Rows that agree in a band stand side by side in its `keys`,
sorted numbers whose upper half is the band's hash and whose lower half is the row.
"""

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tasks.text.kernels import kernel

WINDOW: Final = 256
"""In a band, a row is compared with so many better rows: a bound on the work where thousands agree."""
ANY: Final = -1
"""The label that fits every label."""
RowNumber: TypeAlias = int | np.int64 | np.int32


class Rows(NamedTuple):
    """What pairs are judged by before their shingles are."""

    sketches: NDArray[np.uint8]
    """Of each text of the column the lowest byte of each MinHash value (b-bit minwise hashing, Li and König 2010)."""
    texts: NDArray[np.int64]
    """Each row's text."""
    labels: NDArray[np.int64]
    least_agreeing: int
    """Rows whose sketches agree in fewer places are not compared further."""


class Sets(NamedTuple):
    """Sorted distinct shingle hashes: row i has `values[starts[i - first]:ends[i - first]]`."""

    values: NDArray[np.uint64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    first: int
    threshold: float


class Standing(NamedTuple):
    """What becomes of each row: the row that is kept in its place (itself if it is kept), and how alike these are."""

    keepers: NDArray[np.int32]
    jaccard: NDArray[np.float64]
    seen: NDArray[np.int32]
    """Scratch: the last row that each row was compared with."""


@kernel
def fill_keys(
    hashes: NDArray[np.uint32], texts: NDArray[np.int64], salts: NDArray[np.uint32], out: NDArray[np.uint64]
) -> None:
    """Write each row's key in one band; rows of differing salts hardly ever agree."""
    for row in range(len(texts)):
        out[row] = np.uint64(hashes[texts[row]] ^ salts[row]) << np.uint64(32) | np.uint64(row)


class Keys(NamedTuple):
    """The values of some rows' bands, to be looked up."""

    values: NDArray[np.uint32]
    """Each band's, sorted; shape [bands, rows]."""
    starts: NDArray[np.int64]
    """Where in each band the values begin that, without their lowest `shift` bits, are 0, 1, …; and where all end."""
    shift: int


@kernel
def look_up(bands: NDArray[np.uint32], keys: Keys, out: NDArray[np.bool_]) -> None:
    """Mark the rows of `bands`, of shape [rows, bands], that agree with one of the keys."""
    for row in range(len(bands)):
        out[row] = False
        for band in range(bands.shape[1]):
            value = bands[row, band]
            cell = np.int64(value) >> keys.shift
            for at in range(keys.starts[band, cell], keys.starts[band, cell + 1]):
                if keys.values[band, at] == value:
                    out[row] = True


@kernel
def promising(rows: Rows, one: RowNumber, other: RowNumber) -> bool:
    """Whether two rows may be duplicates, by their labels and sketches."""
    if rows.labels[one] != rows.labels[other] and rows.labels[one] != ANY and rows.labels[other] != ANY:
        return False
    left, right = rows.sketches[rows.texts[one]], rows.sketches[rows.texts[other]]
    agreeing = 0
    for at in range(len(left)):
        agreeing += left[at] == right[at]
    return agreeing >= rows.least_agreeing


@kernel
def root(parents: NDArray[np.int32], row: RowNumber) -> RowNumber:
    """The least row of a row's cluster so far, with the path to it halved."""
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = parents[row]
    return row


@kernel
def unite(rows: Rows, keys: NDArray[np.uint64], parents: NDArray[np.int32]) -> None:
    """Unite the rows that agree in a band and look alike."""
    half = np.uint64(32)
    for at in range(len(keys)):
        row = np.int64(np.uint32(keys[at]))
        for back in range(at - 1, max(at - WINDOW, 0) - 1, -1):
            if keys[back] >> half != keys[at] >> half:
                break
            other = np.int64(np.uint32(keys[back]))
            mine, theirs = root(parents, row), root(parents, other)
            if mine != theirs and promising(rows, row, other):
                parents[max(mine, theirs)] = min(mine, theirs)


@kernel
def merge(parents: NDArray[np.int32], others: NDArray[np.int32]) -> None:
    """Unite what is united in `others`; leave each row's least relative in `parents`."""
    for row in range(len(parents)):
        mine, theirs = root(parents, row), root(parents, others[row])
        parents[max(mine, theirs)] = min(mine, theirs)
    for row in range(len(parents)):
        parents[row] = root(parents, row)


@kernel
def chain(keys: NDArray[np.uint64], clusters: NDArray[np.int32], out: NDArray[np.int32]) -> None:
    """Write for each row the next better one of its cluster that agrees with it in the band, -1 where there is none."""
    half = np.uint64(32)
    for at in range(len(keys)):
        row = np.int64(np.uint32(keys[at]))
        out[row] = -1
        if at and keys[at - 1] >> half == keys[at] >> half:
            other = np.int64(np.uint32(keys[at - 1]))
            if clusters[other] == clusters[row]:
                out[row] = other


@kernel
def jaccard(sets: Sets, one: RowNumber, other: RowNumber) -> float:
    """The exact Jaccard similarity of two rows' shingles."""
    at, end = sets.starts[one - sets.first], sets.ends[one - sets.first]
    other_at, other_end = sets.starts[other - sets.first], sets.ends[other - sets.first]
    total = (end - at) + (other_end - other_at)
    common = 0.0
    while at < end and other_at < other_end:
        left, right = sets.values[at], sets.values[other_at]
        common += left == right
        at += left <= right
        other_at += right <= left
    return float(common / (total - common))


@kernel
def keep_best(rows: Rows, sets: Sets, chains: NDArray[np.int32], standing: Standing, span: tuple[int, int]) -> None:
    """From the best row of the span on, keep every row that is no duplicate of a better kept one.

    `chains`, of shape [bands, rows], leads from each row to better ones; those that are not kept are cut out of it.
    """
    keepers = standing.keepers
    for row in range(*span):
        keepers[row] = row
        standing.jaccard[row] = 1.0
        for band in range(chains.shape[0]):
            links = chains[band]
            before = row
            other = links[row]
            steps = 0
            while other >= 0 and steps < WINDOW:
                if keepers[other] != other:
                    links[before] = links[other]
                else:
                    if other < keepers[row] and standing.seen[other] != row:
                        standing.seen[other] = row
                        similarity = jaccard(sets, row, other) if promising(rows, row, other) else 0.0
                        if similarity >= sets.threshold:
                            keepers[row] = other
                            standing.jaccard[row] = similarity
                    before = other
                    steps += 1
                other = links[before]
