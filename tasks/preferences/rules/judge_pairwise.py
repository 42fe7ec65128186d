"""What a judge prefers when shown two traces, in both orders: Zheng et al. 2023 (arXiv 2306.05685, § 3.4).

Each match that both orders give to the same trace is a pair; or the trace that wins most of its matches is chosen over
the one that wins fewest.
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal

from pydantic import Field

from schemas.base import ConfigBase
from tasks.preferences.contract import Candidate, Choice, Need, Rule


class Config(ConfigBase):
    """Whose preferences, and how they become pairs."""

    judge: str = Field(description="one of the recipe's judges, of kind pairwise")
    pairs: Literal["matches", "best_vs_worst"] = Field(
        default="matches", description="a pair for each match that was won, or one of the best and the worst win rate"
    )
    pairs_per_problem: int = Field(10, gt=0, description="at most so many matches, the clearest first")


def build(config: Config) -> Rule:
    """The rule with these settings.

    Its margin is the winner's wins less its losses, by matches; or the difference of win rates. A trace that is known
    to be incorrect is never chosen.
    """
    choose = _matches if config.pairs == "matches" else _best_vs_worst
    return Rule(
        partial(choose, config), frozenset({Need.UNJUDGED}), judge=config.judge, kinds=("pairwise",), rated=True
    )


def _matches(config: Config, candidates: Sequence[Candidate], /) -> list[Choice] | str:
    place = {one.row: at for at, one in enumerate(candidates)}
    won = [
        Choice(one, candidates[place[row]], margin)
        for one in candidates
        if one.correct is not False
        for row, margin in one.beats.get(config.judge, {}).items()
        if row in place
    ]
    if not won:
        return "no match that both orders give to the same trace"
    won.sort(key=lambda one: (-(one.margin or 0), place[one.chosen.row], place[one.rejected.row]))
    return won[: config.pairs_per_problem]


def _best_vs_worst(config: Config, candidates: Sequence[Candidate], /) -> list[Choice] | str:
    judge = config.judge
    rated = [one for one in candidates if judge in one.ratings]
    sound = [one for one in rated if one.correct is not False]
    if len(rated) < 2 or not sound:
        return "fewer than two traces in matches" if len(rated) < 2 else "all rated traces are incorrect"
    best = max(sound, key=lambda one: one.ratings[judge])
    worst = min(rated, key=lambda one: one.ratings[judge])
    margin = best.ratings[judge] - worst.ratings[judge]
    return [Choice(best, worst, margin)] if margin > 0 else "all win rates are equal"
