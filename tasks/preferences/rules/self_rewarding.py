"""What a model itself rates highest over what it rates lowest: Yuan et al. 2024, Self-Rewarding Language Models.

arXiv 2401.10020, § 2.3: of a prompt's answers the one that the model gives the highest score and the one with the
lowest; none where these are equal.
"""

from collections.abc import Sequence
from functools import partial

from pydantic import Field

from schemas.base import ConfigBase
from tasks.preferences.contract import Candidate, Choice, Need, Rule


class Config(ConfigBase):
    """Whose ratings."""

    judge: str = Field(
        description="one of the recipe's judges, of a kind that rates traces one by one; its ratings of traces that "
        "other models sampled do not count"
    )


def build(config: Config) -> Rule:
    """The rule with these settings; its margin is the difference of ratings.

    A trace that is known to be incorrect is never chosen.
    """
    return Rule(
        partial(_choose, config.judge),
        frozenset({Need.UNJUDGED}),
        judge=config.judge,
        kinds=("aspects", "grade"),
        rated=True,
    )


def _choose(judge: str, candidates: Sequence[Candidate], /) -> list[Choice] | str:
    rated = [one for one in candidates if judge in one.own and judge in one.ratings]
    if len(rated) < 2:
        return "fewer than two traces that their own model rates"
    sound = [one for one in rated if one.correct is not False]
    if not sound:
        return "all rated traces are incorrect"
    chosen = max(sound, key=lambda one: one.ratings[judge])
    rejected = min(rated, key=lambda one: one.ratings[judge])
    margin = chosen.ratings[judge] - rejected.ratings[judge]
    return [Choice(chosen, rejected, margin)] if margin > 0 else "the highest rating is the lowest"
