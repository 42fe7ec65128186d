"""A program that a model wrote for a problem is run; what it prints last bears witness to the answer.

PAL: Gao et al. 2022, arXiv 2211.10435. Programs run in the sandbox (`tasks.sandbox.program`).
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
from tasks.sandbox.program import ProgramConfig, Ran, run_program
from tasks.text.source import program_in
from tasks.verify.contract import lacks_reference, views_of

PROMPT: Final = "Write a Python program that prints the answer. {question}"
WITNESS: Final = "program"
PROGRAMS: Final = "programs"
"""The stage that has them written."""


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
        records.append(one._asdict() | {"answer": result.answer, "reason": result.reason, "witness": WITNESS})
    return rows(records, WITNESSES, at="verify")
