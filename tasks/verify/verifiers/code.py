"""Programs: run in the sandbox against a problem's tests.

The program and the tests never share a process: see `tasks.verify.trial`. Programs have Python's standard library.
"""

import json
import re
import time
from dataclasses import dataclass
from typing import Final

from pydantic import Field

from schemas.base import ConfigBase
from schemas.tables import Domain, Status
from tasks.sandbox.messages import Ended, Job, Limits
from tasks.sandbox.sandbox import Isolation, Sandbox, shared
from tasks.text.source import program_in
from tasks.verify.contract import CORRECT, Claim, Outcome, ProblemView, incorrect, reference_of
from tasks.verify.suite import Suite, suite_of
from tasks.verify.trial import JUDGE, SERVE

LONGEST: Final = 200_000
"""Characters; a longer program is not run."""
_CODE: Final = re.compile(r"^[ \t]*(?:def |class |import |from [\w.]+ import |return\b)|\bprint\(", re.MULTILINE)
_SHOWN: Final = 60


class Config(ConfigBase):
    """What a program may use, all its tests together."""

    time_s: float = Field(default=4.0, gt=0, description="a later program is incorrect; less than verify.deadline_s")
    memory_mb: int = Field(default=512, ge=64, description="address space")
    file_mb: int = Field(default=1, ge=1, description="each file, and the scratch folder")
    output_kb: int = Field(default=1024, ge=1, description="a program that prints more is incorrect")
    threads: int = Field(default=16, ge=1, description="beside the first; there is no second process")
    isolation: Isolation = Field(
        default=Isolation.REQUIRED,
        description="best_effort runs programs where the kernel permits no full isolation, as in a plain container",
    )


@dataclass(frozen=True)
class CodeVerifier:
    """Runs a trace's program against the tests of its problem."""

    config: Config
    version: str = "1"
    domains: frozenset[Domain] = frozenset({Domain.CODE})

    def claim(self, problem: ProblemView, text: str) -> Claim | Outcome:
        """Find the program: the last block of Python after the thinking, or all of it if that is code."""
        if not problem.tests or not problem.tests.strip():
            return Outcome(Status.UNVERIFIABLE, "no tests")
        suite = suite_of(problem.tests, problem.question)
        if isinstance(suite, str):
            return Outcome(Status.UNVERIFIABLE, suite)
        program = program_in(text, _is_code)
        if not program or not program.strip():
            return incorrect("no program found")
        if len(program) > LONGEST:
            return incorrect(f"the program is longer than {LONGEST} characters")
        return Claim(json.dumps(suite), program)

    def answer(self, problem: ProblemView, text: str) -> None:  # noqa: ARG002 - the protocol's
        """Programs are not compared with each other."""
        return

    def decide(self, claim: Claim) -> None:  # noqa: ARG002 - the protocol's
        """Nothing can be told of a program that has not run."""
        return

    def prepare(self) -> None:
        """Have the sandbox ready."""
        self._sandbox().warm()

    def check(self, claim: Claim) -> Outcome:
        """Run the program.

        Raises:
            RecipeError: programs cannot be isolated here, and have to be.
            WorkerError: the sandbox does not work.
        """
        suite = Suite(*json.loads(claim.reference))
        if suite.pairs:
            return self._fed(suite, claim.answer)
        return self._called(suite, claim.answer)

    def gold(self, problem: ProblemView) -> str | None:
        """The reference as a program; one that is the rest of a question in Python goes on from there."""
        reference = reference_of(problem)
        if reference is None or not (problem.tests or "").strip():
            return None
        program = program_in(reference) or reference
        if program[:1].isspace():
            program = problem.question + program
        return f"```python\n{program}\n```"

    def _called(self, suite: Suite, program: str) -> Outcome:
        """Judge by tests that call the program."""
        payload = json.dumps({"tests": suite.tests, "setup": suite.setup, "entry": suite.entry})
        source = suite.source(program)
        limits = self._limits(self.config.time_s)
        told, ran = self._sandbox().run(
            Job(payload.encode("utf-8", "replace"), JUDGE, limits=limits),
            Job(source.encode("utf-8", "replace"), SERVE, limits=limits),
        )
        if told.fault or ran.fault:
            return incorrect(ran.fault or told.fault)
        verdict = json.loads(told.report) if told.code == 0 and told.report else {"failed": told.why()}
        if "passed" in verdict:
            return CORRECT
        if "broken" in verdict:
            return Outcome(Status.ERROR, verdict["broken"])
        return incorrect(self._said(verdict["failed"], ran))

    def _fed(self, suite: Suite, program: str) -> Outcome:
        """Judge by what the program prints for each input."""
        end = time.monotonic() + self.config.time_s
        source = program.encode("utf-8", "replace")
        for number, (given, wanted) in enumerate(suite.pairs, 1):
            left = max(end - time.monotonic(), 0.01)
            job = Job(source, stdin=given.encode("utf-8", "replace"), limits=self._limits(left))
            (ended,) = self._sandbox().run(job)
            if ended.fault.startswith("timed out"):
                return incorrect(f"timed out after {self.config.time_s:g} s in test {number}")
            if ended.fault or ended.code:
                return incorrect(f"test {number} failed: {self._said(ended.why(), ended)}")
            printed = _lines(ended.stdout.decode("utf-8", "replace"))
            if printed != _lines(wanted):
                return incorrect(f"test {number} failed: {_difference(printed, _lines(wanted))}")
        return CORRECT

    def _said(self, reason: str, ended: Ended) -> str:
        """The reason, or the limit behind it."""
        out_of_memory = "MemoryError" in reason or ended.stderr.rstrip().endswith(b"MemoryError")
        return f"memory limit {self.config.memory_mb} MB" if out_of_memory else reason

    def _limits(self, time_s: float) -> Limits:
        config = self.config
        return Limits(time_s, config.memory_mb, config.file_mb * 2**20, config.output_kb * 2**10, config.threads)

    def _sandbox(self) -> Sandbox:
        return shared(self.config.isolation, ("tasks.verify.trial",))


def _is_code(text: str) -> bool:
    return _CODE.search(text) is not None


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


def _difference(printed: list[str], wanted: list[str]) -> str:
    """The first line in which they differ."""
    if not printed:
        return "it printed nothing"
    for number, (one, other) in enumerate(zip(printed, wanted, strict=False), 1):
        if one != other:
            return f"line {number} is {one[:_SHOWN]!r} where {other[:_SHOWN]!r} was expected"
    return f"it printed {len(printed)} lines where {len(wanted)} were expected"


def build(config: Config) -> CodeVerifier:
    """Make the verifier that a recipe's settings describe."""
    return CodeVerifier(config)
