"""The bridge from coroutines to a synchronous stage: many jobs in flight, results handed over every few seconds."""

import asyncio
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator
from typing import Any, Final, Generic, Protocol, TypeVar

from schemas.errors import EngineError
from tasks.engines.contract import Grading, Samples

_TOGETHER: Final = 8
"""So many jobs are started at once."""
T = TypeVar("T")
Job = Callable[[Callable[[T], None]], Coroutine[Any, Any, None]]
"""Gets `emit` and returns a coroutine, which emits any number of results, each as soon as it is there."""


class Streams(Samples, Protocol):
    """A recipe's models, with the loop that they share."""

    def stream(self, jobs: Iterable[Job[T]], *, every_s: float = ..., in_flight: int = ...) -> Iterator[list[T]]:
        """Run jobs and yield what they emitted every `every_s` seconds."""


class GradingStreams(Streams, Grading, Protocol):
    """The same, and the reward models among them."""


def fly(
    runner: asyncio.Runner, jobs: Iterable[Job[T]], *, every_s: float, in_flight: int
) -> Generator[list[T], None, None]:
    """Run `jobs`, up to `in_flight` together, and yield what they emitted every `every_s` seconds, never an empty list.

    `jobs` is pulled lazily. The runner's loop only turns while the next list is waited for. However this ends, every
    job has ended before.

    Raises:
        Exception: whatever a job or `jobs` raised first, after all that was emitted before it has been yielded.
    """
    flight = _Flight(jobs, in_flight)
    try:
        while not flight.over:
            try:
                runner.run(flight.watch(every_s))
            except Exception:
                if landed := flight.unload():
                    yield landed
                raise
            if landed := flight.unload():
                yield landed
    finally:
        if not flight.over:
            runner.run(flight.abort())


class _Flight(Generic[T]):
    """The jobs in the air, and what they have emitted since the last unloading."""

    def __init__(self, jobs: Iterable[Job[T]], in_flight: int) -> None:
        self.over = False
        self._waiting = iter(jobs)
        self._in_flight = in_flight
        self._aloft: set[asyncio.Task[None]] = set()
        self._watcher: asyncio.Task[Any] | None = None
        self._news = asyncio.Event()
        self._landed: list[T] = []
        self._failure: BaseException | None = None

    def unload(self) -> list[T]:
        landed = self._landed.copy()
        self._landed.clear()
        return landed

    async def watch(self, seconds: float) -> None:
        """Keep `in_flight` jobs going for so long, or until all are over or one fails."""
        self._watcher = asyncio.current_task()
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        alarm = loop.call_at(until, self._news.set)
        try:
            while await self._launch() and loop.time() < until:
                await self._news.wait()
                self._news.clear()
                self._check()
            # The last job may have failed after the watch before this one.
            self._check()
        finally:
            alarm.cancel()

    async def abort(self) -> None:
        """Cancel every job, and a watch that a signal tore out of the loop, and see them end."""
        self.over = True
        rest = [*self._aloft, *([self._watcher] if self._watcher and not self._watcher.done() else [])]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def _launch(self) -> bool:
        """Start waiting jobs while there is room; whether any is in the air."""
        while len(self._aloft) < self._in_flight:
            if not len(self._aloft) % _TOGETHER:
                # An engine works on the first requests while the others are still being prepared.
                await asyncio.sleep(0)
            job = next(self._waiting, None)
            if job is None:
                break
            task = asyncio.create_task(job(self._landed.append))
            self._aloft.add(task)
            task.add_done_callback(self._land)
        self.over = not self._aloft
        return not self.over

    def _land(self, task: asyncio.Task[None]) -> None:
        self._aloft.discard(task)
        failure = EngineError("a job was cancelled from outside") if task.cancelled() else task.exception()
        self._failure = self._failure or failure
        self._news.set()
