"""Programs that nobody trusts are run by a warm zygote, as many at once as there are threads that ask.

A zygote (`tasks.sandbox.zygote`) is a fresh interpreter, not a fork of this process, so that this works from any
thread, a worker of `tasks.workers`, Prefect, Ray or pytest-xdist; no signal is handled and no alarm set in here.
"""

import atexit
import os
import pickle
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from schemas.errors import RecipeError, WorkerError
from tasks.sandbox.messages import Broken, Ended, Hello, Job, Order

START_S: Final = 60.0
STOP_S: Final = 5.0
GRACE_S: Final = 30.0
"""A zygote that has not answered so long after its program's time is dead."""
_ROOT: Final = str(Path(__file__).parents[2])
_BOOT: Final = """
import sys
sys.path.append({root!r})
from tasks.sandbox.zygote import serve
serve({link}, {modules!r}, {root!r}, {temporary!r}, isolate={isolate})
"""


class Isolation(StrEnum):
    """Whether programs may run where the kernel does not permit all protections."""

    REQUIRED = "required"
    BEST_EFFORT = "best_effort"


class Protection(NamedTuple):
    """One of the things that keep a program in, and whether it works on this machine."""

    name: str
    keeps: str
    active: bool
    why_not: str = ""


PROTECTIONS: Final = {
    "namespaces": "no network; no process, file or user of this machine in sight; all it starts ends with it",
    "seccomp": "no second process, no socket, no signal to others, no system call that only administration needs",
    "landlock": "no file outside its folder; stands in where there are no namespaces",
    "limits": "time, memory, files, output, threads",
}


class Sandbox:
    """Zygotes that start when first needed and stay warm until the `with` block ends.

    `modules` are imported by zygotes: those that hold a job's `main`. Any number of threads may call `run` at once;
    each has a zygote of its own meanwhile. Without `namespaces`, best effort is what it is where there are none.
    """

    def __init__(
        self, isolation: Isolation = Isolation.REQUIRED, modules: tuple[str, ...] = (), *, namespaces: bool = True
    ) -> None:
        self._required = isolation is Isolation.REQUIRED
        self._modules = ("tasks.sandbox.script", *modules)
        self._refused = None if namespaces else "not asked for"
        self._idle: list[_Zygote] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all zygotes that run nothing."""
        with self._lock:
            idle, self._idle = self._idle, []
        for zygote in idle:
            zygote.kill()

    def warm(self) -> Mapping[str, str]:
        """Have one zygote ready; return what is missing here, by the protection's name.

        Raises:
            RecipeError: something is, and isolation is required.
            WorkerError: a process cannot be started.
        """
        zygote = self._take()
        with self._lock:
            self._idle.append(zygote)
        return zygote.missing

    def run(self, *jobs: Job) -> tuple[Ended, ...]:
        """Run one job, or two that talk to each other; both end when the first does.

        Raises:
            RecipeError: as `warm`.
            WorkerError: the sandbox did not work. Nothing is known of the program then.
        """
        zygote = self._take()
        try:
            answers = zygote.ask(jobs, jobs[0].limits.time_s + GRACE_S)
        except BaseException:
            zygote.kill()
            raise
        with self._lock:
            self._idle.append(zygote)
        for answer in answers:
            if isinstance(answer, Broken):
                raise WorkerError(answer.message)
        return tuple(answer for answer in answers if isinstance(answer, Ended))

    def _take(self) -> "_Zygote":
        with self._lock:
            if self._idle:
                return self._idle.pop()
        zygote = self._start()
        if self._required and zygote.missing:
            zygote.kill()
            lacking = ", ".join(f"{name} ({why})" for name, why in zygote.missing.items())
            raise RecipeError(
                f"programs cannot be isolated on this machine, which lacks {lacking}: run them on another one (in a "
                "container, allow user namespaces), or set isolation to best_effort if you trust who wrote them"
            )
        return zygote

    def _start(self) -> "_Zygote":
        if self._refused is None:
            try:
                return _Zygote(self._modules, isolate=True)
            except _RefusedError as exc:
                self._refused = str(exc)
        zygote = _Zygote(self._modules, isolate=False)
        zygote.missing = {"namespaces": self._refused, **zygote.missing}
        return zygote


class _RefusedError(Exception):
    """The kernel does not let a zygote into its jail."""


class _Zygote:
    """One zygote, the link to it, and a folder of its own."""

    def __init__(self, modules: tuple[str, ...], *, isolate: bool) -> None:
        self._folder = TemporaryDirectory(prefix="tracemill-sandbox-", ignore_cleanup_errors=True)
        self._socket, theirs = socket.socketpair()
        self._link = Connection(os.dup(self._socket.fileno()))
        boot = _BOOT.format(
            link=theirs.fileno(), modules=modules, root=_ROOT, temporary=self._folder.name, isolate=isolate
        )
        try:
            self._process = subprocess.Popen(
                # Not -I, which would ignore the hash seed too: a set's order must not differ from run to run.
                [sys.executable, "-s", "-P", "-S", "-c", boot],
                pass_fds=(theirs.fileno(),),
                cwd="/",
                env={"PYTHONHASHSEED": "0"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as exc:
            self._folder.cleanup()
            raise WorkerError(f"cannot start a process for programs: {exc}") from exc
        finally:
            theirs.close()
        hello = self._heard(START_S)
        if not isinstance(hello, Hello):
            self.kill()
            raise _RefusedError(hello.message) if isolate else WorkerError(hello.message)
        self.missing = hello.missing

    def ask(self, jobs: tuple[Job, ...], patience_s: float) -> tuple[Ended | Broken, ...]:
        """What became of the jobs."""
        orders = pickle.dumps([Order(job.main, job.limits) for job in jobs])
        files = [_file(content) for job in jobs for content in (job.payload, job.stdin)]
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # it is dead: reading the link tells
                socket.send_fds(self._socket, [orders], files)
        finally:
            for descriptor in files:
                os.close(descriptor)
        answer: tuple[Ended | Broken, ...] = self._heard(patience_s)
        return answer

    def kill(self) -> None:
        """End it and whatever it runs, and remove its folder."""
        self._link.close()
        self._socket.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def _heard(self, patience_s: float) -> Any:
        if not self._link.poll(patience_s):
            raise WorkerError(f"the sandbox has not answered for {patience_s:g} s")
        try:
            return self._link.recv()
        except (EOFError, ConnectionResetError) as exc:
            raise WorkerError("the sandbox's process has ended by itself; its own messages are above") from exc


def _file(content: bytes) -> int:
    """A file in memory, at its start."""
    descriptor = os.memfd_create("given")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def shared(isolation: Isolation, modules: tuple[str, ...] = ()) -> Sandbox:
    """The sandbox of this process for these settings; it stays warm until the process ends."""
    return _shared(os.getpid(), isolation, modules)


@lru_cache
def _shared(_: int, isolation: Isolation, modules: tuple[str, ...]) -> Sandbox:
    """One for each process: what a fork inherits is its parent's."""
    sandbox = Sandbox(isolation, modules)
    atexit.register(sandbox.close)
    return sandbox


def protections() -> list[Protection]:
    """What keeps programs in on this machine, and why what does not.

    Raises:
        WorkerError: a process cannot be started.
    """
    with Sandbox(Isolation.BEST_EFFORT) as sandbox:
        missing = sandbox.warm()
    return [Protection(name, keeps, name not in missing, missing.get(name, "")) for name, keeps in PROTECTIONS.items()]
