"""Answers that a pattern describes: the problem's reference is a regular expression, or the recipe has one for all."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from schemas.tables import Domain, Status
from tasks.verify.contract import CORRECT, Claim, Outcome, ProblemView, incorrect, reference_of
from tasks.verify.given import GivenConfig

REFERENCE: Final = "{reference}"
"""Where the reference, taken literally, stands in a recipe's pattern."""


class Config(GivenConfig):
    """The pattern, and how it has to match. Syntax and meaning are those of Python's `re`."""

    pattern: str | None = Field(
        default=None,
        description="for every problem, with {reference} where the reference is to stand; else references are patterns",
    )
    match: Literal["full", "search"] = Field(
        default="full", description="full: the whole answer has to match; search: some part of it"
    )
    ignore_case: bool = False
    multiline: bool = Field(default=False, description="^ and $ also match at line ends")
    dot_all: bool = Field(default=False, description="a dot also matches a line end")

    @model_validator(mode="after")
    def _valid(self) -> Self:
        fault = None if self.pattern is None else broken(self.pattern.replace(REFERENCE, "x"), self.flags)
        if fault:
            raise ValueError(f"pattern {self.pattern!r} is no regular expression: {fault}")
        return self

    @property
    def flags(self) -> int:
        """The settings as `re` takes them."""
        wanted = {re.IGNORECASE: self.ignore_case, re.MULTILINE: self.multiline, re.DOTALL: self.dot_all}
        return int(sum(flag for flag, on in wanted.items() if on))


@dataclass(frozen=True)
class RegexVerifier:
    """Matches a trace's answer in a worker, where a pattern that takes forever ends at the deadline, as an `error`."""

    config: Config
    version: str = "1"

    @property
    def domains(self) -> frozenset[Domain]:
        """Those that the settings name."""
        return frozenset(self.config.domains)

    def claim(self, problem: ProblemView, text: str) -> Claim | Outcome:
        """The pattern is what the answer is checked against."""
        pattern = self._pattern(problem)
        if pattern is None:
            return Outcome(Status.UNVERIFIABLE, "no pattern: the problem has no reference")
        if fault := broken(pattern, self.config.flags):
            return Outcome(Status.UNVERIFIABLE, f"the reference is no regular expression: {fault}")
        answer = self.config.given(text)
        return Claim(pattern, answer) if answer else incorrect("no answer found")

    def answer(self, problem: ProblemView, text: str) -> None:
        """None: two answers that match one pattern need not be the same."""

    def decide(self, claim: Claim) -> None:
        """None: no pattern is trusted to end."""

    def prepare(self) -> None:
        """Nothing to load."""

    def check(self, claim: Claim) -> Outcome:
        """Match."""
        pattern = re.compile(claim.reference, self.config.flags)
        whole = self.config.match == "full"
        found = pattern.fullmatch(claim.answer) if whole else pattern.search(claim.answer)
        return CORRECT if found else incorrect("does not match the pattern")

    def gold(self, problem: ProblemView) -> None:
        """None: a pattern is no answer."""

    def _pattern(self, problem: ProblemView) -> str | None:
        reference, pattern = reference_of(problem), self.config.pattern
        if pattern is not None and REFERENCE not in pattern:
            return pattern
        if reference is None:
            return None
        return reference if pattern is None else pattern.replace(REFERENCE, re.escape(reference.strip()))


@lru_cache(maxsize=4096)
def broken(pattern: str, flags: int) -> str | None:
    """Why a pattern is no regular expression; None if it is one."""
    try:
        re.compile(pattern, flags)
    except (re.error, OverflowError, RecursionError) as exc:
        return str(exc) or type(exc).__name__
    return None


def build(config: Config) -> RegexVerifier:
    """Make the verifier that a recipe's settings describe."""
    return RegexVerifier(config)
