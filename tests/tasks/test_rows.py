import numpy as np
import pyarrow as pa

from tasks.rows import flat, positions, taken


def test_positions() -> None:
    among = pa.chunked_array([["a", "b"], ["c"]], pa.string())
    assert positions(pa.chunked_array([["c", "x"], ["a"]], pa.string()), among).tolist() == [2, -1, 0]
    assert positions(pa.chunked_array([[]], pa.string()), among).tolist() == []
    assert positions(among, among.slice(0, 0)).tolist() == [-1, -1, -1]


def test_what_is_not_there_is_null() -> None:
    column = pa.chunked_array([["a"], ["b", "c"]], pa.string())
    assert taken(column, np.array([2, -1, 0])).to_pylist() == ["c", None, "a"]
    assert taken(column.slice(0, 0), np.array([-1, -1])).to_pylist() == [None, None]


def test_flat_joins_chunks() -> None:
    column = flat(pa.chunked_array([["a"], [], ["b", "é"]], pa.string()))
    assert column.type == pa.large_string()
    assert column.to_pylist() == ["a", "b", "é"]
    assert flat(pa.chunked_array([], pa.string())).to_pylist() == []
