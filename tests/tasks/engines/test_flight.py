"""Jobs in flight: what they emit arrives, whatever ends them."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import EngineError
from tasks.engines.flight import Job, fly

Emit = Callable[[int], None]


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner
        assert not asyncio.all_tasks(runner.get_loop())


def emitting(*values: int, after: float = 0.0) -> Job[int]:
    async def job(emit: Emit) -> None:
        for value in values:
            await asyncio.sleep(after)
            emit(value)

    return job


def failing(after: float = 0.0) -> Job[int]:
    async def job(emit: Emit) -> None:
        await asyncio.sleep(after)
        raise EngineError("it broke")

    return job


def endless(ended: list[str]) -> Job[int]:
    async def job(emit: Emit) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.01)
            ended.append("ended")

    return job


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(), max_size=4), max_size=30), st.integers(1, 8))
def test_everything_emitted_arrives_once(batches: list[list[int]], in_flight: int) -> None:
    with asyncio.Runner() as runner:
        lists = list(fly(runner, [emitting(*values) for values in batches], every_s=0.01, in_flight=in_flight))
    assert all(lists)
    assert sorted(chain(*lists)) == sorted(chain(*batches))


def test_jobs_are_pulled_as_there_is_room(runner: asyncio.Runner) -> None:
    aloft, most, pulled = 0, 0, 0

    async def job(emit: Emit) -> None:
        nonlocal aloft, most
        aloft += 1
        most = max(most, aloft)
        await asyncio.sleep(0.001)
        aloft -= 1
        emit(1)

    def jobs() -> Iterator[Job[int]]:
        nonlocal pulled
        for _ in range(50):
            pulled += 1
            assert pulled <= 7 + aloft + 50
            yield job

    assert sum(map(sum, fly(runner, jobs(), every_s=1.0, in_flight=7))) == 50
    assert most == 7


def test_nothing_is_pulled_ahead_of_the_consumer(runner: asyncio.Runner) -> None:
    pulled: list[int] = []

    def jobs() -> Iterator[Job[int]]:
        for index in range(1000):
            pulled.append(index)
            yield emitting(index, after=0.005)

    stream = fly(runner, jobs(), every_s=0.02, in_flight=2)
    assert next(stream)
    stream.close()
    assert len(pulled) < 50


def test_results_come_while_jobs_go_on(runner: asyncio.Runner) -> None:
    stream = fly(runner, [emitting(*range(20), after=0.01)], every_s=0.05, in_flight=1)
    first = next(stream)
    assert 0 < len(first) < 20
    assert [*first, *chain(*stream)] == list(range(20))


def test_no_jobs_yield_nothing(runner: asyncio.Runner) -> None:
    assert list(fly(runner, [], every_s=0.01, in_flight=3)) == []


def test_a_failure_comes_after_all_that_was_emitted(runner: asyncio.Runner) -> None:
    ended: list[str] = []
    stream = fly(runner, [emitting(1, 2), endless(ended), failing(after=0.05)], every_s=10, in_flight=8)
    assert next(stream) == [1, 2]
    assert ended == []
    with pytest.raises(EngineError, match="it broke"):
        next(stream)
    assert ended == ["ended"]


@pytest.mark.parametrize("turns", range(5))
def test_the_last_job_may_fail_between_two_lists(runner: asyncio.Runner, turns: int) -> None:
    async def job(emit: Emit) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        raise EngineError("it broke")

    with pytest.raises(EngineError, match="it broke"):
        list(fly(runner, [job], every_s=0, in_flight=1))


def test_a_failing_iterable_is_a_failure(runner: asyncio.Runner) -> None:
    ended: list[str] = []

    def jobs() -> Iterator[Job[int]]:
        yield emitting(1)
        yield endless(ended)
        raise OSError("disk")

    stream = fly(runner, jobs(), every_s=0.01, in_flight=2)
    assert next(stream) == [1]
    with pytest.raises(OSError, match="disk"):
        next(stream)
    assert ended == ["ended"]


def test_a_job_cancelled_from_outside_is_not_lost_silently(runner: asyncio.Runner) -> None:
    async def job(emit: Emit) -> None:
        raise asyncio.CancelledError

    with pytest.raises(EngineError, match="cancelled"):
        list(fly(runner, [job], every_s=0.01, in_flight=1))


def test_closing_ends_every_job(runner: asyncio.Runner) -> None:
    ended: list[str] = []
    stream = fly(runner, [emitting(1), *[endless(ended)] * 5], every_s=0.02, in_flight=8)
    assert next(stream) == [1]
    stream.close()
    assert len(ended) == 5


def _raise_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("handler", [signal.default_int_handler, _raise_interrupt])
def test_an_interrupt_ends_every_job(runner: asyncio.Runner, handler: Callable[..., Any]) -> None:
    ended: list[str] = []
    before = signal.signal(signal.SIGINT, handler)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            list(fly(runner, [endless(ended) for _ in range(5)], every_s=0.05, in_flight=8))
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)
    assert len(ended) == 5
