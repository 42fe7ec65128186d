"""A thread with one model's engine and the verifiers, which does the jobs of the batches that go on with this model."""

import asyncio
import logging
import threading
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from review.config import BatchSettings
from review.jobs import queue
from review.jobs.continuing import go_on
from review.jobs.desk import MODEL, Desk, lay_out
from review.jobs.pace import Pace
from review.jobs.rollouts import effect, suggest
from review.store.database import Database
from review.store.models import Job, JobKind
from schemas.errors import EngineError, TracemillError
from tasks.engines.contract import Samples
from tasks.engines.models import ModelConfig, Models
from tasks.engines.redact import redact
from tasks.verify.live import LiveVerifier

_LOG: Final = logging.getLogger(__name__)
_WORK: Final[Mapping[JobKind, Callable[[Desk], Coroutine[Any, Any, dict[str, Any]]]]] = {
    JobKind.CONTINUE: go_on,
    JobKind.SUGGEST: suggest,
    JobKind.EFFECT: effect,
}
_AFTERMATH_S: Final = 1.0
"""When an engine broke, the other jobs in flight get so long to hear of it too; then they go back to the queue."""


class Worker(threading.Thread):
    """Lives until it is told to stop, its engine breaks, or nothing was asked for a while."""

    def __init__(self, database: Database, pace: Pace, model: ModelConfig, stopping: threading.Event) -> None:
        super().__init__(name=f"jobs of {model.model}", daemon=True)
        self._database, self._pace, self._model, self._stopping = database, pace, model, stopping
        self._batches: frozenset[str] = frozenset()
        self._ends = ExitStack()
        self._lives: dict[str, LiveVerifier] = {}
        self._lock = threading.Lock()

    def take_on(self, batches: Collection[str]) -> None:
        """See to these batches too."""
        self._batches = self._batches.union(batches)

    def run(self) -> None:
        """Do jobs; what keeps the engine from being made fails those that wait for it."""
        try:
            with self._ends, Models({MODEL: self._model}) as models:
                list(models.stream([lambda _emit: self._serve(models)]))
        except SQLAlchemyError as exc:
            _LOG.warning("the review store is out of reach for jobs: %s", type(exc).__name__)
        except TracemillError as exc:
            while not self._stopping.is_set() and (job := self._take()):
                self._write(queue.fail, job, _told(exc))

    async def _serve(self, models: Samples) -> None:
        """Keep jobs going; however it ends, none is left over."""
        at_work: dict[asyncio.Task[bool], Job] = {}
        try:
            await self._keep_going(models, at_work)
            if at_work and not self._stopping.is_set():
                await asyncio.wait(at_work, timeout=_AFTERMATH_S)
        finally:
            for task in at_work:
                task.cancel()
            await asyncio.gather(*at_work, return_exceptions=True)

    async def _keep_going(self, models: Samples, at_work: dict[asyncio.Task[bool], Job]) -> None:
        clock = asyncio.get_running_loop().time
        beaten = busy = clock()
        while not self._stopping.is_set() and clock() - busy < self._pace.idle_s:
            kinds = self._kinds(at_work.values())
            if kinds and (job := await asyncio.to_thread(self._take, kinds)) is not None:
                at_work[asyncio.create_task(self._do(models, job))] = job
                continue
            if not await self._landed(at_work):
                return
            busy = clock() if at_work else busy
            if clock() - beaten > self._pace.lease.total_seconds() / 3:
                await asyncio.to_thread(self._beat, dict(at_work), asyncio.get_running_loop())
                beaten = clock()

    async def _landed(self, at_work: dict[asyncio.Task[bool], Job]) -> bool:
        """Wait a moment, and forget the jobs that are over; false where the engine broke."""
        if not at_work:
            await asyncio.sleep(self._pace.poll_s)
            return True
        over, _ = await asyncio.wait(at_work, timeout=self._pace.poll_s, return_when=asyncio.FIRST_COMPLETED)
        for task in over:
            del at_work[task]
        return not [task for task in over if not task.cancelled() and not task.result()]

    async def _do(self, models: Samples, job: Job) -> bool:
        """Do a job; false where the engine broke over it."""
        try:
            desk = await asyncio.to_thread(self._desk, models, job)
            found = await _WORK[JobKind(job.kind)](desk)
            await asyncio.to_thread(self._write, queue.finish, job, len(desk.seen), found)
        except asyncio.CancelledError:
            self._write(queue.release, job)
            raise
        except TracemillError as exc:
            await asyncio.to_thread(self._write, queue.fail, job, _told(exc))
            return not isinstance(exc, EngineError)
        except SQLAlchemyError:
            raise
        except Exception as exc:
            self._write(queue.fail, job, f"{type(exc).__name__}: this should not happen; the server's log says where")
            raise
        return True

    def _desk(self, models: Samples, job: Job) -> Desk:
        with self._database.reading() as session:
            item, trace, settings = lay_out(session, job)
        return Desk(self._database, models, self._live(settings), job, item, trace, settings)

    def _live(self, settings: BatchSettings) -> LiveVerifier:
        name = settings.verify.model_dump_json()
        with self._lock:
            if name not in self._lives:
                self._lives[name] = self._ends.enter_context(LiveVerifier(settings.verify))
            return self._lives[name]

    def _kinds(self, at_work: Collection[Job]) -> Collection[JobKind]:
        """What there is room for."""
        if len(at_work) >= self._pace.together:
            return ()
        aside = sum(job.kind != JobKind.CONTINUE for job in at_work)
        return queue.ANY if aside < self._pace.aside else (JobKind.CONTINUE,)

    def _take(self, kinds: Collection[JobKind] = queue.ANY) -> Job | None:
        now, batches = datetime.now(UTC), self._batches
        with self._database.reading() as session:
            if not queue.waiting(session, now, kinds) & batches:
                return None
        with self._database.writing() as session:
            return queue.take(session, now, batches, self._pace.lease, kinds)

    def _beat(self, at_work: Mapping[asyncio.Task[bool], Job], loop: asyncio.AbstractEventLoop) -> None:
        """Say that these jobs are being done; what is another server's by now is not gone on with."""
        with self._database.writing() as session:
            for task, job in at_work.items():
                if not queue.beat(session, job, datetime.now(UTC), self._pace.lease):
                    loop.call_soon_threadsafe(task.cancel)

    def _write(self, change: Callable[..., bool], job: Job, *told: object) -> None:
        with self._database.writing() as session:
            change(session, job, *told)


def _told(exc: TracemillError) -> str:
    return redact(str(exc))
