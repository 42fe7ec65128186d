"""Who makes the parts of a stage: this process, one after another, or a crew on other machines.

A shard is some of a stage's parts, made and written to the lake where it runs: what comes back are names, digests and
counts, so that no data travels through a scheduler. Stages know nothing of it: `Lake.run` hands their parts to whoever
is the crew of the block. What may go elsewhere is said by type: a `Portable`; any other call is made here.
"""

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from threading import Lock
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from tasks.progress import Record, watched_by, watcher

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

Job = Callable[[], R]
MOST: Final = 128
"""Shards of one stage at most: a run's stay about the 500 that a Prefect server takes in its stride."""
TURNS: Final = 4
"""Shards for each place where one can run: the others wait little for the slowest, and a death costs little."""
_KEPT: Final = 8
_one_at_a_time: Final = Lock()


@dataclass(frozen=True)
class Portable(Generic[R_co]):
    """A call that may be made in another process: of a module's function, with arguments that pickle."""

    call: Callable[[], R_co]
    rows: int
    """How much work it is."""

    def __call__(self) -> R_co:
        """Make the call."""
        return self.call()


class Shared(Generic[R]):
    """Something heavy that the parts of a stage share, built when it is first asked for.

    It travels as the function that builds it and that one's arguments: every process builds its own, and keeps it for
    the shards that follow.
    """

    def __init__(self, build: Callable[..., R], *arguments: object) -> None:
        self._build, self._arguments = build, arguments

    @cached_property
    def _value(self) -> R:
        return self._build(*self._arguments)

    def __call__(self) -> R:
        """What this process built."""
        return self._value

    def __reduce__(self) -> tuple[Callable[[bytes], "Shared[Any]"], tuple[bytes]]:
        return _arrived, (pickle.dumps((self._build, self._arguments)),)


@lru_cache(maxsize=_KEPT)
def _arrived(data: bytes) -> Shared[Any]:
    build, arguments = pickle.loads(data)  # noqa: S301 - what comes is our own
    return Shared(build, *arguments)


class Shard(NamedTuple, Generic[R]):
    """What came of some calls, in order, and what the watcher is to be told of them."""

    results: Sequence[R]
    record: Record

    def told(self) -> Sequence[R]:
        """The results, once the watcher has been told."""
        self.record.told_to(watcher())
        return self.results


def worked(jobs: Iterable[Job[R]]) -> Shard[R]:
    """Make these calls in this process, which is another one than the stage's.

    One shard at a time: processes that have several threads for shards (Dask) would mix their reports.
    """
    record = Record()
    with _one_at_a_time, watched_by(record):
        return Shard([job() for job in jobs], record)


class Crew(Protocol):
    """Who makes calls."""

    def each(self, stage: str, jobs: Iterable[Job[R]]) -> Iterator[R]:
        """What comes of each call, in any order; those that are not `Portable` are made here, while `jobs` is walked.

        Raises:
            WorkerError: the processes elsewhere keep dying, or are gone.
        """


class _Here:
    def each(self, stage: str, jobs: Iterable[Job[R]]) -> Iterator[R]:  # noqa: ARG002 - the protocol's
        return (job() for job in jobs)


_crews: Final[list[Crew]] = [_Here()]


def crew() -> Crew:
    """Who makes the parts of stages now: this process, unless `shared_by` says otherwise."""
    return _crews[-1]


@contextmanager
def shared_by(new: Crew) -> Iterator[None]:
    """Have the parts of stages made by `new` inside the block."""
    _crews.append(new)
    try:
        yield
    finally:
        _crews.remove(new)


def grouped(jobs: Sequence[Portable[R]], places: int, least_rows: int) -> list[list[Portable[R]]]:
    """Calls in a row as shards: several for each of these places to run, but none below `least_rows`, nor over MOST."""
    total = sum(job.rows for job in jobs)
    size = max(least_rows, -(-total // min(MOST, TURNS * max(places, 1))))
    groups: list[list[Portable[R]]] = []
    rows = size
    for job in jobs:
        if rows >= size:
            groups.append([])
            rows = 0
        groups[-1].append(job)
        rows += job.rows
    return groups
