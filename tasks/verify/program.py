"""A program that a model wrote for a problem is run; what it prints last bears witness to the answer.

PAL: Gao et al. 2022, arXiv 2211.10435. Each program runs in a fresh interpreter without site-packages: an empty
environment, no input, a scratch folder, limits on time, memory, output and files, and no second process or thread.
Where the kernel lets anyone make namespaces (Linux, mostly not in Docker's default profile) it has no network either,
and nothing but its folder can be written. It can still read files, and system calls are not filtered: this keeps a
model's mistakes in bounds, it is no sandbox against an attacker.
"""

import os
import re
import selectors
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import pyarrow as pa
from pydantic import Field

from schemas.base import ConfigBase
from schemas.conform import rows
from schemas.errors import WorkerError
from schemas.tables import WITNESSES
from tasks.asking import Question
from tasks.engines.contract import Identity, Message, Request, Sampling
from tasks.ids import content_id
from tasks.text.thinking import spoken
from tasks.verify.contract import lacks_reference, views_of

PROMPT: Final = "Write a Python program that prints the answer. {question}"
WITNESS: Final = "program"
PROGRAMS: Final = "programs"
"""The stage that has them written."""

_CHILD: Final = Path(__file__).with_name("program_child.py")
_FENCED: Final = re.compile(r"^[ \t]*```[ \t]*([^\n`]*)\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)
_PYTHON: Final = frozenset({"python", "python3", "py"})
_LINE_MAX: Final = 1_000
"""Characters; a longer line is no answer."""
_FILE_BYTES: Final = 2**20
_GRACE_S: Final = 0.5


class ProgramConfig(ConfigBase):
    """What each program may use."""

    deadline_s: float = Field(default=5.0, gt=0, description="for one program, by the wall clock")
    memory_mb: int = Field(default=512, ge=64, description="address space of one program")
    output_bytes: int = Field(default=65_536, ge=1, description="a program that prints more is ended")
    processes: int | None = Field(default=None, ge=1, description="programs at once; one per core unless set")


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
        WorkerError: processes cannot be started.
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


def program_in(text: str) -> str | None:
    """The program in a model's text, whether or not it is valid.

    The last fenced block marked as Python, else the last that is not marked; without any, all that follows the
    thinking, if it prints something.
    """
    blocks = [(mark.strip().lower(), textwrap.dedent(block)) for mark, block in _FENCED.findall(text)]
    marked = [block for mark, block in blocks if mark in _PYTHON] or [block for mark, block in blocks if not mark]
    if blocks:
        return marked[-1] if marked else None
    bare = spoken(text)
    return bare if bare and "print(" in bare else None


def run_program(source: str, config: ProgramConfig | None = None) -> Ran:
    """Run one program as the module describes; it has to end by itself, with status 0.

    Raises:
        WorkerError: a process cannot be started.
    """
    config = config or ProgramConfig()
    with TemporaryDirectory(prefix="tracemill-program-", ignore_cleanup_errors=True) as folder:
        path = Path(folder, "program.py")
        path.write_bytes(source.encode("utf-8", "replace"))
        child = _start(path, config)
        try:
            printed, complained, fault = _heard(child, config)
        finally:
            _end(child)
    if fault or child.returncode:
        return Ran(None, fault or _why(complained, child.returncode))
    lines = [line.strip() for line in printed.decode("utf-8", "replace").splitlines() if line.strip()]
    if not lines:
        return Ran(None, "it printed nothing")
    if len(lines[-1]) > _LINE_MAX:
        return Ran(None, f"its last line has more than {_LINE_MAX} characters")
    return Ran(lines[-1])


def _start(path: Path, config: ProgramConfig) -> "subprocess.Popen[bytes]":
    limits = (int(config.deadline_s) + 2, config.memory_mb * 2**20, _FILE_BYTES)
    try:
        return subprocess.Popen(
            # Not -I, which would ignore the hash seed too: a set's order must not differ from run to run.
            [sys.executable, "-s", "-P", "-S", str(_CHILD), str(path), *map(str, limits)],
            cwd=path.parent,
            env={"PYTHONHASHSEED": "0"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as exc:
        raise WorkerError(f"cannot start a process for a program: {exc}") from exc


def _heard(child: "subprocess.Popen[bytes]", config: ProgramConfig) -> tuple[bytes, bytes, str]:
    """What it wrote to its two outputs until it ended, and what it did wrong if it did not end."""
    assert child.stdout is not None
    assert child.stderr is not None
    end = time.monotonic() + config.deadline_s
    late = f"timed out after {config.deadline_s:g} s"
    heard = {child.stdout.fileno(): b"", child.stderr.fileno(): b""}
    printed, complained = heard
    with selectors.DefaultSelector() as selector:
        for pipe in heard:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(end - time.monotonic(), 0.0))
            if not ready or time.monotonic() > end:
                return heard[printed], heard[complained], late
            for key, _ in ready:
                chunk = os.read(key.fd, config.output_bytes + 1)
                heard[key.fd] = (heard[key.fd] + chunk)[-config.output_bytes - 1 :]
                if not chunk:
                    selector.unregister(key.fd)
            if len(heard[printed]) > config.output_bytes:
                return heard[printed], heard[complained], f"it printed more than {config.output_bytes} bytes"
    try:  # a program may close its outputs and go on
        child.wait(max(end - time.monotonic(), 0.0))
    except subprocess.TimeoutExpired:
        return heard[printed], heard[complained], late
    return heard[printed], heard[complained], ""


def _end(child: "subprocess.Popen[bytes]") -> None:
    """End whatever is left of it: politely first, so that the first process of its namespace is reaped."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    for pipe in (child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()


def _why(complained: bytes, code: int) -> str:
    lines = complained.decode("utf-8", "replace").strip().splitlines()
    if lines:
        return lines[-1].strip()[:_LINE_MAX]
    return f"it was killed by {signal.Signals(-code).name}" if code < 0 else f"it exited with code {code}"
