"""When two texts overlap, decided on their words; no hash has a say here.

Two texts are compared in runs of n consecutive words. A text shorter than that is compared whole: it overlaps where all
its words stand in the other one, in order and unbroken. A text of fewer than `whole_min` words says too little to be
looked for in another one: it overlaps only its equal.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tasks.text.words import Word


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


def run_length(one: int, other: int, ngram: int) -> int:
    """How many words two texts of so many words have to share: n, or the whole of the shorter one."""
    return min(one, other, ngram)


def overlap(question: str, parts: Sequence[Sequence[Word]], ngram: int, whole_min: int) -> Overlap | None:
    """What a question shares with an item, given the words of both; None where it is nothing.

    The coverage is that of Tülu 3 (Lambert et al. 2024, section 3.2): a word of the item matches if it lies in an
    n-gram that occurs in this very problem.
    """
    ours, theirs = parts
    run = run_length(len(ours), len(theirs), ngram)
    words, item = [word.text for word in ours], [word.text for word in theirs]
    if not run or (run < min(ngram, whole_min) and words != item):
        return None
    shared = set(_runs(words, run)) & set(_runs(item, run))
    if not shared:
        return None
    spans = [
        Span(ours[first].start, ours[last].end, question[ours[first].start : ours[last].end])
        for first, last in _stretches(words, run, shared)
    ]
    matched = sum(last - first + 1 for first, last in _stretches(item, run, shared))
    return Overlap(matched / len(item), spans)


def _runs(words: Sequence[str], run: int) -> list[tuple[str, ...]]:
    return [tuple(words[at : at + run]) for at in range(len(words) - run + 1)]


def _stretches(words: Sequence[str], run: int, shared: set[tuple[str, ...]]) -> list[tuple[int, int]]:
    """First and last word of each stretch of words that shared runs cover."""
    stretches: list[tuple[int, int]] = []
    for at, words_here in enumerate(_runs(words, run)):
        if words_here not in shared:
            continue
        if stretches and at <= stretches[-1][1] + 1:
            stretches[-1] = (stretches[-1][0], at + run - 1)
        else:
            stretches.append((at, at + run - 1))
    return stretches
