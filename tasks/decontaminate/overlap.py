"""When two texts overlap, decided on their words; no hash has the last say here.

Two texts are compared in runs of n consecutive words. A text shorter than that is compared whole: it overlaps where all
its words stand in the other one, in order and unbroken. A text of fewer than `whole_min` words says too little to be
looked for in another one: it overlaps only its equal.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.text.kernels import kernel
from tasks.text.ragged import Ragged
from tasks.text.shingles import shingles
from tasks.text.words import Located

SHOWN: Final = 1000
"""A longer span is stored with its first characters only."""


class Span(NamedTuple):
    """A piece of a text, in characters."""

    start: int
    end: int
    text: str


class Overlap(NamedTuple):
    """What a problem shares with a benchmark item."""

    coverage: float
    """Share of the item's words that lie in a shared run."""
    spans: list[Span]
    """The shared runs in the problem's question, merged where they touch."""


def overlap(question: str, parts: tuple[Located, Located], ngram: int, whole_min: int) -> Overlap | None:
    """What a question shares with an item, given the words of both; None where it is nothing.

    The coverage is that of Tülu 3 (Lambert et al. 2024, section 3.2): a word of the item matches if it lies in an
    n-gram that occurs in this very problem.
    """
    ours, theirs = parts
    length, other = len(ours.hashes), len(theirs.hashes)
    run = min(length, other, ngram)
    if not run or (run < min(ngram, whole_min) and length != other):
        return None
    shared, covered = np.zeros(length, np.bool_), np.zeros(other, np.bool_)
    _mark(ours, theirs, run, (_runs(ours, run), _runs(theirs, run)), (shared, covered))
    if not covered.any():
        return None
    return Overlap(int(covered.sum()) / other, _spans(question, ours.bounds, shared))


def _runs(words: Located, run: int) -> NDArray[np.uint64]:
    return shingles(Ragged(words.hashes, np.array([0, len(words.hashes)])), run).values


def _spans(text: str, bounds: NDArray[np.int64], shared: NDArray[np.bool_]) -> list[Span]:
    """A piece of the text for each stretch of shared words."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], shared, [False]])))
    starts, ends = bounds[edges[::2], 0].tolist(), bounds[edges[1::2] - 1, 1].tolist()
    return [Span(start, end, text[start : min(end, start + SHOWN)]) for start, end in zip(starts, ends, strict=True)]


@kernel
def _mark(
    ours: Located,
    theirs: Located,
    run: int,
    runs: tuple[NDArray[np.uint64], NDArray[np.uint64]],
    marks: tuple[NDArray[np.bool_], NDArray[np.bool_]],
) -> None:
    """Mark the words of both that lie in a run of both. Hashes propose runs, characters decide."""
    order = np.argsort(runs[1])
    ordered = runs[1][order]
    for at in range(len(runs[0])):
        place = np.searchsorted(ordered, runs[0][at])
        while place < len(ordered) and ordered[place] == runs[0][at]:
            other = order[place]
            if _same(ours, at, theirs, other, run):
                marks[0][at : at + run] = True
                marks[1][other : other + run] = True
            place += 1


@kernel
def _same(ours: Located, at: int, theirs: Located, other: int, run: int) -> bool:
    """Whether so many words from these on are the same, character by character."""
    for step in range(run):
        start, end = ours.bounds[at + step]
        begin, stop = theirs.bounds[other + step]
        if end - start != stop - begin:
            return False
        for char in range(end - start):
            if ours.folded[start + char] != theirs.folded[begin + char]:
                return False
    return True
