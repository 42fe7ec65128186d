"""What all searches over steps are told: where a step ends, what a branch is worth, and when to stop."""

from collections.abc import Sequence

from pydantic import Field

from schemas.base import ConfigBase
from tasks.generate.contract import Branch
from tasks.generate.search import Search, StepConfig, Way
from tasks.generate.worth import WorthConfig, weigh


class GrowthConfig(ConfigBase):
    """How a tree grows, step by step."""

    depth: int = Field(default=40, ge=1, description="steps at most")
    step: StepConfig = StepConfig()
    worth: WorthConfig = Field(description="{reward: MODEL} or {rollouts: 4}")
    tokens: int | None = Field(
        default=None,
        ge=1,
        description="once so many are sampled, rollouts too, no more steps are searched; a round ends first, and "
        "where no branch is whole by then the best are gone on with to the end",
    )

    def affords(self, search: Search) -> bool:
        """Whether a search may sample more; read between rounds alone, when all that was asked has come."""
        return self.tokens is None or search.spent < self.tokens

    async def ended(self, search: Search, whole: Sequence[Branch], leaves: Sequence[Branch]) -> list[Branch]:
        """The whole branches; where there are none, what comes of going on from these leaves to the end at once."""
        if whole:
            return list(whole)
        ends = await search.grow_each(((leaf, "end") for leaf in leaves), Way(kind="rollout"))
        await weigh(search, ends, self.worth)
        return [one for one in ends if one.whole]
