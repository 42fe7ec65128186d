"""A batch in a store, and an engine that answers as a test tells it to."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace, TracebackType
from typing import Any, Self

import pytest

from review.config import BatchSettings
from review.store.database import Database
from review.store.models import Batch, Item, Job, JobState, Trace
from schemas.base import ConfigBase
from tasks import plugins
from tasks.engines.contract import Completion, Finish, Identity, Request
from tasks.text.steps import SPLITTER, split_steps

QUESTION = "What is 1 + 2 + 3?"
WRONG = "1 + 2 = 4\n4 + 3 = 7\nIt is \\boxed{7}."


class ScriptedConfig(ConfigBase):
    name: str = ""


class Scripted:
    """The engine of the kind `scripted`, which exists in tests only; `answer` may be slow, or raise."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.starts = self.ends = self.cancelled = 0
        self.pause_s = 0.0
        self.answer: Callable[[Request], str | Completion | Exception] = lambda _: "3 + 3 = 6\nIt is \\boxed{6}."
        self.identity = Identity("scripted", "r1", "scripted", "t1")

    async def __aenter__(self) -> Self:
        self.starts += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ends += 1

    async def complete(self, request: Request) -> Completion:
        self.asked.append(request)
        try:
            await asyncio.sleep(self.pause_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        said = self.answer(request)
        if isinstance(said, Exception):
            raise said
        return said if isinstance(said, Completion) else Completion(request.request_id, said, Finish.STOP, 5, 7)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    made = Scripted()
    real = plugins.load

    def load(package: str, name: str) -> plugins.Plugin:
        if name != "scripted":
            return real(package, name)
        return SimpleNamespace(Config=ScriptedConfig, build=lambda config, model, revision: made)

    monkeypatch.setattr(plugins, "load", load)
    return made


class Shelf:
    """Fills a store, and waits for its jobs."""

    question, wrong = QUESTION, WRONG

    def batch(self, store: Database, name: str = "b", **settings: Any) -> str:
        settings = {"model": {"model": "m", "engine": "scripted"}, "going_on": {"k": 3}} | settings
        told = BatchSettings.model_validate(settings | {"verify": {"processes": 1}}).model_dump(mode="json")
        with store.writing() as session:
            session.add(Batch(id=name, name=name, settings=told, opened_at=datetime.now(UTC)))
        return name

    def item(self, store: Database, batch: str, number: int = 0, text: str = WRONG, **columns: Any) -> str:
        """Its id; its trace's is the same."""
        now, name = datetime.now(UTC), f"{batch}-{number}"
        about = {"problem_id": "p", "domain": "math", "question": QUESTION, "reference": "6", "source": "sampler"}
        offsets = split_steps(text)
        with store.writing() as session:
            session.add(Item(id=name, batch_id=batch, rank=number, trace_id=name, **(about | columns)))
            session.flush()
            session.add(
                Trace(
                    item_id=name,
                    trace_id=name,
                    text=text,
                    step_offsets=offsets,
                    splitter=SPLITTER,
                    status="incorrect",
                    created_at=now,
                )
            )
        return name

    def job(self, store: Database, name: str) -> Job:
        with store.reading() as session:
            return session.get_one(Job, name)

    def over(self, store: Database, *names: str, seconds: float = 60) -> list[Job]:
        """The jobs, once they are done or failed."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            jobs = [self.job(store, name) for name in names]
            if all(job.state in (JobState.DONE, JobState.FAILED) for job in jobs):
                return jobs
            time.sleep(0.05)
        raise AssertionError([(job.id, job.kind, job.state, job.done, job.total) for job in jobs])


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def store(either: Database) -> Database:
    """Of each kind one, empty."""
    return either
