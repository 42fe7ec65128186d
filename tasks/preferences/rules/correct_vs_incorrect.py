"""Right answers over wrong ones: Pang et al. 2024, Iterative Reasoning Preference Optimization (arXiv 2404.19733), § 2.

Winners are the correct traces of a problem and its reference solution, losers the incorrect ones; K pairs of them, 10
in the paper.
"""

from collections.abc import Sequence
from functools import partial

from pydantic import Field

from schemas.base import ConfigBase
from tasks.preferences.contract import Candidate, Choice, Need, Rule, evenly


class Config(ConfigBase):
    """How many pairs, and of what."""

    pairs_per_problem: int = Field(10, gt=0, description="the paper's K; fewer where there are fewer distinct pairs")
    gold: bool = Field(
        default=True,
        description="reference solutions that were imported (`model: gold`, or a source that begins with `gold` or "
        "`reference`) win, too; they never lose",
    )


def build(config: Config) -> Rule:
    """The rule with these settings; its margin is the difference of scores."""
    return Rule(partial(_choose, config), frozenset({Need.GOLD}))


def _choose(config: Config, candidates: Sequence[Candidate], /) -> list[Choice] | str:
    winners = [one for one in candidates if one.correct and (config.gold or not one.gold)]
    losers = [one for one in candidates if one.correct is False and not one.gold]
    if not winners or not losers:
        return f"no {'incorrect' if winners else 'correct'} trace"
    return evenly(winners, losers, config.pairs_per_problem)
