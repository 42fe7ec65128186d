"""Which vectors are close, and which are far apart: exact, block by block, on a GPU where there is one.

Vectors are of length 1 and shape [rows, dimensions]. Cosines count to four decimals.
"""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

_BLOCK: Final = 1024
_CHUNK: Final = 32_768
_DECIMALS: Final = 4
ANY: Final = -1
"""The label that fits every label."""


class Kept(NamedTuple):
    """For each row the row that stands for it (itself where it is kept), and their cosine (1 where it is kept)."""

    keepers: NDArray[np.int64]
    cosines: NDArray[np.float64]


class Near(NamedTuple):
    """Pairs of a row and an item, by position, with their cosines."""

    rows: NDArray[np.int64]
    items: NDArray[np.int64]
    cosines: NDArray[np.float64]


def nearest(vectors: NDArray[np.float32], items: NDArray[np.float32], count: int, threshold: float) -> Near:
    """Find for each vector the `count` items closest to it, of those whose cosine is the threshold or more.

    A row's items stand together, best first; of equally close ones the first is better.
    """
    theirs = on_device(items)
    found = [Near(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    for start in range(0, len(vectors), _BLOCK):
        block = on_device(vectors[start : start + _BLOCK])
        for first in range(0, len(items), _CHUNK):
            close = _close(block, theirs[first : first + _CHUNK], count, threshold)
            found.append(Near(close.rows + start, close.items + first, close.cosines))
    rows, places, cosines = map(np.concatenate, zip(*found, strict=True))
    order = np.lexsort((places, -cosines, rows))
    order = order[np.arange(len(rows)) - np.searchsorted(rows[order], rows[order]) < count]
    return Near(rows[order], places[order], cosines[order])


def keep_apart(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    ranks: NDArray[np.int64],
    threshold: float,
    apart: int = 0,
) -> Kept:
    """Best first, keep every row whose cosine with each kept one is below the threshold.

    A row that goes is stood for by the closest of the kept ones that are better. Rows whose labels differ are not
    compared, -1 fits every label. Time grows with the square of the rows: 100,000 take a minute on two cores.

    Args:
        vectors: of length 1.
        labels: a number a row.
        ranks: a number a row, the best row's the least; no two are equal.
        threshold: of cosines.
        apart: so many of the best are kept unseen; they are known to be apart from each other.
    """
    import torch

    order = np.argsort(ranks)
    sorted_, marks = on_device(vectors[order]), on_device(labels[order])
    found = Kept(np.arange(len(order)), np.ones(len(order)))
    kept = order[:apart]
    for start in range(apart, len(order), _BLOCK):
        block = _Block(sorted_[start : start + _BLOCK], marks[start : start + _BLOCK])
        # Kept vectors move to the front, where they take the place of those that are done with.
        closest = _closest(block, _Block(sorted_[: len(kept)], marks[: len(kept)]))
        stays = _settle(_cosines(block, block).cpu().numpy(), closest, len(kept), threshold)
        moved = torch.from_numpy(start + stays).to(sorted_.device)
        sorted_[len(kept) : len(kept) + len(stays)] = sorted_[moved]
        marks[len(kept) : len(kept) + len(stays)] = marks[moved]
        kept = np.concatenate([kept, order[start + stays]])
        goes = np.delete(np.arange(len(block.labels)), stays)
        found.keepers[order[start + goes]] = kept[closest.kept[goes]]
        found.cosines[order[start + goes]] = closest.cosines[goes]
    return found


def k_centres(vectors: NDArray[np.float32], count: int, seed: int, given: int = 0) -> NDArray[np.int64]:
    """Choose `count` rows that cover all others, each the farthest from those before it; in the order of choice.

    The greedy rule is within twice the best possible radius (Gonzalez 1985). The first `given` rows are chosen before
    any other; without them the seed chooses the first. All rows are chosen where there are no more than `count`.
    """
    import torch

    rows = on_device(vectors)
    count = min(count, len(vectors))
    chosen = np.empty(count, np.int64)
    nearest = torch.full((len(vectors),), -2.0, device=rows.device)
    for at in range(count):
        if at < given:
            chosen[at] = at
        else:
            chosen[at] = int(nearest.argmin()) if at else np.random.default_rng(seed).integers(len(vectors))
        centre = rows[int(chosen[at])]
        for first in range(0, len(vectors), _CHUNK):
            chunk = slice(first, first + _CHUNK)
            nearest[chunk] = torch.maximum(nearest[chunk], rows[chunk] @ centre)
        nearest[int(chosen[at])] = torch.inf
    return chosen


def on_device(values: NDArray[Any]) -> "torch.Tensor":
    """A copy on the GPU where there is one, else in memory."""
    import torch

    return torch.tensor(values, device="cuda" if torch.cuda.is_available() else "cpu")


def _close(block: "torch.Tensor", chunk: "torch.Tensor", count: int, threshold: float) -> Near:
    """For each row of a block its best items of a chunk. Rows that are close to none cost no more than a product."""
    import torch

    cosines = block @ chunk.T
    hot = (cosines.amax(dim=1) >= threshold - 10**-_DECIMALS).nonzero()[:, 0]
    # One number holds cosine and place, so that the order is total and the same on every device.
    keys = cosines[hot].mul_(10**_DECIMALS).round_().to(torch.int32).mul_(_CHUNK)
    keys.add_(torch.arange(_CHUNK - 1, _CHUNK - 1 - len(chunk), -1, device=keys.device, dtype=torch.int32))
    best = keys.topk(min(count, len(chunk)), dim=1).values.cpu().numpy().astype(np.int64)
    scores, places = np.divmod(best, _CHUNK)
    at, rank = np.nonzero(scores / 10**_DECIMALS >= threshold)
    return Near(hot.cpu().numpy()[at], _CHUNK - 1 - places[at, rank], scores[at, rank] / 10**_DECIMALS)


class _Block(NamedTuple):
    vectors: "torch.Tensor"
    labels: "torch.Tensor"


class _Closest(NamedTuple):
    """For each row of a block the place of the closest kept row, and their cosine."""

    kept: NDArray[np.int64]
    cosines: NDArray[np.float32]


def _closest(block: _Block, kept: _Block) -> _Closest:
    found = _Closest(np.full(len(block.labels), -1), np.full(len(block.labels), -2, np.float32))
    for first in range(0, len(kept.labels), _CHUNK):
        chunk = slice(first, first + _CHUNK)
        value, at = (one.cpu().numpy() for one in _cosines(block, _Block(*(part[chunk] for part in kept))).max(dim=1))
        better = value > found.cosines
        found.kept[better], found.cosines[better] = at[better] + first, value[better]
    return found


def _cosines(block: _Block, others: _Block) -> "torch.Tensor":
    """Cosines, -2 where labels keep rows apart."""
    cosines = block.vectors @ others.vectors.T
    mine, theirs = block.labels[:, None], others.labels[None, :]
    return cosines.masked_fill_((mine != theirs) & (mine != ANY) & (theirs != ANY), -2)


def _settle(inner: NDArray[np.float32], closest: _Closest, before: int, threshold: float) -> NDArray[np.int64]:
    """The rows of a block that stay, of which `inner` has the cosines; `closest` learns of those among them."""
    stays: list[int] = []
    for row in range(len(inner)):
        if stays:
            at = int(inner[row, stays].argmax())
            if inner[row, stays[at]] > closest.cosines[row]:
                closest.kept[row], closest.cosines[row] = before + at, inner[row, stays[at]]
        if round(float(closest.cosines[row]), _DECIMALS) < threshold:
            stays.append(row)
    return np.array(stays, np.int64)
