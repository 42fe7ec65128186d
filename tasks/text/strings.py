"""Arrow string columns as the byte buffers that kernels read, in batches and without copying."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.errors import SchemaError

Texts: TypeAlias = "pa.ChunkedArray[Any] | pa.Array[Any]"
Parts: TypeAlias = Callable[[], Iterable[Texts]]
"""A column that is read anew, part by part, at each call: it is never in memory as a whole."""
Column: TypeAlias = "Texts | Parts"

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


def batches(texts: Column, *, size: int = BATCH_BYTES) -> Iterator[Strings]:
    """Yield the rows of a string column in order, about `size` bytes at a time and at least one row.

    Raises:
        SchemaError: the column is neither `string` nor `large_string`, or has nulls.
    """
    before = 0
    for part in texts() if callable(texts) else [texts]:
        if part.null_count:
            raise SchemaError(f"texts: {part.null_count} of {len(part)} values are null; none may be")
        for chunk in part.chunks if isinstance(part, pa.ChunkedArray) else [part]:
            data, offsets = _buffers(chunk)
            start = 0
            while start < len(chunk):
                stop = max(start + 1, int(np.searchsorted(offsets, offsets[start] + size, side="right")) - 1)
                rows = np.arange(before + start, before + stop)
                yield Strings(rows, data, offsets[start:stop], offsets[start + 1 : stop + 1])
                start = stop
            before += len(chunk)


def filtered(texts: Column, mask: NDArray[np.bool_]) -> Column:
    """The rows of a column that the mask names."""
    return filtered_parts(texts, mask) if callable(texts) else texts.filter(pa.array(mask))


def filtered_parts(texts: Parts, mask: NDArray[np.bool_]) -> Parts:
    """The same of a column that is read part by part."""

    def parts() -> Iterator[Texts]:
        before = 0
        for part in texts():
            yield part.filter(pa.array(mask[before : before + len(part)]))
            before += len(part)

    return parts


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


def map_batches(
    texts: Column, work: Callable[[Strings], R], *, size: int = BATCH_BYTES, threads: int | None = None
) -> list[R]:
    """Do `work`, which should leave the interpreter's lock to others, for every batch; on all cores unless told."""
    threads = threads or os.cpu_count() or 1
    done: list[R] = []
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for batch in batches(texts, size=size):
            waiting.append(pool.submit(work, batch))
            if len(waiting) > 2 * threads:  # more of them would hold a column in memory that is read part by part
                done.append(waiting.popleft().result())
        return done + [one.result() for one in waiting]
