"""What a branch is worth: by a reward model, or by the share of continuations from it that are right."""

from collections.abc import Sequence
from typing import Final, Self

from pydantic import Field, model_validator

from schemas.base import ConfigBase
from schemas.tables import Status
from tasks.engines.rewards import Reduction, reduced
from tasks.generate.contract import Branch, BrokenOffError, Uses
from tasks.generate.search import Search, Way

ROLLOUTS: Final = "rollouts"


class WorthConfig(ConfigBase):
    """How branches are valued: one of the two."""

    reward: str | None = Field(default=None, description="one of the recipe's models, a reward model")
    reduce: Reduction = Field(default="last", description="what a reward model's scores of the steps come to")
    rollouts: int | None = Field(default=None, ge=1, description="continuations from a branch to the end")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.reward is None) == (self.rollouts is None):
            raise ValueError("give either reward, a reward model's name, or rollouts, a number of continuations")
        return self

    @property
    def uses(self) -> tuple[Uses, ...]:
        """The reward model."""
        return (Uses("reward", self.reward, rewards=True),) if self.reward else ()


async def weigh(search: Search, branches: Sequence[Branch], config: WorthConfig) -> None:
    """Give branches their value, from 0 to 1, and their last step (all steps, by a reward model) its score.

    A branch that cannot be valued keeps None. Rollouts are branches of the tree themselves.

    Raises:
        BrokenOffError: no branch could be valued.
    """
    fit = [one for one in branches if one.open or one.whole]
    if config.reward:
        for branch, scores in zip(fit, await search.grade(fit, config.reward), strict=True):
            branch.scores, branch.scorer = scores, config.reward
            branch.value = reduced(scores, config.reduce) if scores else None
    else:
        await _rolled_out(search, fit, config.rollouts or 1)
    if fit and all(one.value is None for one in fit):
        raise BrokenOffError(f"no branch could be valued by {config.reward or ROLLOUTS}")


async def _rolled_out(search: Search, branches: Sequence[Branch], count: int) -> None:
    """A whole branch needs no rollouts: it is right, or it is not."""
    asked = [(branch, f"r{number}") for branch in branches if branch.open for number in range(count)]
    ends = await search.grow_each(asked, Way(kind="rollout"))
    whole = [one for one in branches if one.whole]
    those = [*whole, *(one for one in ends if one.whole)]
    told = dict(zip([one.key for one in those], await search.tell(those), strict=True))
    for end in ends:
        end.value = _value([told[end.key].status] if end.whole else [Status.INCORRECT])
    own = {branch.key: [branch] for branch in whole}
    for (branch, _), end in zip(asked, ends, strict=True):
        own.setdefault(branch.key, []).append(end)
    for branch in branches:
        branch.value = _value([told[one.key].status if one.whole else Status.INCORRECT for one in own[branch.key]])
    for one in (*branches, *ends):
        one.scores, one.scorer = path_scores(one), ROLLOUTS


def path_scores(branch: Branch) -> tuple[float | None, ...]:
    """Scores of a branch's steps: the value of each branch on the way to it, and its own, at that one's last step."""
    before = path_scores(branch.origin) if branch.origin else ()
    new = len(branch.cuts) - len(before)
    return (*before, *(None for _ in range(new - 1)), branch.value) if new > 0 else before


def _value(states: Sequence[Status]) -> float | None:
    """The share that is right of those that could be told."""
    judged = [one for one in states if one in (Status.CORRECT, Status.INCORRECT)]
    return sum(one is Status.CORRECT for one in judged) / len(judged) if judged else None
