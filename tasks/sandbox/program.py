"""A program that a model wrote is run; what it prints last is its answer (PAL: Gao et al. 2022, arXiv 2211.10435).

Programs have Python's standard library, and no input.
"""

from typing import Final, NamedTuple

from pydantic import Field

from schemas.base import ConfigBase
from tasks.sandbox.messages import Ended, Job, Limits
from tasks.sandbox.sandbox import Isolation, shared

_LINE_MAX: Final = 1_000
"""Characters; a longer line is no answer."""


class LimitsConfig(ConfigBase):
    """What each program may use."""

    deadline_s: float = Field(default=5.0, gt=0, description="for one program, by the wall clock")
    memory_mb: int = Field(default=512, ge=64, description="address space of one program")
    output_bytes: int = Field(default=65_536, ge=1, description="a program that prints more is ended")
    isolation: Isolation = Field(
        default=Isolation.REQUIRED,
        description="best_effort runs programs where the kernel permits no full isolation, as in a plain container",
    )


class ProgramConfig(LimitsConfig):
    """The same, and how many run at once."""

    processes: int | None = Field(default=None, ge=1, description="programs at once; one per core unless set")


class Ran(NamedTuple):
    """The last line that a program printed, or the reason why there is none."""

    answer: str | None
    reason: str = ""
    output: str = ""
    """All that it printed."""


def run_program(source: str, config: ProgramConfig | None = None) -> Ran:
    """Run one program as the module describes; it has to end by itself, with status 0.

    Raises:
        RecipeError: programs cannot be isolated here, and have to be.
        WorkerError: the sandbox does not work.
    """
    ended = run_source(source, config or ProgramConfig())
    output = ended.stdout.decode("utf-8", "replace")
    if ended.fault or ended.code:
        return Ran(None, ended.why(), output)
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if not lines:
        return Ran(None, "it printed nothing", output)
    if len(lines[-1]) > _LINE_MAX:
        return Ran(None, f"its last line has more than {_LINE_MAX} characters", output)
    return Ran(lines[-1], "", output)


def run_source(source: str, config: LimitsConfig) -> Ended:
    """Run one program, and say how it ended.

    Raises:
        RecipeError: programs cannot be isolated here, and have to be.
        WorkerError: the sandbox does not work.
    """
    limits = Limits(config.deadline_s, config.memory_mb, output_bytes=config.output_bytes)
    (ended,) = shared(config.isolation).run(Job(source.encode("utf-8", "replace"), limits=limits))
    return ended
