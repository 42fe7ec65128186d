"""What a verifier is: it finds a trace's claim, decides what it can at once, and checks the rest in a worker."""

from typing import NamedTuple, Protocol

from schemas.tables import Domain, Status


class ProblemView(NamedTuple):
    """The columns of a problem that a verifier may look at."""

    domain: str
    question: str
    reference: str | None
    tests: str | None
    constraints: str | None


class Claim(NamedTuple):
    """What is to be decided: does `answer` meet `reference`? Equal claims are decided once.

    `reference` is whatever the verifier checks against: a gold answer, the source of tests, constraints.
    """

    reference: str
    answer: str


class Outcome(NamedTuple):
    """What a verifier says; `reason` is one line for people and empty only where the status says it all."""

    status: Status
    reason: str = ""
    score: float | None = None
    first_wrong_step: int | None = None
    step_scores: tuple[float, ...] | None = None


CORRECT = Outcome(Status.CORRECT, score=1.0)
"""The plain verdict on a right answer."""


def incorrect(reason: str) -> Outcome:
    """The plain verdict on a wrong answer."""
    return Outcome(Status.INCORRECT, reason, score=0.0)


class Verifier(Protocol):
    """What a plug-in's `build(config)` returns: a picklable object, for `check` travels to a worker.

    `claim` and `decide` run inline on every trace, so they are quick and raise for no text. `check` runs in a worker
    that is killed at the deadline, so it may hang, crash or raise: each becomes an `error`, never `incorrect`.
    """

    @property
    def version(self) -> str:
        """Changes whenever a verdict may; old verdicts are then made again."""

    @property
    def domains(self) -> frozenset[Domain]:
        """The problems it applies to."""

    def claim(self, problem: ProblemView, text: str) -> Claim | Outcome:
        """Find the claim that a trace's text makes, or the outcome where that can be told already.

        No reference is `unverifiable`; a reference but no answer in the text is `incorrect`.
        """

    def decide(self, claim: Claim) -> Outcome | None:
        """Apply exact rules; None where they do not settle it."""

    def prepare(self) -> object:
        """Import what `check` needs: runs once in each worker, before any deadline does."""

    def check(self, claim: Claim) -> Outcome:
        """Settle a claim that `decide` left open."""

    def gold(self, problem: ProblemView) -> str | None:
        """A trace text that answers with the reference and so has to be correct; None without a reference."""
