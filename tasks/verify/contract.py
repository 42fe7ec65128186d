"""What a verifier is: it finds a trace's claim, decides what it can at once, and checks the rest in a worker."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, cast

import pyarrow as pa

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

    def answer(self, problem: ProblemView, text: str) -> str | None:
        """The answer that a trace's text gives, with or without a reference.

        `Claim(one, other)` of two such answers asks whether they are the same. None where the text gives none, or
        where answers of this kind are not compared with each other, such as code that tests run.
        """

    def decide(self, claim: Claim) -> Outcome | None:
        """Apply exact rules; None where they do not settle it."""

    def prepare(self) -> object:
        """Import what `check` needs: runs once in each worker, before any deadline does."""

    def check(self, claim: Claim) -> Outcome:
        """Settle a claim that `decide` left open."""

    def gold(self, problem: ProblemView) -> str | None:
        """A trace text that answers with the reference and so has to be correct; None without a reference."""


def views_of(problems: pa.Table) -> dict[str, ProblemView]:
    """What verifiers may see of each problem, by problem_id."""
    columns = [problems[name].to_pylist() for name in ProblemView._fields]
    ids = cast("list[str]", problems["problem_id"].to_pylist())
    return dict(zip(ids, map(ProblemView._make, zip(*columns, strict=True)), strict=True))


def covering(verifiers: Mapping[str, Verifier], domain: str) -> dict[str, Verifier]:
    """Those of the verifiers that apply to a domain, by name."""
    return {name: verifier for name, verifier in verifiers.items() if domain in verifier.domains}


def reference_of(view: ProblemView) -> str | None:
    """The reference, as it is given; None where there is none but blanks."""
    return view.reference if view.reference and view.reference.strip() else None


def lacks_reference(view: ProblemView) -> bool:
    """Whether a problem has nothing that its traces can be checked against."""
    return not any(text and text.strip() for text in (view.reference, view.tests, view.constraints))
