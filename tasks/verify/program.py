"""A program that a model wrote for a problem is run; what it prints last bears witness to the answer.

PAL: Gao et al. 2022, arXiv 2211.10435. Programs run in the sandbox (`tasks.sandbox`) with Python's standard library,
without input.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

import pyarrow as pa
from pydantic import Field

from schemas.base import ConfigBase
from schemas.conform import rows
from schemas.tables import WITNESSES
from tasks.asking import Question
from tasks.engines.contract import Identity, Message, Request, Sampling
from tasks.ids import content_id
from tasks.sandbox.messages import Job, Limits
from tasks.sandbox.sandbox import Isolation, shared
from tasks.verify.contract import lacks_reference, views_of
from tasks.verify.source import program_in

PROMPT: Final = "Write a Python program that prints the answer. {question}"
WITNESS: Final = "program"
PROGRAMS: Final = "programs"
"""The stage that has them written."""

_LINE_MAX: Final = 1_000
"""Characters; a longer line is no answer."""


class ProgramConfig(ConfigBase):
    """What each program may use."""

    deadline_s: float = Field(default=5.0, gt=0, description="for one program, by the wall clock")
    memory_mb: int = Field(default=512, ge=64, description="address space of one program")
    output_bytes: int = Field(default=65_536, ge=1, description="a program that prints more is ended")
    processes: int | None = Field(default=None, ge=1, description="programs at once; one per core unless set")
    isolation: Isolation = Field(
        default=Isolation.REQUIRED,
        description="best_effort runs programs where the kernel permits no full isolation, as in a plain container",
    )


class WitnessConfig(ConfigBase):
    """Have a model write a program for each problem that has no reference."""

    model: str = Field(description="the one of the recipe's models that writes")
    sampling: Sampling = Sampling(temperature=0, max_tokens=512)
    limits: ProgramConfig = ProgramConfig()


class Written(NamedTuple):
    """What a model wrote when it was asked for a program."""

    problem_id: str
    text: str
    model: str | None = None
    completion_tokens: int | None = None


class Ran(NamedTuple):
    """The last line that a program printed, or the reason why there is none."""

    answer: str | None
    reason: str = ""


def program_messages(problem: Mapping[str, Any]) -> tuple[Message, ...]:
    """What asks a model for a program that solves a problem (a row of PROBLEMS)."""
    return (Message("user", PROMPT.format(question=problem["question"])),)


def program_questions(problems: pa.Table, config: WitnessConfig, identity: Identity) -> Iterator[Question]:
    """What to ask the model of this identity: one program for each of `problems` (PROBLEMS) that has no reference."""
    for problem_id, view in views_of(problems).items():
        if lacks_reference(view):
            name = content_id(problem_id, WITNESS, identity.model, identity.revision)
            request = Request(name, program_messages(view._asdict()), config.sampling)
            yield Question(WITNESS, problem_id, 0, config.model, request)


def witness(written: Iterable[Written], config: ProgramConfig | None = None) -> pa.Table:
    """Run the program in each text; one row of WITNESSES for each, in order. Equal programs run once.

    Raises:
        RecipeError: programs cannot be isolated here, and have to be.
        WorkerError: the sandbox does not work.
    """
    config = config or ProgramConfig()
    texts = list(written)
    programs = [program_in(one.text) for one in texts]
    distinct = list(dict.fromkeys(program for program in programs if program is not None))
    with ThreadPoolExecutor(config.processes or os.cpu_count()) as threads:
        ran = dict(zip(distinct, threads.map(lambda program: run_program(program, config), distinct), strict=True))
    records: list[dict[str, object]] = []
    for one, program in zip(texts, programs, strict=True):
        result = Ran(None, "no program in the text") if program is None else ran[program]
        records.append(one._asdict() | result._asdict() | {"witness": WITNESS})
    return rows(records, WITNESSES, at="verify")


def run_program(source: str, config: ProgramConfig | None = None) -> Ran:
    """Run one program as the module describes; it has to end by itself, with status 0.

    Raises:
        RecipeError: programs cannot be isolated here, and have to be.
        WorkerError: the sandbox does not work.
    """
    config = config or ProgramConfig()
    limits = Limits(config.deadline_s, config.memory_mb, output_bytes=config.output_bytes)
    (ended,) = shared(config.isolation).run(Job(source.encode("utf-8", "replace"), limits=limits))
    if ended.fault or ended.code:
        return Ran(None, ended.why())
    lines = [line.strip() for line in ended.stdout.decode("utf-8", "replace").splitlines() if line.strip()]
    if not lines:
        return Ran(None, "it printed nothing")
    if len(lines[-1]) > _LINE_MAX:
        return Ran(None, f"its last line has more than {_LINE_MAX} characters")
    return Ran(lines[-1])
