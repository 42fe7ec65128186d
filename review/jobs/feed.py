"""News of jobs for any number of pages that wait for them: one look at the store for all, a few times a second.

The store is asked, not the runner: another server may do the job.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from sqlalchemy import select

from review.store.database import Database
from review.store.models import Job

POLL_S: Final = 0.25
_AT_ONCE: Final = 500
"""Jobs in one query; SQLite and PostgreSQL take more."""


class Stand(NamedTuple):
    """What changes about a job."""

    state: str
    attempts: int
    done: int


class Feed:
    """Tells how jobs stand. It belongs to one event loop, and looks only while somebody waits."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.watched: Counter[str] = Counter()
        """How many wait for each job."""
        self._stands: dict[str, Stand] = {}
        # Not a Condition: whoever gives up waiting would have to take its lock again, which 3.11 may never give back.
        self._news = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watching(self, job_id: str) -> AsyncIterator[None]:
        """Have the job looked at inside the block."""
        self.watched[job_id] += 1
        try:
            yield
        finally:
            self.watched[job_id] -= 1
            if not self.watched[job_id]:
                del self.watched[job_id]
                self._stands.pop(job_id, None)

    async def change(self, job_id: str, known: Stand | None, seconds: float) -> Stand | None:
        """How a watched job stands as soon as that is not as `known`; as known after so many seconds."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        clock = asyncio.get_running_loop().time
        until = clock() + seconds
        while (stand := self._stands.get(job_id, known)) == known:
            try:
                await asyncio.wait_for(self._news.wait(), until - clock())
            except TimeoutError:
                break
        return stand

    async def _look(self) -> None:
        while self.watched:
            stands = await asyncio.to_thread(self._read, list(self.watched))
            before, self._stands = self._stands, {name: one for name, one in stands.items() if name in self.watched}
            if self._stands != before:
                heard, self._news = self._news, asyncio.Event()
                heard.set()
            await asyncio.sleep(POLL_S)

    def _read(self, names: list[str]) -> dict[str, Stand]:
        found = {}
        with self._database.reading() as session:
            for start in range(0, len(names), _AT_ONCE):
                wanted = Job.id.in_(names[start : start + _AT_ONCE])
                rows = session.execute(select(Job.id, Job.state, Job.attempts, Job.done).where(wanted))
                found.update({row.id: Stand(row.state, row.attempts, row.done) for row in rows})
        return found
