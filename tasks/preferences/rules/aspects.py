"""The best rated over a worse one: Lambert et al. 2024, Tülu 3 (arXiv 2411.15124), § 5.1, after UltraFeedback.

A judge rates aspects of each answer. Chosen is the answer with the highest mean, rejected a random one of those with a
lower mean; random as their ids are.
"""

from collections.abc import Sequence
from functools import partial

from pydantic import Field

from schemas.base import ConfigBase
from tasks.preferences.contract import Candidate, Choice, Need, Rule


class Config(ConfigBase):
    """Whose ratings."""

    judge: str = Field(description="one of the recipe's judges, of kind aspects")


def build(config: Config) -> Rule:
    """The rule with these settings; its margin is the difference of ratings.

    A trace that is known to be incorrect is never chosen.
    """
    return Rule(
        partial(_choose, config.judge), frozenset({Need.UNJUDGED}), judge=config.judge, kinds=("aspects",), rated=True
    )


def _choose(judge: str, candidates: Sequence[Candidate], /) -> list[Choice] | str:
    rated = [one for one in candidates if judge in one.ratings]
    if len(rated) < 2:
        return f"fewer than two traces that {judge} rates"
    sound = [one for one in rated if one.correct is not False]
    if not sound:
        return "all rated traces are incorrect"
    # The first of equals, in an order as good as random.
    chosen = max(sound, key=lambda one: one.ratings[judge])
    lower = [one for one in rated if one.ratings[judge] < chosen.ratings[judge]]
    if not lower:
        return "no trace rated lower than the best"
    return [Choice(chosen, lower[0], chosen.ratings[judge] - lower[0].ratings[judge])]
