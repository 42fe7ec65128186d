"""Arrow columns of binaries that hold numbers, little-endian, and the arrays that kernels read."""

from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.text.ragged import Ragged

Binaries: TypeAlias = "pa.Array[Any] | pa.ChunkedArray[Any]"
_WORD = 8


def packed(values: "NDArray[Any]") -> "pa.Array[Any]":
    """Each row of a two-dimensional array as one binary, all of one width."""
    width = values.shape[1] * values.itemsize
    return pa.Array.from_buffers(pa.binary(width), len(values), [None, _buffer(values)])


def packed_rows(rows: Ragged) -> "pa.Array[Any]":
    """Each row's values as one binary."""
    offsets = (rows.offsets * _WORD).astype(np.int64)
    return pa.Array.from_buffers(pa.large_binary(), len(offsets) - 1, [None, _buffer(offsets), _buffer(rows.values)])


def unpacked(column: Binaries) -> NDArray[np.uint8]:
    """The bytes of all rows, one row's after the other."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return np.concatenate([np.empty(0, np.uint8), *map(_bytes, chunks)])


def unpacked_rows(column: Binaries) -> Ragged:
    """The values of each row, of 64 bits."""
    strings: Any = column
    lengths = np.asarray(pc.binary_length(strings)) // _WORD
    return Ragged(unpacked(column).view(np.uint64), np.concatenate([[0], np.cumsum(lengths)]))


def _buffer(values: "NDArray[Any]") -> pa.Buffer:
    return pa.py_buffer(np.ascontiguousarray(values).data)


def _bytes(chunk: "pa.Array[Any]") -> NDArray[np.uint8]:
    wide = chunk.cast(pa.large_binary())
    _, offsets, data = wide.buffers()
    if not len(wide) or offsets is None:
        return np.empty(0, np.uint8)
    bounds = np.frombuffer(memoryview(offsets), np.int64)
    return np.frombuffer(memoryview(data or b""), np.uint8)[bounds[wide.offset] : bounds[wide.offset + len(wide)]]
