"""Budget forcing: a model that stops thinking early is told to wait, one that thinks too long is made to answer.

s1: Simple test-time scaling (Muennighoff et al. 2025, arXiv 2501.19393), section 3.1.
"""

from typing import Self

from pydantic import Field, model_validator

from schemas.base import ConfigBase
from tasks.engines.contract import Finish
from tasks.generate.contract import Branch, Strategy
from tasks.generate.search import Search, StepConfig, Way
from tasks.text.thinking import CLOSE_THINK, OPEN_THINK


class Config(ConfigBase):
    """How long the model thinks, in tokens."""

    least: int = Field(default=0, ge=0, description="a model that stops thinking earlier is made to go on")
    most: int | None = Field(default=None, ge=1, description="a model that thinks longer has its thinking closed")
    waits: int = Field(default=2, ge=0, description="how often it is made to go on")
    wait: str = Field(default="Wait", min_length=1, description="the word that makes it go on")
    answer: int = Field(default=256, ge=1, description="tokens left for the answer once the thinking is closed")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.most is not None and self.least > self.most:
            raise ValueError("least has to be no more than most")
        return self


def build(config: Config) -> Strategy:
    """The strategy with these settings."""
    return _BudgetForcing(config)


class _BudgetForcing(Strategy):
    independent = thinks = True

    def __init__(self, config: Config) -> None:
        self._config = config

    async def search(self, search: Search) -> None:
        thought = await self._thought(search)
        ended = thought.finish in (Finish.STEP, Finish.STOP, Finish.LENGTH)
        unthinking = thought.whole and OPEN_THINK not in thought.text
        if not ended or unthinking or (self._config.most is None and thought.finish is Finish.LENGTH):
            search.choose(thought, "as it came: it did not think, or never stopped to")
            return
        close = f"{'' if thought.text.endswith(chr(10)) else chr(10)}{CLOSE_THINK}\n"
        way = Way(begin=close, most=self._config.answer, instead=True)
        told = "an unknown number of" if thought.tokens is None else thought.tokens
        search.choose(await search.grow(thought, "answer", way), f"it thought for {told} tokens")

    async def _thought(self, search: Search) -> Branch:
        """The thinking, up to where it has to end."""
        config = self._config
        branch, begin = search.root, ""
        for left in range(config.waits, -1, -1):
            room = (config.most or search.sampling.max_tokens) - (branch.tokens or 0)
            if room <= 0:
                break
            way = Way(StepConfig(end=CLOSE_THINK), begin, keep_end=False, most=room, instead=True)
            branch = await search.grow(branch, 0, way)
            thinking = branch.open or (branch.whole and OPEN_THINK in branch.text)
            if not left or not thinking or (branch.tokens or 0) >= config.least:
                break
            begin = f"\n{config.wait}" if branch.text.endswith((".", "\n")) else config.wait
        return branch
