"""Answers to mathematics: exact rules inline, math-verify for what they leave open."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pydantic import Field

from schemas.base import ConfigBase
from schemas.tables import Domain, Status
from tasks.verify.answers import MARKERS, PHRASES, final_answer
from tasks.verify.contract import CORRECT, Claim, Outcome, ProblemView, incorrect, reference_of
from tasks.verify.maths.arithmetic import TooLargeError
from tasks.verify.maths.compare import same_answer

LONGEST: Final = 20_000
"""Characters; a longer line is no answer, and reading it could only waste the deadline."""


class Config(ConfigBase):
    """Where the answer stands in a trace; `tasks.verify.answers.final_answer` has the order."""

    markers: tuple[str, ...] = Field(
        default=MARKERS,
        description="What an answer stands behind at the start of a line; the last one in the text counts.",
    )
    phrases: tuple[str, ...] = Field(
        default=PHRASES, description="What an answer stands behind anywhere, in any case, where there is no marker."
    )
    last_number: bool = Field(
        default=False,
        description="Take the last number of a text that names no answer. A text cut off early then has one too.",
    )


@dataclass(frozen=True)
class MathVerifier:
    """Compares a trace's final answer with the reference answer."""

    config: Config
    version: str = "2"
    domains: frozenset[Domain] = frozenset({Domain.MATH})

    def claim(self, problem: ProblemView, text: str) -> Claim | Outcome:
        """Extract the final answer, and the reference's where that is a worked solution."""
        reference = reference_of(problem)
        if reference is None:
            return Outcome(Status.UNVERIFIABLE, "no reference")
        answer = self._extract(text)
        if not answer:
            return incorrect("no final answer found")
        if len(answer) > LONGEST:
            return incorrect(f"the final answer is longer than {LONGEST} characters")
        return Claim(_reference(reference, self.config.markers, self.config.phrases), answer)

    def answer(self, problem: ProblemView, text: str) -> str | None:  # noqa: ARG002 - the protocol's; the text says it all
        """Extract the final answer."""
        answer = self._extract(text)
        return answer if answer and len(answer) <= LONGEST else None

    def decide(self, claim: Claim) -> Outcome | None:
        """Apply `tasks.verify.maths.compare.same_answer`; numbers that no computer tells apart are an `error`."""
        try:
            equal = same_answer(claim.reference, claim.answer)
        except TooLargeError as exc:
            return Outcome(Status.ERROR, str(exc))
        if equal is None:
            return None
        return CORRECT if equal else incorrect("not the same as the reference")

    def prepare(self) -> None:
        """Load sympy and math-verify."""
        from tasks.verify.maths import symbolic  # seconds of imports, which only workers need

        symbolic.prepare()

    def check(self, claim: Claim) -> Outcome:
        """Ask math-verify, as `tasks.verify.maths.symbolic.check` guards it."""
        from tasks.verify.maths import symbolic

        return symbolic.check(claim.reference, claim.answer)

    def gold(self, problem: ProblemView) -> str | None:
        """The reference itself where it names its answer, else the reference in a box."""
        reference = reference_of(problem)
        if reference is None:
            return None
        return reference if self._extract(reference) else rf"\boxed{{{reference}}}"

    def _extract(self, text: str) -> str | None:
        return final_answer(text, self.config.markers, self.config.phrases, last_number=self.config.last_number)


@lru_cache(maxsize=1024)
def _reference(reference: str, markers: tuple[str, ...], phrases: tuple[str, ...]) -> str:
    return final_answer(reference, markers, phrases, last_number=False) or reference.strip()


def build(config: Config) -> MathVerifier:
    """Make the verifier that a recipe's settings describe."""
    return MathVerifier(config)
