"""Whether a run yields much less than those before it."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from pydantic import Field

from schemas.base import ConfigBase
from schemas.refs import Snapshot
from schemas.summary import Summary

_FEWEST: int = 2
"""Earlier runs that a comparison needs."""


class AlarmConfig(ConfigBase):
    """When a run's yield is an alarm."""

    share: float = Field(
        default=0.5, gt=0, le=1, description="the least part of what the runs before yielded, by their median"
    )
    runs: int = Field(default=5, ge=_FEWEST, description="compare with so many runs before")


class LowYield(NamedTuple):
    """A run that yielded little: its new correct traces, and the median of those before it."""

    accepted: int
    usual: float
    runs: int

    def __str__(self) -> str:
        return (
            f"{self.accepted:,} new correct traces were kept; the median of the {self.runs} runs before is "
            f"{self.usual:,.0f}"
        )


def low_yield(before: Sequence[Snapshot], now: Summary, config: AlarmConfig) -> LowYield | None:
    """The run's yield if it is low; None if it is not, if the run sampled nothing, or fewer than two did before it.

    Args:
        before: The recipe's earlier runs, oldest first, as the lake has them.
        now: The run's numbers.
        config: What is low.
    """
    counted = [_Counts.of(one.summary) for one in before if one.summary]
    earlier = _yields([_Counts(0, 0), *counted])[-config.runs :]
    mine = _yields([counted[-1] if counted else _Counts(0, 0), _Counts.of(now)])
    if not mine or len(earlier) < _FEWEST:
        return None
    usual = median(earlier)
    return LowYield(mine[0], usual, len(earlier)) if mine[0] < config.share * usual else None


class _Counts(NamedTuple):
    tokens: int
    accepted: int

    @classmethod
    def of(cls, summary: Summary) -> "_Counts":
        return cls(summary.tokens or 0, summary.accepted)


def _yields(counted: Sequence[_Counts]) -> list[int]:
    """New correct traces of each run that sampled, which are those that have more tokens than the run before."""
    return [max(0, new.accepted - old.accepted) for old, new in pairwise(counted) if new.tokens > old.tokens]
