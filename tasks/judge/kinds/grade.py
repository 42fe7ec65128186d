"""Is a trace's answer right? Held against the reference, or, without one, against what the model finds itself.

Open-R1 had a model look at the answers that math-verify rejected, which recovered 28,000 traces (Hugging Face 2025).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from schemas.base import ConfigBase
from schemas.tables import Status
from tasks.judge.contract import REFERENCE, Case, Finding, Group, Judgement, KindConfig, Problem
from tasks.judge.rating import mean_scores
from tasks.showing import question

AGAINST: Final = (
    "You check the answer to a problem against a reference answer that is known to be right. Find the final answer and "
    "compare it with the reference: it is correct if both mean the same, however they are written, ordered or rounded "
    "by the problem's own terms; it is incorrect if they differ, or if there is no final answer. Do not judge the way "
    "to it."
)
ALONE: Final = (
    "You check the answer to a problem. Solve the problem yourself, find the final answer given and compare: it is "
    "correct if it is right and complete; it is incorrect if not, or if there is no final answer. Do not be led by how "
    "sure the answer sounds."
)
FORM: Final = '{"reason": "<what you compared, in a few sentences>", "verdict": "correct" or "incorrect"}'


class Config(KindConfig):
    """A trace that as many replies call correct as incorrect is unverifiable."""


class Graded(ConfigBase):
    """What a reply holds."""

    reason: str
    verdict: Literal["correct", "incorrect"]


@dataclass(frozen=True)
class Grade:
    """One question for each trace."""

    config: Config
    version: str = "1"
    reply: type[ConfigBase] = Graded

    @property
    def verdict(self) -> Callable[[float], Status]:
        """By most of the replies."""
        return _by_most

    def task(self, problem: Problem, /) -> str:
        """With the reference, where there is one to be shown."""
        return AGAINST if REFERENCE in self.config.given(problem) else ALONE

    def cases(self, group: Group, _number: int, /) -> Iterator[Case]:
        """Each trace by itself."""
        task, given = self.task(group.problem), self.config.given(group.problem)
        for one in group.shown:
            texts = given | {"the answer to check": one.text}
            yield Case((one.id,), question(task, texts, FORM, self.config.characters))

    def finding(self, reply: Any, _case: Case, /) -> Finding:
        """1 if it is correct, else 0."""
        return Finding(reply.reason, float(reply.verdict == "correct"))

    def ratings(self, judgements: Sequence[Judgement]) -> dict[str, float]:
        """The share of the replies that call a trace correct."""
        return mean_scores(judgements)


def build(config: Config) -> Grade:
    """The judge that a recipe's settings describe."""
    return Grade(config)


def _by_most(score: float) -> Status:
    if score == 0.5:
        return Status.UNVERIFIABLE
    return Status.CORRECT if score > 0.5 else Status.INCORRECT
