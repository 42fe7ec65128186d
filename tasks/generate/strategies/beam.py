"""Beam search over steps: of all branches the most valuable go on, each in several ways.

Snell et al. 2024 (arXiv 2408.03314, section 5.2), in the form of search-and-learn (Beeching et al. 2024): `n` branches
are kept, each of the `n / width` best is gone on with in `width` ways. Whole branches leave the beam; at the end the
weightiest answer is chosen, or the most valuable branch.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from tasks.generate.contract import Branch, Strategy
from tasks.generate.growth import GrowthConfig
from tasks.generate.search import Search, Way
from tasks.generate.votes import chosen, ranked
from tasks.generate.worth import weigh


class Config(GrowthConfig):
    """The beam, and what a branch is worth."""

    n: int = Field(default=4, ge=1, description="branches that are alive at once")
    width: int = Field(default=4, ge=1, description="ways in which each of the best n/width branches is gone on with")
    by: Literal["weighted", "majority", "reward"] = Field(
        default="weighted", description="of the whole branches: the answer with the most value, or votes; or the best"
    )

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.n % self.width:
            raise ValueError("n has to be a multiple of width: n / width branches go on, each in width ways")
        return self


def build(config: Config) -> Strategy:
    """The strategy with these settings."""
    return _Beam(config)


class _Beam(Strategy):
    def __init__(self, config: Config) -> None:
        self._config = config
        self.uses = config.worth.uses

    async def search(self, search: Search) -> None:
        whole = await beamed(search, search.root, self._config)
        await chosen(search, whole, self._config.by)


async def beamed(search: Search, start: Branch, config: Config) -> list[Branch]:
    """The whole branches that a beam from `start` comes to."""
    best, ways, whole = [start], config.n, list[Branch]()
    for _ in range(config.depth):
        if not best or len(whole) >= config.n or not config.affords(search):
            break
        asked = ((one, number) for one in best for number in range(ways))
        front = await search.grow_each(asked, Way(config.step))
        await weigh(search, front, config.worth)
        whole += [one for one in front if one.whole]
        room = max(1, (config.n - len(whole)) // config.width)
        best, ways = ranked([one for one in front if one.open])[:room], config.width
    return await config.ended(search, whole, [one for one in best if one is not start])
