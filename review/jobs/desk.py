"""What a job needs to be done: what is asked, by whom it is answered, and where its answers go."""

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy.orm import Session

from review.config import BatchSettings
from review.jobs import queue
from review.store.database import Database
from review.store.models import Item, Job, Trace
from tasks.engines.contract import Finish, Message, Samples
from tasks.prompts import messages
from tasks.verify.live import Told

MODEL: Final = "reviewed"
"""What the batch's model is called among a worker's models; there is no other."""
UNSAMPLED: Final = frozenset({Finish.OVERFLOW, Finish.REFUSED})
_UNKEPT: Final = re.compile("[\x00\ud800-\udfff]")
_VIEWED: Final = ("problem_id", "domain", "question", "reference", "tests", "constraints")
T = TypeVar("T")


class Tells(Protocol):
    """Says where texts stand: a `LiveVerifier`."""

    def told(self, problem: Mapping[str, Any], texts: Sequence[str]) -> list[Told]:
        """Of each text."""


@dataclass(frozen=True)
class Desk:
    """One job at work."""

    database: Database
    samples: Samples
    live: Tells
    job: Job
    item: Item
    trace: Trace
    """The one that is gone on from."""
    settings: BatchSettings
    seen: set[str] = field(default_factory=set)
    """The requests of the job that have their answer."""

    @property
    def problem(self) -> dict[str, Any]:
        """What verifiers look at, and the problem's id."""
        return {name: getattr(self.item, name) for name in _VIEWED}

    @property
    def turns(self) -> tuple[Message, ...]:
        """What the trace's model was asked."""
        how = self.settings.prompts.get(self.item.source, self.settings.going_on)
        return messages(self.item.domain, self.item.question, how)

    @property
    def offsets(self) -> list[int]:
        """Where the trace's steps start, as the reviewer cut it if they did."""
        return self.job.asked.get("offsets") or self.trace.step_offsets

    async def told(self, text: str) -> Told:
        """Where one text stands."""
        return (await asyncio.to_thread(self.live.told, self.problem, [text]))[0]

    async def read(self, look: Callable[[Session], T]) -> T:
        """Look something up in the store, beside the loop."""

        def looked() -> T:
            with self.database.reading() as session:
                return look(session)

        return await asyncio.to_thread(looked)

    async def store(self, names: Iterable[str], write: Callable[[Session], object] | None = None, **told: Any) -> None:
        """Write what came, beside the loop, and that these requests have their answer; `told` is columns of the job."""
        self.seen.update(names)

        def written() -> None:
            with self.database.writing() as session:
                if write is not None:
                    write(session)
                queue.progress(session, self.job, done=len(self.seen), **told)

        await asyncio.to_thread(written)


def lay_out(session: Session, job: Job) -> tuple[Item, Trace, BatchSettings]:
    """What a job is about."""
    item = session.get_one(Item, job.item_id)
    return item, session.get_one(Trace, (item.id, job.asked["trace_id"])), queue.settings_of(session, item)


def keepable(text: str) -> bool:
    """Whether every store can keep it: PostgreSQL takes no NUL, and half a surrogate pair has no UTF-8."""
    return _UNKEPT.search(text) is None


async def together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all at once; if one fails, or the whole is cancelled, none is left over.

    Raises:
        Exception: what the first to fail raised.
    """
    tasks = [asyncio.create_task(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
