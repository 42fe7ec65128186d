"""Diverse verifier tree search: a beam that is split into sub-trees, of which each goes its own way.

Beeching et al. 2024 ("Scaling test-time compute with open models"): `n / width` sub-trees, each greedy: the most
valuable of the `width` ways is gone on with. A beam may come to be one branch's descendants, these sub-trees cannot:
more of what they come to differs. Chosen among all whole branches, as a beam's.
"""

from pydantic import Field

from tasks.generate.contract import Branch, Strategy
from tasks.generate.search import Search, Way
from tasks.generate.strategies import beam
from tasks.generate.votes import chosen, ranked
from tasks.generate.worth import weigh


class Config(beam.Config):
    """The sub-trees, and what a branch is worth."""

    n: int = Field(default=8, ge=1, description="branches that are grown at once: n / width sub-trees")
    width: int = Field(default=4, ge=1, description="ways in which each sub-tree's best branch is gone on with")


def build(config: Config) -> Strategy:
    """The strategy with these settings."""
    return _Diverse(config)


class _Diverse(Strategy):
    def __init__(self, config: Config) -> None:
        self._config = config
        self.uses = config.worth.uses

    async def search(self, search: Search) -> None:
        config, width = self._config, self._config.width
        best = dict.fromkeys(range(config.n // width), search.root)
        whole: list[Branch] = []
        for _ in range(config.depth):
            if not best or not config.affords(search):
                break
            asked = [(one, tree * width + way) for tree, one in best.items() for way in range(width)]
            front = await search.grow_each(asked, Way(config.step))
            await weigh(search, front, config.worth)
            whole += [one for one in front if one.whole]
            firsts = {tree: _best(front[at * width : (at + 1) * width]) for at, tree in enumerate(best)}
            best = {tree: one for tree, one in firsts.items() if one and one.open}
        await chosen(search, await config.ended(search, whole, list(best.values())), config.by)


def _best(branches: list[Branch]) -> Branch | None:
    return next(iter(ranked([one for one in branches if one.open or one.whole])), None)
