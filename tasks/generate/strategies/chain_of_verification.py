"""Chain of verification: a draft, questions that check it, their answers without sight of the draft, a final answer.

Dhuliawala et al. 2023 (arXiv 2309.11495), section 3, in the variant "factored" (section 3.3): each question is
answered in a prompt of its own, which does not hold the draft.
"""

from typing import Annotated, Final

from pydantic import Field

from schemas.base import ConfigBase
from tasks.generate.contract import BrokenOffError, Strategy
from tasks.generate.search import Search, Way, together
from tasks.generate.wording import answering, asking, holds, listed, said
from tasks.text.thinking import spoken

PLANNING: Final = (
    "Which questions would check what you said there? List at most {most}, numbered, each to be understood without "
    "your reply. Do not answer them."
)
CHECKING: Final = "A problem:\n{question}\n\nDo not solve it. Only answer this question about it:\n{check}"
REVISING: Final = (
    "Questions that check your reply were answered without it:\n\n{checks}\n\nWrite the whole reply anew, in "
    "agreement with these answers where they are right. Do not speak of the check."
)


class Config(ConfigBase):
    """How a draft is checked."""

    most: int = Field(default=4, ge=1, description="questions")
    planning: str = Field(default=PLANNING, description="asks for the questions, after the draft")
    checking: Annotated[str, holds("check")] = Field(default=CHECKING, description="asks one question by itself")
    revising: Annotated[str, holds("checks")] = Field(default=REVISING, description="asks for the final answer")


def build(config: Config) -> Strategy:
    """The strategy with these settings."""
    return _ChainOfVerification(config)


class _ChainOfVerification(Strategy):
    independent = True

    def __init__(self, config: Config) -> None:
        self._config = config

    async def search(self, search: Search) -> None:
        config = self._config
        draft = await search.grow(search.root)
        draft.plain = False  # Of a search one sample counts: what it comes to.
        if not draft.whole:
            search.choose(draft, "as it came: the draft did not end")
            return
        plan = await search.ask("plan", answering(search, said(draft), config.planning, most=config.most))
        checks = listed(plan, config.most)
        if not checks:
            raise BrokenOffError("no list of questions in the reply")
        asked = [asking(search, config.checking, check=check) for check in checks]
        answers = await together(search.ask("check", messages, number) for number, messages in enumerate(asked))
        told = [f"{check}\n{(spoken(answer) or '').strip()}" for check, answer in zip(checks, answers, strict=True)]
        messages = answering(search, said(draft), config.revising, checks="\n\n".join(told))
        final = await search.grow(search.root, "final", Way(messages=messages, version_of=draft))
        search.choose(final, f"revised after {len(checks)} questions that check the draft")
