"""Texts of pairs: which are the same, and how many leading steps two share."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.rows import flat
from tasks.text.kernels import WORD_SEED, WORD_STEP, kernel, mix
from tasks.text.strings import Strings, Texts, map_batches

_PAIRS: Final = 1 << 15


class TextKeys(NamedTuple):
    """Two hashes of each text: both take every run of ASCII whitespace for one blank, and none at the ends."""

    exact: NDArray[np.uint64]
    folded: NDArray[np.uint64]
    """The same for ASCII letters in capitals, too."""


def text_keys(texts: Texts) -> TextKeys:
    """Both hashes of each text."""
    parts = map_batches(texts, _batch_keys)
    return TextKeys(*np.concatenate(parts, axis=1)) if parts else TextKeys(*np.empty((2, 0), np.uint64))


def shared_prefix(traces: pa.Table, chosen: NDArray[np.int64], rejected: NDArray[np.int64]) -> Iterator[int]:
    """For each pair of rows of `traces` (text, step_offsets): how many leading steps are the same in both."""
    texts, offsets = flat(traces["text"]), traces["step_offsets"].combine_chunks()
    for start in range(0, len(chosen), _PAIRS):
        sides = [rows[start : start + _PAIRS] for rows in (chosen, rejected)]
        columns: list[list[Any]] = [column.take(rows).to_pylist() for rows in sides for column in (texts, offsets)]
        yield from map(_shared, *columns)


def _shared(one: str, one_offsets: list[int], other: str, other_offsets: list[int]) -> int:
    steps = zip(pairwise([*one_offsets, len(one)]), pairwise([*other_offsets, len(other)]), strict=False)
    count = 0
    for (start, end), other_span in steps:
        if other_span != (start, end) or one[start:end] != other[start:end]:
            break
        count += 1
    return count


def _batch_keys(texts: Strings) -> NDArray[np.uint64]:
    return _keys(texts.data, texts.starts, texts.ends)


@kernel
def _keys(data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.uint64]:
    keys = np.empty((2, len(starts)), np.uint64)
    for row in range(len(starts)):
        exact = folded = WORD_SEED
        blank = False
        for at in range(starts[row], ends[row]):
            byte = data[at]
            if byte == 32 or 9 <= byte <= 13:
                blank = True
            else:
                if blank and exact != WORD_SEED:
                    exact = (exact ^ np.uint64(32)) * WORD_STEP
                    folded = (folded ^ np.uint64(32)) * WORD_STEP
                exact = (exact ^ np.uint64(byte)) * WORD_STEP
                folded = (folded ^ np.uint64(byte | 32 if 65 <= byte <= 90 else byte)) * WORD_STEP
                blank = False
        keys[0, row] = mix(exact)
        keys[1, row] = mix(folded)
    return keys
