"""The compiled loops over candidate pairs: bands, exact Jaccard, union-find, and who is kept.

A row here is one distinct text. `bands` has, for each band, one number a row, sorted: the upper bits are of the
band's hash, the lower `row_bits` are the row. So rows that agree in a band stand side by side, in row order.
"""

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tasks.text.kernels import kernel

WINDOW: Final = 256
"""In a band, a row is compared with so many rows before it: a bound on the work where thousands agree."""
ANY: Final = -1
"""The label that fits every label."""
RowNumber: TypeAlias = int | np.int64


class Rows(NamedTuple):
    """What the pairs are judged by."""

    sketches: NDArray[np.uint32]
    labels: NDArray[np.int64]
    sets: NDArray[np.uint64]
    """Sorted distinct shingle hashes of the rows that need them; row i has `sets[starts[i]:ends[i]]`."""
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    threshold: float
    least_agreeing: int
    """Sketches that agree in fewer values are not compared further."""


@kernel
def band_hashes(sketches: NDArray[np.uint32], rows_a_band: int, row_bits: int, out: NDArray[np.uint64]) -> None:
    """Fill `out`, of shape [bands, rows], with the band's hash above the row's number."""
    for row in range(sketches.shape[0]):
        for band in range(out.shape[0]):
            value = np.uint64(band)
            for at in range(band * rows_a_band, (band + 1) * rows_a_band):
                value = (value ^ np.uint64(sketches[row, at])) * np.uint64(0x9E3779B97F4A7C15)
                value ^= value >> np.uint64(32)
            out[band, row] = (value >> np.uint64(row_bits)) << np.uint64(row_bits) | np.uint64(row)


@kernel
def promising(rows: Rows, one: RowNumber, other: RowNumber) -> bool:
    """Whether two rows may be duplicates, by their labels and sketches."""
    if rows.labels[one] != rows.labels[other] and rows.labels[one] != ANY and rows.labels[other] != ANY:
        return False
    agreeing = 0
    for at in range(rows.sketches.shape[1]):
        agreeing += rows.sketches[one, at] == rows.sketches[other, at]
    return agreeing >= rows.least_agreeing


@kernel
def jaccard(rows: Rows, one: RowNumber, other: RowNumber) -> float:
    """The exact Jaccard similarity of two rows' shingles."""
    at, end = rows.starts[one], rows.ends[one]
    other_at, other_end = rows.starts[other], rows.ends[other]
    total = (end - at) + (other_end - other_at)
    common = 0.0
    while at < end and other_at < other_end:
        left, right = rows.sets[at], rows.sets[other_at]
        common += left == right
        at += left <= right
        other_at += right <= left
    return float(common / (total - common))


@kernel
def root(parents: NDArray[np.int64], row: RowNumber) -> RowNumber:
    """The least row of a row's cluster so far, with the path to it halved."""
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = parents[row]
    return row


@kernel
def mark_candidates(rows: Rows, bands: NDArray[np.uint64], row_bits: int, marked: NDArray[np.bool_]) -> None:
    """Mark the rows that look like some other row."""
    mask = (np.uint64(1) << np.uint64(row_bits)) - np.uint64(1)
    for band in range(bands.shape[0]):
        for at in range(bands.shape[1]):
            row = np.int64(bands[band, at] & mask)
            for back in range(at - 1, max(at - WINDOW, 0) - 1, -1):
                if (bands[band, back] ^ bands[band, at]) > mask:
                    break
                other = np.int64(bands[band, back] & mask)
                if not (marked[row] and marked[other]) and promising(rows, row, other):
                    marked[row] = marked[other] = True


@kernel
def link(rows: Rows, bands: NDArray[np.uint64], row_bits: int, parents: NDArray[np.int64]) -> None:
    """Unite the candidates whose exact Jaccard reaches the threshold; leave each row's least relative in `parents`."""
    mask = (np.uint64(1) << np.uint64(row_bits)) - np.uint64(1)
    for band in range(bands.shape[0]):
        for at in range(bands.shape[1]):
            row: RowNumber = np.int64(bands[band, at] & mask)
            for back in range(at - 1, max(at - WINDOW, 0) - 1, -1):
                if (bands[band, back] ^ bands[band, at]) > mask:
                    break
                other = np.int64(bands[band, back] & mask)
                mine, theirs = root(parents, row), root(parents, other)
                if mine != theirs and promising(rows, row, other) and jaccard(rows, row, other) >= rows.threshold:
                    parents[max(mine, theirs)] = min(mine, theirs)
    for row in range(len(parents)):
        parents[row] = root(parents, row)


@kernel
def keep_best(
    rows: Rows,
    order: NDArray[np.int64],
    clusters: NDArray[np.int64],
    keepers: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """Within each cluster keep, best first, every row that is no duplicate of a kept one.

    `order` lists the rows cluster by cluster, best first. `keepers` receives each row's kept row, `out` the Jaccard
    to it.
    """
    kept = np.empty(len(order), np.int64)
    count = 0
    for at in range(len(order)):
        row = order[at]
        if at == 0 or clusters[order[at - 1]] != clusters[row]:
            count = 0
        keepers[row] = row
        out[row] = 1.0
        for index in range(count):
            if promising(rows, row, kept[index]):
                similarity = jaccard(rows, row, kept[index])
                if similarity >= rows.threshold:
                    keepers[row] = kept[index]
                    out[row] = similarity
                    break
        if keepers[row] == row:
            kept[count] = row
            count += 1
