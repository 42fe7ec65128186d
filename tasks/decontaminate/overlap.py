"""When two texts overlap, decided on their words; no hash has the last say here.

Two texts are compared in runs of n consecutive words. A text shorter than that is compared whole: it overlaps where all
its words stand in the other one, in order and unbroken. A text of fewer than `whole_min` words says too little to be
looked for in another one: it overlaps only its equal.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.text.kernels import kernel
from tasks.text.ragged import Ragged
from tasks.text.shingles import shingles
from tasks.text.words import Located, Splitting, locate_words

SHOWN: Final = 1000
"""A longer span is stored with so many characters, its first."""
PLACES: Final = 100
"""A run that a text repeats more often than this is shown where it stands first."""


class Span(NamedTuple):
    """A piece of a text, in characters."""

    start: int
    end: int
    text: str


class Overlap(NamedTuple):
    """What a text shares with a benchmark item."""

    coverage: float
    """Share of the item's words that lie in a shared run."""
    spans: list[Span]
    """The shared runs in the text, merged where they touch."""


class _Ordered(NamedTuple):
    """A text's runs by hash, and where each begins, in words."""

    hashes: NDArray[np.uint64]
    starts: NDArray[np.int64]


@dataclass(frozen=True)
class Text:
    """A text that is compared with many items: what that takes is made once."""

    text: str
    words: Located
    _runs: dict[int, _Ordered] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str, splitting: Splitting) -> "Text":
        """Split it into words."""
        return cls(text, locate_words(text, splitting))

    def runs(self, size: int) -> _Ordered:
        """Its runs of so many words."""
        if size not in self._runs:
            hashes = _runs(self.words, size)
            starts = np.argsort(hashes, kind="stable")
            self._runs[size] = _Ordered(hashes[starts], starts)
        return self._runs[size]


def overlap(text: Text, item: Located, ngram: int, whole_min: int) -> Overlap | None:
    """What a text shares with an item; None where it is nothing.

    The coverage is that of Tülu 3 (Lambert et al. 2024, section 3.2): a word of the item matches if it lies in an
    n-gram that occurs in this very text.
    """
    length, other = len(text.words.hashes), len(item.hashes)
    run = min(length, other, ngram)
    if not run or (run < min(ngram, whole_min) and length != other):
        return None
    hashes, covered = _runs(item, run), np.zeros(other, np.bool_)
    starts = np.empty(len(hashes) * PLACES, np.int64)
    count = _share(text.words, text.runs(run), (item, hashes), run, (starts, covered))
    return Overlap(int(covered.sum()) / other, _spans(text, sorted(starts[:count].tolist()), run)) if count else None


def _runs(words: Located, size: int) -> NDArray[np.uint64]:
    return shingles(Ragged(words.hashes, np.array([0, len(words.hashes)])), size).values


def _spans(text: Text, starts: list[int], run: int) -> list[Span]:
    """A piece of the text for each stretch of runs that touch; `starts` are their first words, in order."""
    stretches: list[tuple[int, int]] = []
    for start in starts:
        first = stretches.pop()[0] if stretches and start <= stretches[-1][1] else start
        stretches.append((first, start + run))
    bounds = text.words.bounds
    edges = ((int(bounds[first, 0]), int(bounds[end - 1, 1])) for first, end in stretches)
    return [Span(start, end, text.text[start : min(end, start + SHOWN)]) for start, end in edges]


@kernel
def _share(
    words: Located,
    runs: _Ordered,
    item: tuple[Located, NDArray[np.uint64]],
    size: int,
    out: tuple[NDArray[np.int64], NDArray[np.bool_]],
) -> int:
    """Write where shared runs begin in the text, and mark the item's words in them. Hashes propose, words decide."""
    theirs, hashes = item
    starts, covered = out
    count = 0
    for at in range(len(hashes)):
        place = np.searchsorted(runs.hashes, hashes[at])
        last = min(place + PLACES, len(runs.hashes))
        while place < last and runs.hashes[place] == hashes[at]:
            if _same(words, runs.starts[place], theirs, at, size):
                covered[at : at + size] = True
                starts[count] = runs.starts[place]
                count += 1
            place += 1
    return count


@kernel
def _same(ours: Located, at: int, theirs: Located, other: int, size: int) -> bool:
    """Whether so many words from these on are the same, character by character."""
    for step in range(size):
        start, end = ours.bounds[at + step]
        begin, stop = theirs.bounds[other + step]
        if end - start != stop - begin:
            return False
        for char in range(end - start):
            if ours.folded[start + char] != theirs.folded[begin + char]:
                return False
    return True
