"""Rows of one table found from another, by ids and by position."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def positions(ids: "pa.ChunkedArray[Any]", among: "pa.ChunkedArray[Any]") -> NDArray[np.int64]:
    """The position of each id in `among`, -1 where it has none."""
    found: Any = pc.index_in(ids, value_set=among.combine_chunks())
    return np.array(found.fill_null(-1), np.int64)


def taken(column: "pa.ChunkedArray[Any]", rows: NDArray[np.int64]) -> "pa.ChunkedArray[Any]":
    """A column's values at these positions, null where one is -1."""
    places: Any = pa.array(rows, pa.int64(), mask=rows < 0)
    found: pa.ChunkedArray[Any] = column.take(places)
    return found


def flat(texts: "pa.ChunkedArray[Any]") -> pa.LargeStringArray:
    """A string column as one array to take rows from.

    Taking from a chunked column joins its chunks at each call, and fails where they hold more than 2 GiB.
    """
    array: Any = texts.cast(pa.large_string()).combine_chunks()
    joined: pa.LargeStringArray = array
    return joined


def firsts(ranked: NDArray[np.int64], groups: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The first `count` of each group of the rows `ranked`, best first, in order; `groups[row]` is a row's group."""
    together = ranked[np.argsort(groups[ranked], kind="stable")]
    starts = np.flatnonzero(np.diff(groups[together], prepend=-1))
    place = np.arange(len(together)) - np.repeat(starts, np.diff(starts, append=len(together)))
    return np.sort(together[place < count])
