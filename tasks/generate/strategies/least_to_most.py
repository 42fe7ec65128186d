"""Least to most: a problem is parted into sub-questions, which are answered one after another, and then itself.

Zhou et al. 2022 (arXiv 2205.10625), section 2: problem reduction, then sub-questions in sequence, each after the
answers before it. The trace holds the sub-questions with their answers, and the final answer.
"""

from typing import Annotated, Final

from pydantic import Field

from schemas.base import ConfigBase
from tasks.generate.contract import Branch, BrokenOffError, Strategy
from tasks.generate.search import Search, StepConfig, Way
from tasks.generate.wording import asking, holds, listed

PARTING: Final = (
    "{question}\n\nWhich simpler questions have to be answered first, one building on another, to answer this? "
    "List at most {most} of them, numbered, the easiest first. Do not answer them."
)
SOLVING: Final = (
    "{problem}\n\nYour reply goes through simpler questions first. Answer only what stands under the last heading "
    "of it, from what came before."
)


class Config(ConfigBase):
    """How a problem is parted, and what stands over each part."""

    most: int = Field(default=6, ge=1, description="sub-questions")
    max_tokens: int = Field(default=256, ge=1, description="for the answer to a sub-question")
    heading: str = Field(default="Sub-question", min_length=1, description="before the number of each sub-question")
    final: str = Field(default="The question itself:", min_length=1, description="the heading of the last part")
    parting: Annotated[str, holds("question")] = Field(default=PARTING, description="asks for the sub-questions")
    solving: Annotated[str, holds("problem")] = Field(default=SOLVING, description="what all answers are given to")


def build(config: Config) -> Strategy:
    """The strategy with these settings."""
    return _LeastToMost(config)


class _LeastToMost(Strategy):
    independent = True

    def __init__(self, config: Config) -> None:
        self._config = config

    async def search(self, search: Search) -> None:
        config = self._config
        reply = await search.ask("sub-questions", asking(search, config.parting, most=config.most))
        parts = listed(reply, config.most)
        if not parts:
            raise BrokenOffError("no list of sub-questions in the reply")
        messages = asking(search, config.solving)
        branch = search.root
        for number, part in enumerate(parts, 1):
            begin = f"{_gap(branch)}{config.heading} {number}: {part}\n"
            step = StepConfig(end=f"\n{config.heading}", max_tokens=config.max_tokens)
            way = Way(step, begin, messages, keep_end=False, instead=True)
            branch = await search.grow(branch, number, way)
            branch.leave()
            if not branch.open:
                raise BrokenOffError(f"a sub-question's answer did not end: number {number}, {branch.finish}")
        way = Way(None, f"{_gap(branch)}{config.final}\n", messages, instead=True)
        search.choose(await search.grow(branch, "final", way), f"after {len(parts)} sub-questions")


def _gap(branch: Branch) -> str:
    """What parts a branch's text from a new heading by one empty line."""
    ends = len(branch.text) - len(branch.text.rstrip("\n"))
    return "\n" * max(0, 2 - ends) if branch.text else ""
