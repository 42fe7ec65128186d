"""Right answers over wrong ones: Pang et al. 2024, Iterative Reasoning Preference Optimization (arXiv 2404.19733), § 2.

Winners are the correct traces of a problem, losers the incorrect ones; K pairs of them, 10 in the paper.
"""

from collections.abc import Sequence
from functools import partial
from math import lcm

from pydantic import Field

from schemas.base import ConfigBase
from tasks.preferences.contract import Candidate, Choice, Rule


class Config(ConfigBase):
    """How many pairs."""

    pairs_per_problem: int = Field(10, gt=0, description="the paper's K; fewer where there are fewer distinct pairs")


def build(config: Config) -> Rule:
    """The rule with these settings."""
    return partial(_choose, config)


def _choose(config: Config, candidates: Sequence[Candidate], /) -> list[Choice] | str:
    winners = [one for one in candidates if one.correct]
    losers = [one for one in candidates if not one.correct]
    if not winners or not losers:
        return f"no {'incorrect' if winners else 'correct'} trace"
    count = min(config.pairs_per_problem, len(winners) * len(losers))
    # Both wheels turn by one a pair, so that all are used evenly; after a common turn one is shifted, or pairs recur.
    turn = lcm(len(winners), len(losers))
    return [_pair(winners[i % len(winners)], losers[(i + i // turn) % len(losers)]) for i in range(count)]


def _pair(winner: Candidate, loser: Candidate) -> Choice:
    margin = None if winner.score is None or loser.score is None else winner.score - loser.score
    return Choice(winner, loser, margin)
