from random import Random

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tasks.rows import firsts, flat, positions, taken


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


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=20), st.integers(1, 3), st.randoms())
def test_firsts_of_each_group(found: list[tuple[int, bool]], count: int, random: Random) -> None:
    groups = np.array([group for group, _ in found], np.int64)
    ranked = [row for row, (_, there) in enumerate(found) if there]
    random.shuffle(ranked)
    kept = [row for at, row in enumerate(ranked) if sum(groups[other] == groups[row] for other in ranked[:at]) < count]
    assert firsts(np.array(ranked, np.int64), groups, count).tolist() == sorted(kept)
