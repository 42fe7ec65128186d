"""The overlaps worth storing: looked up by hash for all texts, chosen, then confirmed word by word."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.errors import RecipeError
from tasks.decontaminate.config import DecontaminateConfig, Mode
from tasks.decontaminate.lookup import Index, Pairs, build_indexes, find_pairs
from tasks.decontaminate.overlap import Overlap, Text, overlap
from tasks.text.ragged import Ragged
from tasks.text.strings import Strings, Texts, map_batches
from tasks.text.words import hash_words, locate_words


class Library(NamedTuple):
    """The items of some benchmarks, ready to be looked up; one entry an item."""

    benchmarks: list[str]
    names: list[str]
    texts: list[str]
    lengths: NDArray[np.int64]
    """In words."""
    numbers: NDArray[np.int64]
    """Which benchmark, by number."""
    indexes: list[Index]


class Found(NamedTuple):
    """A text, by row, and an item, by number, that overlap."""

    row: int
    item: int
    overlap: Overlap


def gather(items: pa.Table, config: DecontaminateConfig) -> Library:
    """Make benchmarks (benchmark, item, text) ready; `config.keep_items` are left out.

    Raises:
        RecipeError: an item that is to be kept is none of its benchmark's.
    """
    items = without_kept(items, config)
    columns: list[list[Any]] = [items[name].to_pylist() for name in ("benchmark", "item", "text")]
    benchmarks, names, texts = columns
    column = items["text"].cast(pa.large_string())
    words = Ragged.join(map_batches(column, lambda batch: hash_words(batch, config.splitting)))
    numbers = np.asarray(items["benchmark"].combine_chunks().dictionary_encode().indices, np.int64)
    indexes = build_indexes(words, config.ngram, config.whole_min)
    return Library(benchmarks, names, texts, words.lengths, numbers, indexes)


def without_kept(items: pa.Table, config: DecontaminateConfig) -> pa.Table:
    """Benchmarks' items (benchmark, item) but for `config.keep_items`.

    Raises:
        RecipeError: an item that is to be kept is none of its benchmark's.
    """
    if not config.keep_items:
        return items
    rows: list[tuple[Any, Any]] = list(zip(items["benchmark"].to_pylist(), items["item"].to_pylist(), strict=True))
    here = {benchmark for benchmark, _ in rows}
    kept = {(name, item) for name, several in config.keep_items.items() if name in here for item in several}
    if gone := sorted(kept.difference(rows)):
        names = ", ".join(f"{item} of {name}" for name, item in gone)
        raise RecipeError(f"decontaminate.keep_items: there is no item {names}; mend the list")
    return items.filter(pa.array([row not in kept for row in rows], pa.bool_()))


def search(texts: Texts, library: Library, config: DecontaminateConfig) -> Iterator[Found]:
    """Yield, for each text and benchmark, its `max_items` best items, and for each item its best text."""
    item_words = lru_cache(maxsize=None)(lambda item: locate_words(library.texts[item], config.splitting))
    pairs = _candidates(texts, library, config)
    pairs = pairs.only(np.lexsort((pairs.items, pairs.rows)))
    for row, items in groupby(zip(pairs.rows.tolist(), pairs.items.tolist(), strict=True), key=itemgetter(0)):
        text = Text.of(str(texts[row]), config.splitting)
        for _, item in items:
            shared = overlap(text, item_words(item), config.ngram, config.whole_min)
            if shared and _counts(np.array(shared.coverage), config):
                yield Found(row, item, shared)


def _counts(coverage: NDArray[np.float64], config: DecontaminateConfig) -> NDArray[np.bool_]:
    return coverage > (config.threshold if config.mode is Mode.COVERAGE else 0)


def _candidates(texts: Texts, library: Library, config: DecontaminateConfig) -> Pairs:
    def candidates(batch: Strings) -> Pairs:
        best = Pairs.join([])
        for pairs in find_pairs(hash_words(batch, config.splitting), library.indexes):
            coverage = pairs.matched / library.lengths[pairs.items]
            counted = pairs.only(_counts(coverage, config))
            best = _best(Pairs.join([best, counted]), library, config.max_items)
        return best._replace(rows=batch.rows[best.rows])

    return _best(Pairs.join(map_batches(texts, candidates)), library, config.max_items)


def _best(pairs: Pairs, library: Library, most: int) -> Pairs:
    """Of each row and benchmark the `most` items that are covered best, and each item's best row."""
    worst_first = -(pairs.matched / library.lengths[pairs.items])
    benchmarks = library.numbers[pairs.items]
    by_row = np.lexsort((pairs.items, worst_first, benchmarks, pairs.rows))
    by_item = np.lexsort((pairs.rows, worst_first, pairs.items))
    chosen = np.zeros(len(pairs.rows), np.bool_)
    chosen[by_row] = _place(pairs.rows[by_row], benchmarks[by_row]) < most
    chosen[by_item] |= _place(pairs.items[by_item]) < 1
    return pairs.only(chosen)


def _place(*keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each row's place among those with the same keys, which stand together."""
    begins = np.ones(len(keys[0]), np.bool_)
    begins[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    firsts = np.flatnonzero(begins)
    return np.arange(len(begins)) - np.repeat(firsts, np.diff(np.append(firsts, len(begins))))
