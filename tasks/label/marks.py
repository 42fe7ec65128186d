"""What a reviewer said of a trace, as exported batches have it, and what that says of the trace's own steps."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.reviews import trainable
from tasks.sources import Row


class Mark(BaseModel):
    """A line of an exported batch, as far as it tells of steps."""

    model_config = ConfigDict(frozen=True)

    trace_id: str
    reviewer: str
    first_wrong: int
    """-1: none."""
    ratings: tuple[Literal[-1, 0, 1] | None, ...] = ()
    offsets: tuple[int, ...] | None = None
    """Where the reviewer's own steps start; None: as the trace's do."""
    verdict: int | None = None
    """The first wrong step, of the trace's own, that was settled on."""
    settled: str | None = None
    """How: `agreed` or `adjudicated`."""

    def on(self, offsets: Sequence[int]) -> "Said":
        """What it says of the steps that start at `offsets`.

        The first wrong step is the one in which the reviewer's begins; before it, a step is rated as the worst of the
        reviewer's steps that it overlaps. Steps without a rating are right: the reviewer went on past them.
        """
        own = self.offsets or tuple(offsets)
        if not 0 <= self.first_wrong < len(own):
            first, count = -1, len(offsets)
        else:
            first = count = bisect_right(offsets, own[self.first_wrong]) - 1
        rated = {at: rating for at, rating in enumerate(self.ratings) if rating is not None}
        starts = [*offsets, None]
        scores = []
        for start, end in list(pairwise(starts))[:count]:
            last = len(own) if end is None else bisect_right(own, (end or 1) - 1)
            over = range(bisect_right(own, start or 0) - 1, last)
            scores.append(min(max(0, rated.get(at, 1)) for at in over))
        return Said(first, tuple((1 + one) / 2 for one in scores))


class Said(NamedTuple):
    """A reviewer's word on a trace's own steps."""

    first_wrong: int
    """-1: none."""
    scores: tuple[float, ...]
    """Of each step before it: 1 for right, 0.5 for one that adds nothing."""


class Marked(NamedTuple):
    """What was read of exported batches."""

    by_trace: dict[str, list[Mark]]
    unreadable: list[str]
    """Where lines stand that say nothing which can be understood."""


def marks(lines: Iterable[Row]) -> Marked:
    """What reviewers marked; a round that was left without a mark is none."""
    found: defaultdict[str, list[Mark]] = defaultdict(list)
    lost = []
    for row in lines:
        if not trainable(row) or (not row.fault and row.values.get("first_wrong", -1) is None):
            continue
        try:
            one = Mark.model_validate(row.values)
        except ValidationError:
            lost.append(row.place)
        else:
            found[one.trace_id].append(one)
    return Marked(dict(found), lost)
