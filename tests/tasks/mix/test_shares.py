"""Seats by Webster's method, and rows in groups within groups: exact, within bounds, and stable when count grows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tasks.mix.shares import NO_LIMIT, Level, Share, apportioned, divided

WEIGHTS = st.one_of(st.just(0.0), st.floats(1e-6, 1e6), st.integers(1, 5).map(float))
GROUPS = st.lists(st.tuples(WEIGHTS, st.integers(0, 60)), min_size=1, max_size=8)


def arrays(groups: list[tuple[float, int]]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    return np.array([one for one, _ in groups], np.float64), np.array([one for _, one in groups], np.int64)


@given(groups=GROUPS, total=st.integers(0, 300))
@settings(max_examples=200, deadline=None)
def test_all_is_given_as_far_as_it_can_be_and_more_takes_nothing_away(
    groups: list[tuple[float, int]], total: int
) -> None:
    weights, most = arrays(groups)
    found = apportioned(total, weights, most)
    room = np.where(weights > 0, most, 0)
    assert (found <= room).all()
    assert found.sum() == min(total, room.sum())
    assert (apportioned(total + 1, weights, most) >= found).all()
    full = [at for at in range(len(groups)) if found[at] < room[at]]
    for one in np.flatnonzero(found):
        for other in full:
            assert weights[one] / (2 * found[one] - 1) >= weights[other] / (2 * found[other] + 1) * (1 - 1e-9)


def test_shares_are_exact_where_they_can_be() -> None:
    assert apportioned(2000, np.array([2.0, 1.0, 1.0]), np.array([9000] * 3)).tolist() == [1000, 500, 500]
    assert apportioned(10**6, np.array([0.3, 0.7]), np.array([NO_LIMIT] * 2)).tolist() == [300_000, 700_000]


def test_what_the_largest_remainder_would_take_away_stays() -> None:
    """The Alabama paradox: of 10 rows that gives the third group 2, of 11 only 1."""
    weights = np.array([6.0, 6.0, 2.0])
    found = [apportioned(total, weights, np.array([99] * 3)).tolist() for total in (10, 11)]
    assert found == [[5, 4, 1], [5, 5, 1]]


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, list[Level]]:
    """Some rows in two levels of groups."""
    size = draw(st.integers(0, 60))
    levels = []
    for names in ("abc", "xy"):
        codes = draw(st.lists(st.integers(0, len(names) - 1), min_size=size, max_size=size))
        weights = draw(st.none() | st.lists(WEIGHTS, min_size=len(names), max_size=len(names)))
        most = draw(st.lists(st.just(NO_LIMIT) | st.integers(1, 40), min_size=len(names), max_size=len(names)))
        up = draw(st.lists(st.integers(0, 4), min_size=len(names), max_size=len(names)))
        by = None if weights is None else np.array(weights)
        named = np.zeros(len(names), np.bool_) if by is None else by > 0
        levels.append(Level(list(names), np.array(codes, np.int64), by, named, np.array(most), np.array(up)))
    return size, levels


def times(found: list[Share], size: int) -> NDArray[np.int64]:
    repeats = np.zeros(size, np.int64)
    for one in found:
        repeats[one.rows] = one.repeats
    return repeats


@given(table=tables(), count=st.integers(1, 200), more=st.integers(1, 50))
@settings(max_examples=80, deadline=None)
def test_rows_in_groups(table: tuple[int, list[Level]], count: int, more: int) -> None:
    size, levels = table
    found = divided(np.arange(size), levels, count)
    repeats = times(found, size)
    assert sorted(row for one in found for row in one.rows.tolist()) == list(range(size))
    assert repeats.sum() == sum(one.taken for one in found) <= count
    assert (times(divided(np.arange(size), levels, count + more), size) >= repeats).all()
    outer, inner = levels
    for row in range(size):
        a, b = outer.codes[row], inner.codes[row]
        assert repeats[row] <= (inner.up[b] or outer.up[a] or 1)
        assert not repeats[row] or all(one.weights is None or one.weights[one.codes[row]] > 0 for one in levels)
    for at in range(3):
        assert repeats[outer.codes == at].sum() <= outer.most[at]
    for one in found:
        assert one.taken <= inner.most[inner.names.index(one.path[1])]
        passes = set(one.repeats.tolist())
        assert not passes or max(passes) - min(passes) <= 1
        assert one.repeats.tolist() == sorted(one.repeats.tolist(), reverse=True)


def level(
    codes: list[int], weights: list[float] | None, up: list[int] | None = None, most: list[int] | None = None
) -> Level:
    names = [f"n{at}" for at in range(max(codes) + 1)]
    by = None if weights is None else np.array(weights, np.float64)
    named = np.zeros(len(names), np.bool_) if by is None else by > 0
    limits = np.array(most or [NO_LIMIT] * len(names), np.int64)
    return Level(names, np.array(codes, np.int64), by, named, limits, np.array(up or [0] * len(names), np.int64))


@pytest.mark.parametrize(
    ("weights", "up", "count", "expected"),
    [
        (None, [1, 1, 1], None, [60, 20, 10]),
        (None, [1, 1, 9], None, [60, 20, 10]),
        ([2, 1, 1], [1, 1, 1], None, [20, 10, 10]),
        ([2, 1, 1], [1, 1, 4], None, [40, 20, 20]),
        ([2, 1, 1], [1, 1, 4], 80, [40, 20, 20]),
        ([2, 1, 1], [1, 1, 1], 80, [50, 20, 10]),
        ([2, 1, 1], [1, 1, 9], 100, [55, 20, 25]),
        ([2, 1, 1], [1, 1, 9], 1000, [60, 20, 90]),
        ([1, 0, 1], [1, 1, 1], None, [10, 0, 10]),
    ],
)
def test_what_weights_and_repeats_come_to(
    weights: list[float] | None, up: list[int], count: int | None, expected: list[int]
) -> None:
    """Rows are repeated to reach their group's own share, never to fill another's place."""
    one = level([0] * 60 + [1] * 20 + [2] * 10, weights, up)
    assert [share.taken for share in divided(np.arange(90), [one], count)] == expected


def test_a_cap_of_a_group_holds_over_all_in_it_and_is_told() -> None:
    outer = level([0] * 60 + [1] * 30, None, most=[12, NO_LIMIT])
    inner = level([0, 1, 2] * 30, [1, 1, 1])
    found = divided(np.arange(90), [outer, inner], None)
    assert [(one.path, one.taken, one.capped) for one in found] == [
        (("n0", "n0"), 4, True),
        (("n0", "n1"), 4, True),
        (("n0", "n2"), 4, True),
        (("n1", "n0"), 10, False),
        (("n1", "n1"), 10, False),
        (("n1", "n2"), 10, False),
    ]
