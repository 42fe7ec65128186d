"""Arrow string columns as the byte buffers that kernels read, in batches and without copying."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.errors import SchemaError

Texts: TypeAlias = "pa.ChunkedArray[Any] | pa.Array[Any]"

R = TypeVar("R")

BATCH_BYTES: Final = 1 << 20


class Strings(NamedTuple):
    """Some rows of a column: row `rows[i]` is `data[starts[i]:ends[i]]`, in UTF-8."""

    rows: NDArray[np.int64]
    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def only(self, wanted: NDArray[np.bool_]) -> "Strings":
        """Those of these rows that `wanted`, which has a flag for every row of the column, names."""
        here = wanted[self.rows]
        return Strings(self.rows[here], self.data, self.starts[here], self.ends[here])


def batches(texts: Texts, *, size: int = BATCH_BYTES) -> Iterator[Strings]:
    """Yield the rows of a string column in order, about `size` bytes at a time and at least one row.

    Raises:
        SchemaError: the column is neither `string` nor `large_string`, or has nulls.
    """
    if texts.null_count:
        raise SchemaError(f"texts: {texts.null_count} of {len(texts)} values are null; none may be")
    before = 0
    for chunk in texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]:
        data, offsets = _buffers(chunk)
        start = 0
        while start < len(chunk):
            stop = max(start + 1, int(np.searchsorted(offsets, offsets[start] + size, side="right")) - 1)
            yield Strings(
                np.arange(before + start, before + stop), data, offsets[start:stop], offsets[start + 1 : stop + 1]
            )
            start = stop
        before += len(chunk)


def _buffers(chunk: "pa.Array[Any]") -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    if chunk.type not in (pa.string(), pa.large_string()):
        raise SchemaError(f"texts: a column of {chunk.type} is no text; cast it to string")
    _, offsets, data = chunk.buffers()
    if not len(chunk) or offsets is None:
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    bounds = np.frombuffer(memoryview(offsets), np.int32 if chunk.type == pa.string() else np.int64)
    # A slice shares its parent's buffers: its rows begin at `chunk.offset`.
    here = bounds[chunk.offset : chunk.offset + len(chunk) + 1].astype(np.int64)
    return np.frombuffer(memoryview(data or b""), np.uint8), here


def map_batches(texts: Texts, work: Callable[[Strings], R], *, size: int = BATCH_BYTES) -> list[R]:
    """Do `work`, which should leave the interpreter's lock to others, for every batch, on all cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, batches(texts, size=size)))
