"""Tools: the model calls a calculator or runs Python, is told the results, and goes on until it answers.

As Toolformer (Schick et al. 2023, arXiv 2302.04761) and ToRA (Gou et al. 2023, arXiv 2309.17452) have it, in the chat
form of today's models: turns of the assistant with calls, turns of the tools with results.
"""

from typing import Any, Literal

from pydantic import Field, model_validator

from schemas.base import ConfigBase
from tasks import plugins
from tasks.engines.contract import Request
from tasks.generate.contract import Branch, Reply, Strategy
from tasks.generate.search import Search
from tasks.generate.tool_use import Uses, use_tools
from tasks.generate.toolbox import PACKAGE, Toolbox
from tasks.text.conversation import Conversation, dumped, spoken


class Config(ConfigBase):
    """The tools, and how they are used."""

    tools: dict[str, dict[str, Any] | None] = Field(
        default={"calculator": {}}, min_length=1, description="settings by name; a bare `python:` is `python: {}`"
    )
    turns: int = Field(default=8, ge=1, description="turns of the model at most; the last has to be its answer")
    protocol: Literal["chat", "words"] = Field(
        default="chat",
        description="chat: by the model's own chat template, or the server's; words: told in the system turn, called "
        "in the text, for a model whose template has no place for tools",
    )
    characters: int = Field(default=4_000, ge=100, description="of one result; the middle of a longer one is left out")

    @model_validator(mode="after")
    def _known(self) -> "Config":
        plugins.configure(PACKAGE, self.tools)
        return self


def build(config: Config) -> Strategy:
    """The strategy with these settings."""
    return _Tools(config)


class _Tools(Strategy):
    independent = True

    def __init__(self, config: Config) -> None:
        toolbox = Toolbox(config.tools, characters=config.characters)
        self._uses = Uses(toolbox, config.turns, config.protocol == "words")

    async def search(self, search: Search) -> None:
        async def ask(turn: int, so_far: Conversation, most: int) -> Reply:
            asked = Request("", so_far.messages, search.sampling, tools=so_far.tools)
            return await search.turn(turn, asked, most)

        used = await use_tools(self._uses, ask, search.messages, search.sampling.max_tokens)
        said = spoken(used.conversation.messages)
        branch = Branch("tools", said.text, tuple(said.offsets), used.reply, None)
        branch.conversation = dumped(used.conversation)
        branch.seed = search.place.seed_of(search.place.sample_id)
        search.branches[branch.key] = branch
        search.choose(branch, used.note)
