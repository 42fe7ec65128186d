"""Whoever does the jobs: a thread that looks for them, and a worker for each model that one needs.

A worker ends when nothing was asked of its model for a while, so that a GPU is given back; the next job starts it anew.
"""

import logging
import threading
from collections import defaultdict
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from review.config import BatchSettings
from review.jobs import queue
from review.jobs.pace import Pace
from review.jobs.worker import Worker
from review.store.database import Database
from review.store.models import Batch
from tasks.engines.models import ModelConfig

_LOG: Final = logging.getLogger(__name__)
_AGAIN_S: Final = 2.0
"""After the store could not be reached."""


class Runner:
    """Does the jobs of a store while the `with` block lasts; any number of servers may run one each.

    At the end what is in flight is cancelled and goes back to the queue, and every engine ends.
    """

    def __init__(self, database: Database, pace: Pace | None = None) -> None:
        self._database, self._pace = database, pace or Pace()
        self._workers: dict[str, Worker] = {}
        self._stopping = threading.Event()
        self._watch = threading.Thread(target=self._look_out, name="jobs", daemon=True)

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._watch.join()
        for worker in self._workers.values():
            worker.join()

    def _look_out(self) -> None:
        while not self._stopping.wait(self._pace.poll_s):
            try:
                for model, batches in self._wanted().items():
                    self._worker(model).take_on(batches)
            except SQLAlchemyError as exc:
                _LOG.warning("the review store cannot be asked for jobs: %s", type(exc).__name__)
                self._stopping.wait(_AGAIN_S)

    def _wanted(self) -> dict[str, set[str]]:
        """By model, as JSON, the batches for which something waits."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        with self._database.reading() as session:
            names = queue.waiting(session, datetime.now(UTC))
            rows = session.execute(select(Batch.id, Batch.settings).where(Batch.id.in_(names))).all() if names else []
        for name, told in rows:
            model = BatchSettings.model_validate(told).model
            if model is not None:
                found[model.model_dump_json()].add(name)
        return found

    def _worker(self, model: str) -> Worker:
        """Who asks this model; one whose engine has ended is followed by another."""
        worker = self._workers.get(model)
        if worker is None or not worker.is_alive():
            config = ModelConfig.model_validate_json(model)
            worker = self._workers[model] = Worker(self._database, self._pace, config, self._stopping)
            worker.start()
        return worker
