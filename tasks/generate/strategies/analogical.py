"""Analogical prompting: the model recalls problems like the one at hand with their solutions, then solves it.

Yasunaga et al. 2023 (arXiv 2310.01714), section 4.1: self-generated exemplars, distinct ones, in one prompt with the
problem itself.
"""

import re
from typing import Annotated, Final, Literal

from pydantic import Field

from schemas.base import ConfigBase
from tasks.engines.contract import Finish
from tasks.generate.contract import BrokenOffError, Strategy
from tasks.generate.search import Search, Way
from tasks.generate.wording import asking, holds

PROMPT: Final = """{problem}

Instructions:
## Relevant problems
Recall {exemplars} problems that are relevant to this one, distinct from it and from each other. For each, write \
"Q: " and the problem, then "A: " and its solution.
## Solution
Then, under this heading, solve the problem above."""
_EXEMPLAR: Final = re.compile(r"^\W*Q(?:uestion)?\W*:", re.IGNORECASE | re.MULTILINE)


class Config(ConfigBase):
    """What is recalled, and what stays of it."""

    exemplars: int = Field(default=3, ge=1, description="problems to recall")
    keep: Literal["all", "solution"] = Field(
        default="all", description="all: what was recalled is part of the trace; solution: only what comes after"
    )
    heading: str = Field(default="## Solution", min_length=1, description="the line after which the solution comes")
    prompt: Annotated[str, holds("problem", "exemplars")] = Field(default=PROMPT, description="asks for all of it")


def build(config: Config) -> Strategy:
    """The strategy with these settings."""
    return _Analogical(config)


class _Analogical(Strategy):
    independent = True

    def __init__(self, config: Config) -> None:
        self._config = config

    async def search(self, search: Search) -> None:
        config = self._config
        messages = asking(search, config.prompt, exemplars=config.exemplars)
        came = await search.grow(search.root, 0, Way(messages=messages))
        if not came.whole:
            search.choose(came, "as it came: it did not end")
            return
        before, found, solution = came.text.rpartition(config.heading)
        recalled = len(_EXEMPLAR.findall(before))
        if not found or not recalled or not solution.strip(" \t\n:*#"):
            came.leave()
            raise BrokenOffError("no problems that it recalled, or no solution after them, can be found in the reply")
        if config.keep == "solution":
            came.leave()
            came = search.write(search.root, "solution", solution.lstrip(" :*\n"), Finish.STOP, Way(version_of=came))
        search.choose(came, f"after {recalled} problems that it recalled")
