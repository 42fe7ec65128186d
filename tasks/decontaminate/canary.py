"""Leaks that are planted, to measure what decontamination finds of them, and what it takes for a leak that is none.

Some items of every benchmark are changed in one way each, put into other text as well, and looked for. What should not
be found is measured on the same items. Another item of its benchmark is another problem, so an item that is found for
one is a false positive (or its benchmark repeats itself); and so is a text of an item's words, shuffled.
Embeddings hardly see the order of words, and find many of these.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice, zip_longest
from random import Random
from typing import Final, NamedTuple

import pyarrow as pa

from schemas.conform import columns_to_table
from schemas.tables import CANARIES
from tasks.decontaminate.config import DecontaminateConfig
from tasks.decontaminate.search import Library, search
from tasks.ids import content_id
from tasks.text.words import Splitting, words

VERSION: Final = "1"

SIMILAR: Final = "another item of its benchmark"
SHUFFLED: Final = "words shuffled"

_BEFORE: Final = (
    "I came across this one while tidying my desk, and have not found the time to look at it properly. Here it is. "
)
_AFTER: Final = " Please explain each step, since my sister would like to follow it as well. Many thanks in advance!"
_SENTENCE: Final = re.compile(r"(?<=[.!?。？！])\s+|\n+")
_NUMBER: Final = re.compile(r"\d")
_BETWEEN: Final = (" ", ", ", "; ", " — ", "… ", " / ")
_FILLERS: Final = ("some", "such", "then", "quite", "other", "rather", "whole", "again")
_WORDS: Final = Splitting()


class Planted(NamedTuple):
    """A text with an item in it, or one that only looks like it."""

    item: int
    variant: str
    leak: bool
    embedded: bool
    text: str


Look = Callable[[Sequence[str]], Iterable[tuple[int, int]]]
"""Finds items in texts in another way than by n-grams: positions of texts and items."""


def planted(library: Library, config: DecontaminateConfig, look: Look | None = None) -> pa.Table:
    """Plant `config.canaries` items, as many of each benchmark, in every way, and look for them (CANARIES).

    A way that leaves an item as it is (no number to change, one sentence only) is left out for it. A text counts as
    found if n-grams find it or `look` does.
    """
    texts = [one for item in _chosen(library, config.canaries) for one in _variants(item, library)]
    # Room for the item itself and its copies beside another one.
    several = config.model_copy(update={"max_items": max(config.max_items, 3)})
    found: dict[int, set[int]] = {}
    for one in search(pa.array([one.text for one in texts], pa.large_string()), library, several):
        found.setdefault(one.row, set()).add(one.item)
    for row, item in look([one.text for one in texts]) if look else ():
        found.setdefault(row, set()).add(item)
    columns: dict[str, list[object]] = {
        "benchmark": [library.benchmarks[one.item] for one in texts],
        "item": [library.names[one.item] for one in texts],
        "variant": [one.variant for one in texts],
        "leak": [one.leak for one in texts],
        "embedded": [one.embedded for one in texts],
        "text": [one.text for one in texts],
        "found": [_is_found(one, found.get(row, set()), library) for row, one in enumerate(texts)],
    }
    return columns_to_table(columns, CANARIES, at="canaries")


def _chosen(library: Library, count: int) -> list[int]:
    """Items of all benchmarks in turn, each benchmark's in an order that depends on nothing but their content."""
    ordered = sorted(range(len(library.texts)), key=lambda at: content_id(library.names[at], library.texts[at]))
    of_each: dict[str, list[int]] = {}
    for at in ordered:
        if library.lengths[at]:
            of_each.setdefault(library.benchmarks[at], []).append(at)
    turns = zip_longest(*(of_each[name] for name in sorted(of_each)))
    return list(islice((at for turn in turns for at in turn if at is not None), count))


def _variants(item: int, library: Library) -> Iterator[Planted]:
    text = library.texts[item]
    for variant, change in CHANGES.items():
        changed = change(text, Random(content_id(variant, text)))  # noqa: S311 - no secret
        if changed != text or variant == "verbatim":
            yield Planted(item, variant, leak=True, embedded=False, text=changed)
            yield Planted(item, variant, leak=True, embedded=True, text=f"{_BEFORE}{changed}{_AFTER}")
    yield Planted(item, SIMILAR, leak=False, embedded=False, text=text)
    mixed = [word.text for word in words(text, _WORDS)]
    Random(content_id(text)).shuffle(mixed)  # noqa: S311 - no secret
    yield Planted(item, SHUFFLED, leak=False, embedded=False, text=" ".join(mixed))


def _is_found(one: Planted, items: set[int], library: Library) -> bool:
    """Whether the text would be dropped; one that is an item itself, for another of its benchmark."""
    if one.variant != SIMILAR:
        return bool(items)
    text, benchmark = library.texts[one.item], library.numbers[one.item]
    return any(library.texts[item] != text and library.numbers[item] == benchmark for item in items)


class Outcome(NamedTuple):
    """How many texts of one kind were planted, and found."""

    variant: str
    leak: bool
    embedded: bool
    planted: int
    found: int


def outcomes(canaries: pa.Table) -> list[Outcome]:
    """Count CANARIES (variant, leak, embedded, found) by kind, in their order."""
    counts: dict[tuple[str, bool, bool], list[bool]] = {}
    for row in canaries.select(["variant", "leak", "embedded", "found"]).to_pylist():
        counts.setdefault((row["variant"], row["leak"], row["embedded"]), []).append(row["found"])
    return [Outcome(*kind, len(found), sum(found)) for kind, found in counts.items()]


def _recased(text: str, _: Random) -> str:
    return text.swapcase()


def _repunctuated(text: str, draw: Random) -> str:
    """Other signs wherever there are some, or a space, between words."""
    parts: list[str] = []
    for word in words(text, Splitting(fold_case=False)):
        parts += [draw.choice(_BETWEEN), word.text]
    return "".join(parts[1:]) + "."


def _renumbered(text: str, draw: Random) -> str:
    return _NUMBER.sub(lambda digit: str((int(digit.group()) + draw.randint(1, 7)) % 9 + 1), text)


def _reordered(text: str, draw: Random) -> str:
    sentences = _SENTENCE.split(text.strip())
    order = list(range(len(sentences)))
    while order == sorted(order) and len(order) > 1:
        draw.shuffle(order)
    return " ".join(sentences[at] for at in order)


def _reworded(text: str, draw: Random, share: float) -> str:
    """So many of the words are left out, replaced, or have another put before them."""
    found = words(text, _WORDS)
    count = min(len(found), max(1, round(share * len(found))))
    for at in sorted(draw.sample(range(len(found)), k=count), reverse=True):
        word, filler = found[at], draw.choice(_FILLERS)
        new = draw.choice(("", filler, f"{filler} {text[word.start : word.end]}"))
        text = text[: word.start] + new + text[word.end :]
    return text


CHANGES: Final[dict[str, Callable[[str, Random], str]]] = {
    "verbatim": lambda text, _: text,
    "re-cased": _recased,
    "re-punctuated": _repunctuated,
    "numbers changed": _renumbered,
    "sentences re-ordered": _reordered,
    "10 % of words edited": partial(_reworded, share=0.1),
    "30 % of words edited": partial(_reworded, share=0.3),
}
"""The ways in which an item leaks; none is a paraphrase that a person would write."""
