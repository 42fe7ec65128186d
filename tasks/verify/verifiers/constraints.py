"""Constraints on a written answer, checked by program: IFEval's 25 kinds (Zhou et al. 2023, arXiv 2311.07911)."""

from dataclasses import dataclass
from typing import Final

from pydantic import Field

from schemas.base import ConfigBase
from schemas.tables import Domain, Status
from tasks.text.thinking import spoken
from tasks.verify import ifeval, ifeval_text
from tasks.verify.contract import CORRECT, Claim, Outcome, ProblemView, incorrect

INLINE: Final = 20_000
"""Characters; a longer text goes to a worker."""


class Config(ConfigBase):
    """How strictly the constraints are meant."""

    loose: bool = Field(
        default=False,
        description="let a text pass that follows a constraint without its first or last line or without asterisks, "
        "as IFEval's loose accuracy does: for models that begin with `Sure, here it is:`",
    )


@dataclass(frozen=True)
class ConstraintsVerifier:
    """Checks what follows a trace's thinking; the score is the share of the constraints that it follows."""

    config: Config
    version: str = "1"
    domains: frozenset[Domain] = frozenset({Domain.INSTRUCTION})

    def claim(self, problem: ProblemView, text: str) -> Claim | Outcome:
        """The text after the thinking is what has to follow the constraints."""
        if not problem.constraints or not problem.constraints.strip():
            return Outcome(Status.UNVERIFIABLE, "no constraints")
        try:
            ifeval.read(problem.constraints)
        except ValueError as exc:
            return Outcome(Status.UNVERIFIABLE, str(exc))
        said = spoken(text)
        if said is None:
            return Outcome(Status.INCORRECT, "the thinking never ends", score=0.0)
        return Claim(problem.constraints, said) if said else incorrect("no answer: the text is empty")

    def answer(self, problem: ProblemView, text: str) -> None:
        """None: two texts that follow the same constraints need not say the same."""

    def decide(self, claim: Claim) -> Outcome | None:
        """Check at once what needs no language to be detected."""
        slow = len(claim.answer) > INLINE or ifeval.is_slow(ifeval.read(claim.reference))
        return None if slow else self.check(claim)

    def prepare(self) -> None:
        """Load langdetect."""
        ifeval_text.prepare()

    def check(self, claim: Claim) -> Outcome:
        """Check every constraint; the reason names those that fail, with what was counted."""
        rules = ifeval.read(claim.reference)
        found = ifeval.findings(rules, claim.answer, loose=self.config.loose)
        faults = [f"{rule.kind}: {one.said}" for rule, one in zip(rules, found, strict=True) if not one.followed]
        if not faults:
            return CORRECT
        kept = len(rules) - len(faults)
        return Outcome(Status.INCORRECT, f"{kept} of {len(rules)} followed; {'; '.join(faults)}", kept / len(rules))

    def gold(self, problem: ProblemView) -> str | None:
        """The reference, where a problem with constraints has an answer for one."""
        return problem.reference if problem.constraints and problem.reference else None


def build(config: Config) -> ConstraintsVerifier:
    """Make the verifier that a recipe's settings describe."""
    return ConstraintsVerifier(config)
