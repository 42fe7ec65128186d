"""Which of several traces agrees most with the others? Universal self-consistency: the model picks it.

Chen et al. 2023, Universal Self-Consistency for Large Language Model Generation (arXiv 2311.17311): for answers of any
form, where no rule says which of them are the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field

from schemas.base import ConfigBase
from tasks.consistency import which_agrees
from tasks.ids import content_id
from tasks.judge.contract import Case, Finding, Group, Judgement, KindConfig, UnreadableError
from tasks.judge.rating import choice_shares


class Config(KindConfig):
    """Each of `samples` shows the traces in another order."""

    SHUFFLES: ClassVar[bool] = True

    with_reference: bool = Field(default=False, description="answers are to agree with each other, not with it")
    most: int = Field(default=8, ge=2, description="traces of a problem that are shown; which, hashes of their ids say")


class Chosen(ConfigBase):
    """What a reply holds."""

    reason: str
    choice: int


@dataclass(frozen=True)
class Consistent:
    """One question for each problem with two traces or more."""

    config: Config
    version: str = "1"
    task: None = None
    reply: type[ConfigBase] = Chosen
    verdict: None = None

    def cases(self, group: Group, number: int, /) -> Iterator[Case]:
        """All traces, or as many as may be shown."""
        drawn = sorted(group.shown, key=lambda one: content_id("drawn", one.id))[: self.config.most]
        if len(drawn) > 1:
            order = sorted(drawn, key=lambda one: content_id("order", number, one.id))
            given = self.config.given(group.problem)
            asked = which_agrees(given, [one.text for one in order], self.config.characters)
            yield Case(tuple(one.id for one in order), asked)

    def finding(self, reply: Any, case: Case, /) -> Finding:
        """The one that was picked."""
        if not 1 <= reply.choice <= len(case.shown):
            raise UnreadableError(f"choice: {reply.choice} is none of the answers 1 to {len(case.shown)}")
        return Finding(reply.reason, choice=reply.choice - 1)

    def ratings(self, judgements: Sequence[Judgement]) -> dict[str, float]:
        """How often a trace was picked, of the times that it was shown."""
        return choice_shares(judgements)


def build(config: Config) -> Consistent:
    """The judge that a recipe's settings describe."""
    return Consistent(config)
