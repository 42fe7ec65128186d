"""Killable worker processes: every item has a deadline, and a bad item harms no other.

Workers are fresh interpreters, neither forks (unsafe once the parent has threads) nor `multiprocessing` children
(which import `__main__` again), so the pool works from any thread, a notebook, `python -c`, Prefect and
pytest-xdist. A function therefore has to be importable: one of `__main__` is not.

A worker reports each item as it ends, so the deadline holds per item although items travel in batches. One that is
late is killed with its process group; its item fails, the rest of its batch goes to others.
"""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from enum import StrEnum
from functools import cache
from itertools import count
from multiprocessing import connection
from types import TracebackType
from typing import Final, Generic, NamedTuple, Self, TypeVar

from schemas.errors import WorkerError
from tasks.keys import keyless
from tasks.worker_process import Broken, Ready, Report

T = TypeVar("T")
R = TypeVar("R")

START_S: Final = 120.0
"""A worker that has not loaded its job by then is taken for dead."""
MISFIRES: Final = 3
"""So many workers in a row that end without having reported anything are a broken pool, not bad items."""
BATCH_S: Final = 0.05
"""Batches grow while they take less than this: cheap items travel by the hundred, dear ones alone."""
BATCH_MAX: Final = 256

_BOOT: Final = """
import sys
sys.path[:] = {path!r}
from tasks.worker_process import serve
serve({link}, {line}, {memory})
"""


class Fault(StrEnum):
    """Why an item has no value."""

    TIMED_OUT = "timed out"
    CRASHED = "crashed"
    RAISED = "raised"


class Done(NamedTuple, Generic[R]):
    """An item's value, and how long it took."""

    value: R
    elapsed_ms: float


class Failed(NamedTuple):
    """An item without a value: it passed its deadline, took its worker down, or raised."""

    fault: Fault
    message: str
    elapsed_ms: float


class WorkerPool:
    """Workers that start when first needed and stay warm until the `with` block ends.

    Any number of threads may call `map` at once; each call in flight has up to `processes` workers of its own.
    `memory_mb` limits each worker's address space (RLIMIT_AS); an item that asks for more raises MemoryError.

    Sent to another process it becomes that one's own pool, which stays warm as long as the process lives: of one worker
    unless `processes` says how many, as there is one such process for each core.
    """

    def __init__(self, processes: int | None = None, *, memory_mb: int | None = None) -> None:
        self._settings = processes or 1, memory_mb
        self._processes = processes or os.cpu_count() or 1
        self._memory_bytes = memory_mb * 2**20 if memory_mb else None
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Callable[[int, int | None], "WorkerPool"], tuple[int, int | None]]:
        return _arrived, self._settings

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.kill()

    def map(
        self,
        function: Callable[[T], R],
        items: Iterable[T],
        *,
        deadline_s: float,
        prepare: Callable[[], object] | None = None,
    ) -> Iterator[tuple[int, Done[R] | Failed]]:
        """Yield (index, result) for every item, in the order in which they end.

        `function` and `prepare` are pickled: importable functions, or methods of picklable objects. `prepare` runs
        once in each worker before any deadline does, to import what `function` needs.

        Raises:
            WorkerError: workers cannot load the function, or end again and again without doing anything.
        """
        run = _Run(pickle.dumps((function, prepare)), items, deadline_s)
        try:
            while run.open:
                while len(run.workers) < min(self._processes, run.open):
                    run.add(self._take())
                yield from run.step()
        finally:
            with self._lock:
                self._idle += [worker for worker in run.workers if worker.free]
            for worker in run.workers:
                if not worker.free:
                    worker.kill()

    def _take(self) -> "_Worker":
        with self._lock:
            return self._idle.pop() if self._idle else _Worker(self._memory_bytes)


@cache
def _arrived(processes: int, memory_mb: int | None) -> WorkerPool:
    return WorkerPool(processes, memory_mb=memory_mb)


class _Worker:
    """One child process: what it has been given, and since when it has been silent."""

    def __init__(self, memory_bytes: int | None) -> None:
        self.link, theirs = connection.Pipe()
        their_line, self._line = os.pipe()
        boot = _BOOT.format(path=sys.path, link=theirs.fileno(), line=their_line, memory=memory_bytes)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", boot],
                pass_fds=(theirs.fileno(), their_line),
                env=keyless(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as exc:
            raise WorkerError(f"cannot start a worker process: {exc}") from exc
        finally:
            theirs.close()
            os.close(their_line)
        self.job = b""
        self.ready = False
        self.given: deque[int] = deque()
        self.batch = 1
        self.batch_start = self.last_heard = time.monotonic()

    @property
    def free(self) -> bool:
        return self.ready and not self.given

    def send(self, message: object) -> None:
        self.batch_start = self.last_heard = time.monotonic()
        with suppress(BrokenPipeError, ConnectionResetError):  # it is dead: reading the link tells
            self.link.send(message)

    def silent_s(self) -> float:
        return time.monotonic() - self.last_heard

    def kill(self, *, grace_s: float = 0.0) -> int:
        """Kill it and whatever it started; return its exit code, negative for a signal."""
        with suppress(subprocess.TimeoutExpired):  # one that is ending by itself may say with what code
            self._process.wait(grace_s)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self.link.close()
        os.close(self._line)
        return self._process.wait()


class _Run:
    """One `map` call: its items, and the workers it has for now."""

    def __init__(self, job: bytes, items: Iterable[object], deadline_s: float) -> None:
        self.workers: list[_Worker] = []
        self._job, self._deadline_s = job, deadline_s
        self._items = dict(zip(count(), map(pickle.dumps, items), strict=False))
        self._todo = deque(self._items)
        self._misfires = 0

    @property
    def open(self) -> int:
        """How many items have no result yet."""
        return len(self._items)

    def add(self, worker: _Worker) -> None:
        self.workers.append(worker)
        if worker.job != self._job:
            worker.job, worker.ready = self._job, False
            worker.send(self._job)

    def step(self) -> list[tuple[int, Done[R] | Failed]]:
        """Wait for the next message or deadline, and return the results it brought."""
        for worker in self.workers:
            if worker.free and self._todo:
                self._give(worker)
        results: list[tuple[int, Done[R] | Failed]] = []
        left = min(self._limit_s(worker) - worker.silent_s() for worker in self.workers if not worker.free)
        talking = connection.wait([worker.link for worker in self.workers], timeout=max(left, 0.0))
        for worker in list(self.workers):
            if worker.link in talking:
                try:
                    results += self._hear(worker, worker.link.recv())
                except (EOFError, ConnectionResetError):
                    results += self._lose(worker, Fault.CRASHED)
            elif not worker.free and worker.silent_s() > self._limit_s(worker):
                results += self._lose(worker, Fault.TIMED_OUT)
        return results

    def _limit_s(self, worker: _Worker) -> float:
        return self._deadline_s if worker.ready else START_S

    def _hear(self, worker: _Worker, message: Ready | Broken | Report) -> list[tuple[int, Done[R] | Failed]]:
        worker.last_heard = time.monotonic()
        if isinstance(message, Broken):
            raise WorkerError(f"a worker process cannot load its function: {message.message}")
        results: list[tuple[int, Done[R] | Failed]] = []
        if isinstance(message, Report):
            worker.given.popleft()
            self._misfires = 0
            results.append((message.item, self._result(message)))
            del self._items[message.item]
        worker.ready = True
        if not worker.given:
            quick = time.monotonic() - worker.batch_start < BATCH_S
            worker.batch = min(worker.batch * 2, BATCH_MAX) if quick else max(worker.batch // 2, 1)
        return results

    def _result(self, report: Report) -> Done[R] | Failed:
        if report.value is None:
            return Failed(Fault.RAISED, report.message, report.elapsed_ms)
        return Done(pickle.loads(report.value), report.elapsed_ms)  # noqa: S301 - it comes from our own child

    def _give(self, worker: _Worker) -> None:
        fair = -(-len(self._todo) // len(self.workers))
        batch = [self._todo.popleft() for _ in range(min(worker.batch, fair))]
        worker.given.extend(batch)
        worker.send([(index, self._items[index]) for index in batch])

    def _lose(self, worker: _Worker, fault: Fault) -> list[tuple[int, Done[R] | Failed]]:
        """Remove a late or dead worker: its current item failed, the rest of its batch goes back."""
        elapsed_ms = worker.silent_s() * 1000
        self.workers.remove(worker)
        code = worker.kill(grace_s=1.0 if fault is Fault.CRASHED else 0.0)
        if not worker.given:
            self._misfires += 1
            if self._misfires >= MISFIRES:
                raise WorkerError(f"worker processes end before they do anything: {_how_it_ended(code)}")
            return []
        culprit = worker.given.popleft()
        self._todo.extendleft(reversed(worker.given))
        del self._items[culprit]
        late = fault is Fault.TIMED_OUT
        message = f"timed out after {self._deadline_s:g} s" if late else f"its worker process {_how_it_ended(code)}"
        return [(culprit, Failed(fault, message, elapsed_ms))]


def _how_it_ended(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
