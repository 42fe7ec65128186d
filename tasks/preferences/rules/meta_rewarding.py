"""The better of a judge's judgements on a trace over the worse: Wu et al. 2024, Meta-Rewarding (arXiv 2407.19594).

A meta-judge compares judgements on one trace; the one it ranks highest is chosen over the one it ranks lowest. Such
pairs train the judge. The paper ranks by Elo scores, here ratings are shares of wins. Of its length control, where of
answers with close scores the shortest is chosen, the same is done to judgements, for a judge tends to like long ones.
"""

from collections.abc import Sequence
from functools import partial

from pydantic import Field

from schemas.base import ConfigBase
from tasks.preferences.contract import Candidate, Choice, Of, Rule


class Config(ConfigBase):
    """Whose ratings, and which of them are as good as equal."""

    judge: str = Field(description="one of the recipe's judges, of kind meta")
    near: float = Field(
        0.1,
        ge=0,
        lt=0.5,
        description="ratings within this share of the range from lowest to highest are near-equal: of the judgements "
        "so near the highest the shortest is chosen, of those so near the lowest the longest is rejected",
    )


def build(config: Config) -> Rule:
    """The rule with these settings; its margin is the difference of ratings."""
    return Rule(partial(_choose, config), judge=config.judge, kinds=("meta",), rated=True, of=Of.JUDGEMENTS)


def _choose(config: Config, candidates: Sequence[Candidate], /) -> list[Choice] | str:
    rated = [(one.ratings[config.judge], one) for one in candidates if config.judge in one.ratings]
    if len(rated) < 2:
        return "fewer than two rated judgements on a trace"
    highest, lowest = max(rating for rating, _ in rated), min(rating for rating, _ in rated)
    if highest == lowest:
        return "judgements rated alike"
    slack = config.near * (highest - lowest)
    good, chosen = min((one for one in rated if one[0] >= highest - slack), key=lambda one: one[1].length)
    bad, rejected = max((one for one in rated if one[0] <= lowest + slack), key=lambda one: one[1].length)
    return [Choice(chosen, rejected, good - bad)]
