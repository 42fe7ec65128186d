"""Right answers over convincing wrong ones: those that a judge rates high, or that many traces come to.

Lightman et al. 2023, Let's Verify Step by Step (arXiv 2305.20050, § 4.2): wrong answers that are rated high teach more
than those that anybody would reject.
"""

from collections import Counter
from collections.abc import Sequence
from functools import partial

from pydantic import Field

from schemas.base import ConfigBase
from tasks.preferences.contract import Candidate, Choice, Need, Rule, by_score


class Config(ConfigBase):
    """What convinces, and how many pairs."""

    judge: str | None = Field(
        None,
        description="one of the recipe's judges: what it rates highest convinces; unless set, the wrong answer that "
        "most of the problem's incorrect traces give does",
    )
    least_votes: int = Field(2, gt=0, description="without a judge: so many incorrect traces have to give the answer")
    pairs_per_problem: int = Field(1, gt=0, description="so many incorrect traces, the most convincing first")


def build(config: Config) -> Rule:
    """The rule with these settings; its margin is the difference of scores."""
    choose = partial(_choose, config)
    if config.judge is None:
        return Rule(choose, frozenset({Need.ANSWER}))
    return Rule(choose, judge=config.judge, kinds=("aspects", "consistent", "grade", "pairwise"))


def _choose(config: Config, candidates: Sequence[Candidate], /) -> list[Choice] | str:
    winners = [one for one in candidates if one.correct]
    losers = [one for one in candidates if one.correct is False]
    if not winners or not losers:
        return f"no {'incorrect' if winners else 'correct'} trace"
    convincing = _voted(losers, config.least_votes) if config.judge is None else _rated(losers, config.judge)
    if isinstance(convincing, str):
        return convincing
    return [
        by_score(winners[at % len(winners)], loser) for at, loser in enumerate(convincing[: config.pairs_per_problem])
    ]


def _rated(losers: Sequence[Candidate], judge: str) -> list[Candidate] | str:
    """The highest rated first."""
    rated = [one for one in losers if judge in one.ratings]
    return sorted(rated, key=lambda one: -one.ratings[judge]) or f"no incorrect trace that {judge} rates"


def _voted(losers: Sequence[Candidate], least: int) -> list[Candidate] | str:
    """Those with the most common answer first."""
    votes = Counter(one.answer for one in losers if one.answer)
    common = [one for one in losers if votes[one.answer or ""] >= least]
    return sorted(common, key=lambda one: -votes[one.answer or ""]) or f"no wrong answer given {least} times"
