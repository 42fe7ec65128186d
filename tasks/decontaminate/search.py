"""The overlaps worth storing: looked up by hash for all problems, chosen, then confirmed word by word."""

from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.decontaminate.config import DecontaminateConfig, Mode
from tasks.decontaminate.lookup import Pairs, build_indexes, find_pairs
from tasks.decontaminate.overlap import Overlap, overlap
from tasks.text.ragged import Ragged
from tasks.text.strings import Strings, Texts, map_batches
from tasks.text.words import Splitting, hash_words, locate_words


class Items(NamedTuple):
    """The items of all benchmarks, one after the other; one entry an item."""

    benchmarks: list[str]
    names: list[str]
    texts: list[str]
    words: Ragged
    numbers: NDArray[np.int64]
    """Which benchmark, by number."""


class Found(NamedTuple):
    """A problem, by row, and an item, by number, that overlap."""

    row: int
    item: int
    overlap: Overlap


def gather(benchmarks: Mapping[str, pa.Table], splitting: Splitting) -> Items:
    """Put the items of all benchmarks together."""
    tables = list(benchmarks.values())
    sizes = [len(table) for table in tables]
    chunks = [chunk for table in tables for chunk in table["text"].cast(pa.large_string()).chunks]
    texts = pa.chunked_array(chunks, pa.large_string())
    return Items(
        [name for name, table in benchmarks.items() for _ in range(len(table))],
        [str(item) for table in tables for item in table["item"].to_pylist()],
        [str(text) for text in texts.to_pylist()],
        Ragged.join(map_batches(texts, lambda batch: hash_words(batch, splitting))),
        np.repeat(np.arange(len(sizes)), sizes),
    )


def search(questions: Texts, items: Items, config: DecontaminateConfig) -> Iterator[Found]:
    """Yield, for each question and benchmark, its `max_items` best items, and for each item its best question."""
    locate = partial(locate_words, splitting=config.splitting)
    item_words = lru_cache(maxsize=None)(lambda item: locate(items.texts[item]))
    pairs = _candidates(questions, items, config)
    pairs = pairs.only(np.lexsort((pairs.items, pairs.rows)))
    for row, numbers in groupby(zip(pairs.rows.tolist(), pairs.items.tolist(), strict=True), key=itemgetter(0)):
        question = str(questions[row])
        ours = locate(question)
        for _, item in numbers:
            shared = overlap(question, (ours, item_words(item)), config.ngram, config.whole_min)
            if shared and _counts(shared.coverage, config):
                yield Found(row, item, shared)


def _counts(coverage: float, config: DecontaminateConfig) -> bool:
    return config.mode is Mode.ANY_NGRAM or coverage > config.threshold


def _candidates(questions: Texts, items: Items, config: DecontaminateConfig) -> Pairs:
    indexes = build_indexes(items.words, config.ngram, config.whole_min)
    lengths = items.words.lengths

    def candidates(batch: Strings) -> Pairs:
        found = (best(pairs) for pairs in find_pairs(hash_words(batch, config.splitting), indexes))
        pairs = Pairs.join(found)
        return pairs._replace(rows=batch.rows[pairs.rows])

    def best(pairs: Pairs) -> Pairs:
        if config.mode is Mode.COVERAGE:
            pairs = pairs.only(pairs.matched / lengths[pairs.items] > config.threshold)
        return _best(pairs, items, config.max_items)

    return _best(Pairs.join(map_batches(questions, candidates)), items, config.max_items)


def _best(pairs: Pairs, items: Items, most: int) -> Pairs:
    """Of each row and benchmark the `most` items that are covered best, and each item's best row."""
    worst_first = -(pairs.matched / items.words.lengths[pairs.items])
    benchmarks = items.numbers[pairs.items]
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
