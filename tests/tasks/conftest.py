"""Models that answer as a test tells them to: for completions that no real model writes when it is asked to."""

import asyncio
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import TypeVar

import pytest

from tasks.engines.contract import Completion, Finish, Graded, Identity, Request, Scores
from tasks.engines.flight import Job, fly

T = TypeVar("T")

Answer = Callable[[Request], str | Completion | Exception]
Rate = Callable[[Graded], Sequence[float]]


def completion(request: Request, text: str, finish: Finish = Finish.STOP) -> Completion:
    return Completion(request.request_id, text, finish, 7, len(text.split()))


class Told:
    """Stands for a recipe's models; remembers what it was asked."""

    def __init__(self, answer: Answer, rate: Rate | None = None) -> None:
        self.answer = answer
        self.rate = rate
        self.graded: list[Graded] = []
        self.asked: list[Request] = []
        self.under_way = 0
        self._runner = asyncio.Runner()

    def identity(self, name: str) -> Identity:
        return Identity(f"told-{name}", "r1", "told", "t1")

    async def complete(self, name: str, request: Request) -> Completion:
        self.asked.append(request)
        self.under_way += 1
        try:
            await asyncio.sleep(0)
            said = self.answer(request)
        finally:
            self.under_way -= 1
        if isinstance(said, Exception):
            raise said
        return said if isinstance(said, Completion) else completion(request, said)

    async def score(self, name: str, request: Graded) -> Scores:
        self.graded.append(request)
        await asyncio.sleep(0)
        assert self.rate, "this test asks no reward model"
        scores = tuple(self.rate(request))
        return Scores(request.request_id, scores, 9, "" if scores else "too long")

    def stream(
        self, jobs: Iterable[Job[T]], *, every_s: float = 0, in_flight: int = 1
    ) -> Generator[list[T], None, None]:
        return fly(self._runner, jobs, every_s=0.01, in_flight=in_flight)

    def close(self) -> None:
        self._runner.close()


@pytest.fixture
def told() -> Iterator[Callable[..., Told]]:
    """Make such models."""
    made: list[Told] = []

    def make(answer: Answer, rate: Rate | None = None) -> Told:
        made.append(Told(answer, rate))
        return made[-1]

    yield make
    for one in made:
        one.close()
