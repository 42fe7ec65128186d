"""A right next step over a wrong one: two traces that share their first steps, and then part.

What they share cancels in DPO, so the pair teaches the step where they part: Step-DPO (Lai et al. 2024, arXiv
2406.18629, § 3) pairs the first wrong step with a right one after the same prefix. Here both go on to their end, for a
lone step would be taken for a whole answer. A rewritten trace against the one it was made from comes first.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import takewhile

from pydantic import Field

from schemas.base import ConfigBase
from tasks.preferences.contract import Candidate, Choice, Need, Rule, by_score


class Config(ConfigBase):
    """How much is shared."""

    least_shared: int = Field(1, gt=0, description="steps that both traces begin with, at least")
    pairs_per_problem: int = Field(4, gt=0, description="at most so many, those that share most first")


def build(config: Config) -> Rule:
    """The rule with these settings; its margin is the difference of scores."""
    return Rule(partial(_choose, config), frozenset({Need.STEPS}))


def _choose(config: Config, candidates: Sequence[Candidate], /) -> list[Choice] | str:
    if not any(one.correct for one in candidates) or all(one.correct is not False for one in candidates):
        return f"no {'incorrect' if any(one.correct for one in candidates) else 'correct'} trace"
    # Only traces with the same first steps can share them: others are never held against each other.
    alike: defaultdict[tuple[int, ...], list[Candidate]] = defaultdict(list)
    for one in (judged for judged in candidates if judged.correct is not None):
        alike[one.steps[: config.least_shared]].append(one)
    found = [pair for those in alike.values() for pair in _parting(those, config.least_shared)]
    if not found:
        return "no correct and incorrect trace share their first steps"
    ranked = sorted(found, key=lambda pair: (not _rewritten(*pair[1:]), -pair[0]))
    return [by_score(*pair[1:]) for pair in ranked[: config.pairs_per_problem]]


def _parting(alike: Sequence[Candidate], least: int) -> Iterator[tuple[int, Candidate, Candidate]]:
    """Correct and incorrect traces that both go on after what they share, and how many steps that is."""
    for right in (one for one in alike if one.correct):
        for wrong in (one for one in alike if one.correct is False):
            both = zip(right.steps, wrong.steps, strict=False)
            shared = sum(1 for _ in takewhile(lambda steps: steps[0] == steps[1], both))
            if least <= shared < min(len(right.steps), len(wrong.steps)):
                yield shared, right, wrong


def _rewritten(one: Candidate, other: Candidate) -> bool:
    return one.parent == other.row or other.parent == one.row
