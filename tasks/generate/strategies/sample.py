"""Plain sampling: what the model says is the trace."""

from schemas.base import ConfigBase
from tasks.generate.contract import Strategy
from tasks.generate.search import Search


class Config(ConfigBase):
    """There is nothing to set."""


def build(_config: Config) -> Strategy:
    """The strategy."""
    return _Sample()


class _Sample(Strategy):
    once = independent = True

    async def search(self, search: Search) -> None:
        search.choose(await search.grow(search.root), "")
