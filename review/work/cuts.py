"""Where a reviewer's own steps start, and how steps are rated."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from review.wire import Rating
from schemas.errors import ReviewError

_GOOD = (0, 1)


def checked_cuts(offsets: Sequence[int], text: str) -> list[int]:
    """A reviewer's own cuts, which keep every character: the first at 0, each after the one before.

    Raises:
        ReviewError: they do not.
    """
    if list(offsets[:1]) != [0] or any(one >= next_ for one, next_ in pairwise([*offsets, len(text)])):
        raise ReviewError(f"offsets: the first is 0, each is after the one before it, and below {len(text)}")
    return list(offsets)


def rated(ratings: Sequence[Rating], first_wrong: int, steps: int) -> list[Rating]:
    """A mark's ratings of all steps: 0 or 1 before the first wrong one (1 where none is given), null after it.

    Raises:
        ReviewError: there is no such step, or ratings say otherwise; or none is wrong and not all are rated.
    """
    if len(ratings) != steps:
        raise ReviewError(f"ratings: {len(ratings)} for {steps} steps; send one for each, null where there is none")
    if first_wrong >= steps:
        raise ReviewError(f"first_wrong: there is no such step, the trace has {steps}")
    if first_wrong < 0:
        if not all(one in _GOOD for one in ratings):
            raise ReviewError("ratings: if no step is wrong, rate every one 0 or 1")
        return list(ratings)
    before = [1 if one is None else one for one in ratings[:first_wrong]]
    if -1 in before:
        raise ReviewError("ratings: a step before the first wrong one is rated wrong")
    return [*before, -1, *[None] * (steps - first_wrong - 1)]


def carried(ratings: Sequence[Rating], step: int, steps: int) -> list[Rating]:
    """Ratings to begin the next round with: those before the rewritten step stay, it is right, later ones are open."""
    return ([*ratings[:step], 1] + [None] * steps)[:steps]


def own_step(offsets: Sequence[int], cut: Sequence[int] | None, step: int) -> int:
    """Which of the trace's own steps (they start at `offsets`) one of the reviewer's starts in; -1 stays."""
    return step if cut is None or step < 0 else bisect_right(offsets, cut[step]) - 1
