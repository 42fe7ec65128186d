"""Monte Carlo tree search over steps: what is worth the most, or was looked at the least, is gone on with.

UCT (Kocsis and Szepesvári 2006) with a step as a move, as OmegaPRM (Luo et al. 2024, arXiv 2406.06592, section 3.3),
ReST-MCTS* (Zhang et al. 2024, arXiv 2406.03816) and rStar (Qi et al. 2024, arXiv 2408.06195) have it: a simulation
selects a leaf by its upper bound, expands it in `width` ways, values these by rollouts or a reward model, and backs
their values up. Several simulations run as one wave, whose branches are in flight together: each takes those before it
for lost (virtual loss; Chaslot et al. 2008). A branch's value is the mean of all that was backed up to it.
"""

from collections import Counter
from collections.abc import Sequence
from math import log, sqrt
from typing import Final, Literal

from pydantic import Field

from tasks.engines.contract import Finish
from tasks.generate.contract import Branch, Strategy
from tasks.generate.growth import GrowthConfig
from tasks.generate.search import Search, Way
from tasks.generate.votes import chosen
from tasks.generate.worth import ROLLOUTS, path_scores, weigh

_WORTHLESS: Final = 0.0
"""A step that does not end leads nowhere."""


class Config(GrowthConfig):
    """How far and how wide, and what a branch is worth."""

    simulations: int = Field(default=16, ge=1, description="leaves that are expanded, at most")
    wave: int = Field(default=4, ge=1, description="simulations that run together; 1: one after another, as in papers")
    width: int = Field(default=3, ge=1, description="ways in which a leaf is gone on with")
    exploration: float = Field(
        default=0.5, ge=0, allow_inf_nan=False, description="what a branch gains by not having been looked at"
    )
    by: Literal["visits", "value", "weighted", "majority"] = Field(
        default="visits",
        description="of the whole branches, rollouts among them: along the most visited; the most valuable; or the "
        "answer with the most value, or votes",
    )


def build(config: Config) -> Strategy:
    """The strategy with these settings."""
    return _Mcts(config)


class _Mcts(Strategy):
    def __init__(self, config: Config) -> None:
        self._config = config
        self.uses = config.worth.uses

    async def search(self, search: Search) -> None:
        try:
            leaves = await self._grow(search)
            there = [search.branches[key] for key in sorted(search.branches)]
            whole = await self._config.ended(search, [one for one in there if one.whole], leaves)
        finally:
            for one in search.branches.values():
                one.scores, one.scorer = path_scores(one), self._config.worth.reward or ROLLOUTS
        if self._config.by == "visits" and whole:
            best = max(whole, key=_looked_at)
            search.choose(best, f"along the most visited of {len(search.branches)} branches; {len(whole)} are whole")
        else:
            await chosen(search, whole, self._config.by)

    async def _grow(self, search: Search) -> list[Branch]:
        """The tree; what is given are the most visited leaves that could be gone on with."""
        config = self._config
        tree, left = _Tree(search.root, config), config.simulations
        while left > 0 and config.affords(search) and (leaves := tree.leaves(min(left, config.wave))):
            asked = [(leaf, number) for leaf in leaves for number in range(config.width)]
            grown = await search.grow_each(asked, Way(config.step))
            ways = [_distinct(grown[at : at + config.width]) for at in range(0, len(grown), config.width)]
            await weigh(search, [one for those in ways for one in those], config.worth)
            for leaf, those in zip(leaves, ways, strict=True):
                tree.expand(leaf, those)
            left -= len(leaves)
        open_ = [one for one in search.branches.values() if one.open and one.visits == 1]
        return sorted(open_, key=lambda one: (_looked_at(one), one.key), reverse=True)[: config.width]


class _Tree:
    """Which branches may be gone on with, and what they are worth."""

    def __init__(self, root: Branch, config: Config) -> None:
        self._root, self._config = root, config
        self._ways: dict[str, list[Branch]] = {}
        """Of each branch that was expanded, by its key, those of its ways that lead to a leaf."""

    def leaves(self, most: int) -> list[Branch]:
        """The leaves to be expanded next, `most` of them or fewer; none where there is no more to expand."""
        found: dict[str, Branch] = {}
        lost: Counter[str] = Counter()
        for _ in range(most if self._ways.get(self._root.key, [self._root]) else 0):
            path = self._selected(lost)
            found[path[-1].key] = path[-1]
            lost.update(one.key for one in path)
        return list(found.values())

    def expand(self, leaf: Branch, ways: Sequence[Branch]) -> None:
        """Back the values of a leaf's ways up; it is not gone on with where none of them can be."""
        for one in ways:
            self._back_up(one)
        fit = [one for one in ways if one.open and one.value is not None and len(_path(one)) < self._config.depth]
        self._ways[leaf.key] = fit
        while not self._ways[leaf.key] and leaf is not self._root:
            done, leaf = leaf, leaf.origin or self._root
            self._ways[leaf.key].remove(done)

    def _selected(self, lost: Counter[str]) -> list[Branch]:
        """The path to the leaf with the highest bounds; `lost` counts this wave's simulations as visits for nothing."""
        path = [self._root]
        while ways := self._ways.get(path[-1].key):
            visits = path[-1].visits + lost[path[-1].key]
            bounds = [self._bound(one, visits, lost[one.key]) for one in ways]
            path.append(ways[bounds.index(max(bounds))])
        return path

    def _bound(self, branch: Branch, visits: int, lost: int) -> float:
        own = branch.visits + lost
        return (branch.value or 0.0) * branch.visits / own + self._config.exploration * sqrt(log(visits) / own)

    def _back_up(self, branch: Branch) -> None:
        if branch.finish is Finish.LENGTH:
            branch.value = _WORTHLESS
        if branch.value is None:
            return
        branch.visits = 1
        for one in (self._root, *_path(branch)[:-1]):
            one.visits += 1
            one.value = (one.value or 0.0) + (branch.value - (one.value or 0.0)) / one.visits


def _distinct(ways: Sequence[Branch]) -> list[Branch]:
    """Of several with one text the first."""
    texts = [one.text for one in ways]
    return [one for at, one in enumerate(ways) if one.text not in texts[:at]]


def _path(branch: Branch) -> list[Branch]:
    """The branches that lead to one, and itself; without the root."""
    return [*(_path(branch.origin) if branch.origin else []), branch]


def _looked_at(whole: Branch) -> tuple[list[tuple[int, float]], float]:
    """How often each branch on the way to it was looked at, and what it is worth: the greatest is along the most."""
    path = [(one.visits, one.value or 0.0) for one in _path(whole)]
    return path, whole.value if whole.value is not None else -1.0
