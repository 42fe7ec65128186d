"""Documents with planted copies, and which pairs of them really are near-duplicates.

A document is two or more GSM8K solutions, 150 words at least, with numbers of its own. A fifth of all are exact copies
of others, a fifth are copies of which one to eight words differ. The truth comes from an inverted index with a prefix
filter (Chaudhuri, Ganti, Kaushik, ICDE 2006; Xiao et al., WWW 2008): no pair at the least similarity is missed, and no
sketch is involved.
"""

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.curate import GSM8K
from tasks.text.kernels import kernel
from tasks.text.ragged import Ragged
from tasks.text.shingles import shingles
from tasks.text.strings import map_batches
from tasks.text.words import Splitting, hash_words

WORDS = 150
CHUNK = 50_000
RECENT = 20_000
EDITS = 8
COUNTERS = 1 << 28


class Truth(NamedTuple):
    """The pairs of documents at `least` or above, each with its exact Jaccard similarity."""

    one: NDArray[np.int64]
    other: NDArray[np.int64]
    jaccard: NDArray[np.float64]


def write_corpus(path: Path, count: int) -> None:
    """Write an Arrow file with one column, `text`."""
    schema = pa.schema([("text", pa.large_string())])
    made = documents(count)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        while chunk := [text for text, _ in zip(made, range(CHUNK), strict=False)]:
            writer.write_batch(pa.RecordBatch.from_arrays([pa.array(chunk, pa.large_string())], schema=schema))


def read_corpus(path: Path) -> "pa.ChunkedArray[Any]":
    """The documents, in memory."""
    with pa.OSFile(str(path), "rb") as file:
        return pa.ipc.open_file(file).read_all()["text"]


def documents(count: int, seed: int = 0) -> Iterator[str]:
    """So many documents, the same ones at every call."""
    draw = random.Random(seed)
    pieces = [re.split(r"\d+", solution) for solution in solutions()]
    sizes = [len(re.findall(r"\w+", " 1 ".join(piece))) for piece in pieces]
    recent: list[str] = []
    for number in range(count):
        kind = draw.random()
        if number and kind < 0.4:
            text = draw.choice(recent)
            yield text if kind < 0.2 else edited(text, draw)
            continue
        text = fresh(pieces, sizes, draw)
        if len(recent) < RECENT:
            recent.append(text)
        else:
            recent[draw.randrange(RECENT)] = text
        yield text


def solutions() -> list[str]:
    """The reference solutions, and those of four models."""
    found = []
    for name in ("train.jsonl", "test.jsonl"):
        found += [json.loads(line)["answer"] for line in (GSM8K / name).open()]
    for line in (GSM8K / "example_model_solutions.jsonl").open():
        row: dict[str, Any] = json.loads(line)
        found += [one["solution"] for one in row.values() if isinstance(one, dict)]
    return found


def fresh(pieces: list[list[str]], sizes: list[int], draw: random.Random) -> str:
    """Solutions one after the other, with new numbers."""
    parts: list[str] = []
    words = 0
    while words < WORDS:
        chosen = draw.randrange(len(pieces))
        words += sizes[chosen]
        for piece in pieces[chosen]:
            parts += (piece, str(int(draw.random() * 1000)))
        parts[-1] = "\n\n"
    return "".join(parts)


def edited(text: str, draw: random.Random) -> str:
    """A copy with one to eight words of its own."""
    words = text.split(" ")
    for _ in range(draw.randint(1, EDITS)):
        words[draw.randrange(len(words))] = f"edit{draw.randrange(10**6)}"
    return " ".join(words)


def truth(path: Path, size: int, least: float) -> Truth:
    """Every pair of documents whose `size`-word shingles have a Jaccard similarity of `least` or more."""
    texts = read_corpus(path)
    found = Ragged.join(map_batches(texts, lambda batch: shingles(hash_words(batch, Splitting()), size)))
    counters = np.zeros(COUNTERS, np.uint8)
    _count(found.values, counters)
    sets = Sets(found.values, found.offsets[:-1], np.empty(len(texts), np.int64))
    _rare_first(sets, found.offsets[1:], counters)
    keys, rows = np.empty(0, np.uint64), np.empty(0, np.int32)
    count = _prefixes(sets, least, keys, rows)
    keys, rows = np.empty(count, np.uint64), np.empty(count, np.int32)
    _prefixes(sets, least, keys, rows)
    order = np.argsort(keys)
    keys, rows = keys[order], rows[order]
    pairs, jaccard = np.empty((0, 2), np.int64), np.empty(0)
    count = _pairs(sets, least, (keys, rows), pairs, jaccard)
    pairs, jaccard = np.empty((count, 2), np.int64), np.empty(count)
    _pairs(sets, least, (keys, rows), pairs, jaccard)
    return Truth(pairs[:, 0], pairs[:, 1], jaccard)


class Sets(NamedTuple):
    """Row i has the distinct shingles `values[starts[i]:ends[i]]`, rare ones first."""

    values: NDArray[np.uint64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]


@kernel
def _count(values: NDArray[np.uint64], counters: NDArray[np.uint8]) -> None:
    for value in values:
        at = value % np.uint64(len(counters))
        counters[at] += counters[at] < 255


@kernel
def _rare_first(sets: Sets, stops: NDArray[np.int64], counters: NDArray[np.uint8]) -> None:
    """Sort each row's shingles, how often one occurs standing above 56 bits of its hash, and fill `sets.ends`."""
    for row in range(len(stops)):
        mine = sets.values[sets.starts[row] : stops[row]]
        for at in range(len(mine)):
            count = np.uint64(counters[mine[at] % np.uint64(len(counters))])
            mine[at] = (count << np.uint64(56)) | (mine[at] >> np.uint64(8))
        mine[:] = np.sort(mine)
        filled = 0
        for at in range(len(mine)):
            if at == 0 or mine[at] != mine[filled - 1]:
                mine[filled] = mine[at]
                filled += 1
        sets.ends[row] = sets.starts[row] + filled


@kernel
def _prefixes(sets: Sets, least: float, keys: NDArray[np.uint64], rows: NDArray[np.int32]) -> int:
    """Write the shingles of which two rows of the least similarity must share one, if there is room; count them."""
    filled = 0
    for row in range(len(sets.ends)):
        start, end = sets.starts[row], sets.ends[row]
        spare = end - start - int(np.ceil(least * (end - start) - 1e-9))
        for at in range(start, min(end, start + spare + 1)):
            if sets.values[at] >> np.uint64(56) > 1:
                if len(keys):
                    keys[filled] = sets.values[at]
                    rows[filled] = row
                filled += 1
    return filled


@kernel
def _similarity(sets: Sets, one: int, other: int, first: np.uint64) -> float:
    """The Jaccard similarity of two rows; 0 if another shingle than `first` is the first that they share."""
    at, end, other_at, other_end = sets.starts[one], sets.ends[one], sets.starts[other], sets.ends[other]
    total = (end - at) + (other_end - other_at)
    common = 0
    while at < end and other_at < other_end:
        left, right = sets.values[at], sets.values[other_at]
        if left == right:
            if common == 0 and left != first:
                return 0.0
            common += 1
        at += left <= right
        other_at += right <= left
    return float(common / (total - common))


@kernel
def _pairs(
    sets: Sets,
    least: float,
    entries: tuple[NDArray[np.uint64], NDArray[np.int32]],
    pairs: NDArray[np.int64],
    jaccard: NDArray[np.float64],
) -> int:
    """Write the pairs that share an entry and are alike, if there is room; count them."""
    keys, rows = entries
    filled = 0
    for at in range(len(keys)):
        back = at - 1
        while back >= 0 and keys[back] == keys[at]:
            one, other = rows[at], rows[back]
            similarity = _similarity(sets, one, other, keys[at])
            if similarity >= least:
                if len(jaccard):
                    pairs[filled, 0], pairs[filled, 1] = min(one, other), max(one, other)
                    jaccard[filled] = similarity
                filled += 1
            back -= 1
    return filled
