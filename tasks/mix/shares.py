"""Rows divided among groups, and groups within them: by weights, caps, and how often a row may be repeated.

Seats are given by Webster's method (Balinski and Young 1982, Fair Representation): the largest remainder may take a
row away again when more are asked for (the Alabama paradox), and what was chosen has to stay.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
NO_LIMIT: Final = 2**53
_ROUNDING: Final = 1e-9


class Level(NamedTuple):
    """How rows fall into groups."""

    names: Sequence[str]
    codes: Whole
    """The position in `names` of each row's group."""
    weights: NDArray[np.float64] | None
    """Of each name; None: each gives what it has."""
    named: NDArray[np.bool_]
    """Which names are a share that is wanted even where nothing has them."""
    most: Whole
    """Of each name: NO_LIMIT where nothing is said."""
    up: Whole
    """Of each name: 0 where the level above says it."""


class Share(NamedTuple):
    """What a group without groups in it comes to."""

    path: tuple[str, ...]
    rows: Whole
    """Its rows, those that are taken first standing first."""
    wanted: float
    """The rows that its weights ask for."""
    taken: int
    """The rows it gives, repeated ones counted as often as they are repeated."""
    capped: bool
    """Whether it, or a group that it is in, has reached its cap."""
    weightless: bool

    @property
    def repeats(self) -> Whole:
        """How often each of `rows` is taken: whole passes over all, then the first once more."""
        if not len(self.rows):
            return np.empty(0, np.int64)
        passes, rest = divmod(self.taken, len(self.rows))
        return passes + (np.arange(len(self.rows)) < rest)


def divided(rows: Whole, levels: Sequence[Level], count: int | None) -> list[Share]:
    """Divide rows among the groups of all levels.

    Args:
        rows: in the order in which they are taken.
        levels: the outermost first.
        count: how many are wanted in all; None: as many as the weights allow. There are fewer where the groups have no
            more, repeated as often as they may be to reach their own shares.
    """
    whole = _Group((), rows, tuple(levels))
    total = whole.alone if count is None else count
    return list(_shared(whole, total, float(total), capped=False, weightless=False))


def apportioned(total: int, weights: NDArray[np.float64], most: Whole) -> Whole:
    """Give each group its part of `total` by Webster's method, none more than `most`; what one cannot take goes on.

    Of a larger total each group gets at least as much. A group of weight 0 gets nothing.
    """
    most = np.where(weights > 0, most, 0)
    total = min(total, int(most.sum()))
    return _seated(_fewer(total - len(weights), weights, most), total, weights, most)


def _seated(given: Whole, total: int, weights: NDArray[np.float64], most: Whole) -> Whole:
    """With more rows, one by one, to whom the method gives the next."""
    given = given.copy()
    waiting = [(-weights[at] / (2 * given[at] + 1), at) for at in np.flatnonzero(given < most).tolist()]
    heapq.heapify(waiting)
    for _ in range(total - int(given.sum())):
        at = waiting[0][1]
        given[at] += 1
        if given[at] < most[at]:
            heapq.heapreplace(waiting, (-weights[at] / (2 * given[at] + 1), at))
        else:
            heapq.heappop(waiting)
    return given


def _fewer(total: int, weights: NDArray[np.float64], most: Whole) -> Whole:
    """What the method gives of a somewhat smaller number: its rounded shares, from where seats are given one by one."""
    nothing = np.zeros(len(weights), np.int64)
    if total <= 0:
        return nothing
    low, high = 0.0, float(most.max()) / float(weights[weights > 0].min())
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.minimum(most, weights * middle).sum() < total else (low, middle)
    found = np.floor(np.minimum(most, weights * low + 0.5)).astype(np.int64)
    return found if found.sum() <= total + len(weights) else nothing


@dataclass(frozen=True, eq=False)
class _Group:
    path: tuple[str, ...]
    rows: Whole
    levels: tuple[Level, ...]
    up: int = 1
    most: int = NO_LIMIT
    by: float | None = None
    """Its weight; None: by what it has."""

    @cached_property
    def groups(self) -> list["_Group"]:
        """Those in it that have rows, or are wanted."""
        level, *rest = self.levels
        codes = level.codes[self.rows]
        there = level.named | (np.bincount(codes, minlength=len(level.names)) > 0)
        return [
            _Group(
                (*self.path, level.names[at]),
                self.rows[codes == at],
                tuple(rest),
                int(level.up[at]) or self.up,
                int(level.most[at]),
                None if level.weights is None else float(level.weights[at]),
            )
            for at in np.flatnonzero(there).tolist()
        ]

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """Of the groups in it."""
        return np.array([one.alone if one.by is None else one.by for one in self.groups], np.float64)

    @cached_property
    def room(self) -> int:
        """The most rows that it can give, whatever the weights in it."""
        if not self.levels:
            return min(self.most, len(self.rows) * self.up)
        return min(self.most, sum(one.room for one in self.groups if one.by != 0))

    @cached_property
    def single(self) -> int:
        """The same without repeating any."""
        if not self.levels:
            return min(self.most, len(self.rows))
        return min(self.most, sum(one.single for one in self.groups if one.by != 0))

    @cached_property
    def exact(self) -> int:
        """The most rows that it can give with every weight in it kept; groups that have no rows are passed over."""
        if not self.levels:
            return self.room
        if self.levels[0].weights is None:
            return min(self.most, sum(one.exact for one in self.groups))
        there = [(one.exact, by) for one, by in zip(self.groups, self.weights, strict=True) if by > 0 and one.exact]
        every = sum(by for _, by in there)
        return min([self.most, *(int(exact * every / by + _ROUNDING) for exact, by in there)]) if there else 0

    @cached_property
    def alone(self) -> int:
        """The rows that it gives where nobody asks for more."""
        if not self.levels:
            return min(self.most, len(self.rows))
        if self.levels[0].weights is None:
            return min(self.most, sum(one.alone for one in self.groups))
        return self.exact

    def parts(self, total: int) -> Whole:
        """What each of its groups gives of so many rows.

        Rows are repeated to reach a group's own share. What is missing then comes from rows of the others that are not
        repeated; inside a group, whose share is given already, from repeated ones too.
        """
        weights = self.weights
        single, room = (np.array([getattr(one, name) for one in self.groups], np.int64) for name in ("single", "room"))
        own = apportioned(total, weights, np.full(len(weights), total, np.int64))
        given = apportioned(total, weights, np.maximum(single, np.minimum(room, own)))
        room = np.where(weights > 0, room, 0)
        return _seated(given, min(total, int(room.sum())), weights, room) if self.path else given


def _shared(group: _Group, taken: int, wanted: float, *, capped: bool, weightless: bool) -> Iterator[Share]:
    capped = capped or taken == group.most
    if not group.levels:
        yield Share(group.path, group.rows, wanted, taken, capped, weightless)
        return
    weights = group.weights
    every = float(weights.sum()) or 1.0
    for one, by, rows in zip(group.groups, weights.tolist(), group.parts(taken).tolist(), strict=True):
        yield from _shared(one, rows, wanted * by / every, capped=capped, weightless=weightless or one.by == 0)
