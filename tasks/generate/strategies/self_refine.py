"""Self-refine: a draft, feedback on it, a revision, until nothing is wrong or `rounds` are over.

Madaan et al. 2023 (arXiv 2303.17651), section 2. Without feedback from outside, models do not get better at reasoning
by it, often worse (Huang et al. 2023, arXiv 2310.01798, section 3): so it is the recipe's verifiers that say whether a
draft is wrong. They never show the reference. Only where they cannot tell does the model criticise itself, and the
trace says so.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Field

from schemas.base import ConfigBase
from schemas.tables import Status
from tasks.generate.contract import Branch, BrokenOffError, Strategy, Told
from tasks.generate.search import Search, Way
from tasks.generate.wording import answering, holds, last_line, said
from tasks.text.thinking import spoken

CRITICISING: Final = (
    "Check your reply step by step. Say which step is wrong, and why; do not write the reply anew. If no step is "
    "wrong, end with the line: {fine}"
)
REVISING: Final = "{feedback}\n\nWrite the whole reply anew, without this fault. Do not speak of the reply before it."
FINE: Final = "NOTHING IS WRONG"
ALONE: Final = "refined by its own critique, no outside feedback"


class Config(ConfigBase):
    """How often, and what is asked."""

    rounds: int = Field(default=2, ge=1, description="revisions at most")
    criticising: Annotated[str, holds("fine")] = Field(default=CRITICISING, description="asks for the model's critique")
    revising: Annotated[str, holds("feedback")] = Field(default=REVISING, description="asks for a revision")


def build(config: Config) -> Strategy:
    """The strategy with these settings."""
    return _SelfRefine(config)


class _SelfRefine(Strategy):
    def __init__(self, config: Config) -> None:
        self._config = config

    async def search(self, search: Search) -> None:
        draft = await search.grow(search.root)
        for number in range(self._config.rounds + 1):
            if not draft.whole:
                search.note = f"{_name(number)} did not end: {draft.finish}"
                return
            (told,) = await search.tell([draft])
            if told.status is Status.ERROR:
                raise BrokenOffError(f"a verifier broke: {told.reason}")
            if told.status is Status.CORRECT:
                search.choose(draft, f"{_name(number)} is right")
                return
            alone = told.status is Status.UNVERIFIABLE
            feedback = None
            if number < self._config.rounds:
                feedback = await self._critique(search, draft, number) if alone else _feedback(search.problem, told)
            if feedback is None:
                break
            draft = await self._revised(search, draft, number + 1, feedback)
        if alone:
            search.choose(draft, f"{ALONE}: {_name(number)}")
        else:
            search.note = f"{_name(number)} is still wrong"

    async def _critique(self, search: Search, draft: Branch, number: int) -> str | None:
        """What the model says of its own draft; None where it finds nothing wrong."""
        messages = answering(search, said(draft), self._config.criticising, fine=FINE)
        reply = await search.ask("critique", messages, number)
        critique = spoken(reply)
        if not critique:
            raise BrokenOffError("no critique in the reply: it is empty, or its thinking never ends")
        return None if FINE in last_line(reply).upper() else critique

    async def _revised(self, search: Search, draft: Branch, number: int, feedback: str) -> Branch:
        messages = answering(search, said(draft), self._config.revising, feedback=feedback)
        return await search.grow(
            search.root, f"revision{number}", Way(messages=messages, version_of=draft, kind="revision")
        )


def _name(number: int) -> str:
    return f"revision {number}" if number else "the draft"


def _feedback(problem: Mapping[str, Any], told: Told) -> str:
    """What verifiers say of a wrong draft, but for what would give the reference or the tests away."""
    answer = f"The answer {told.answer} is wrong." if told.answer and len(told.answer) < 200 else "That is wrong."
    return answer if _reveals(problem, told.reason) else f"{answer} {told.reason}"


def _reveals(problem: Mapping[str, Any], reason: str) -> bool:
    """Whether a reason may tell what is right; one on a program quotes its tests."""
    reference = "".join((problem["reference"] or "").split()).lower()
    plain = "".join(reason.split()).lower()
    return not plain or bool(problem.get("tests")) or bool(reference and reference in plain)
