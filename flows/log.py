"""Progress in the run's own log, which the Prefect page shows."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from logging import Logger, LoggerAdapter
from typing import Any

from prefect import get_run_logger

from tasks.progress import Watcher, watched_by, watcher

EVERY_S = 30.0


class RunLog:
    """Logs each stage's end, and its rate and time left from time to time; passes all on to another watcher."""

    def __init__(self, logger: "Logger | LoggerAdapter[Any]", also: Watcher) -> None:
        self._logger = logger
        self._also = also
        self._stages: dict[str, _Stage] = {}

    def started(self, stage: str, total: int | None) -> None:
        """Start a stage's clock."""
        self._stages[stage] = _Stage(total)
        self._also.started(stage, total)

    def advanced(self, stage: str, rows: int) -> None:
        """Count rows; every half minute log how far the stage is."""
        self._also.advanced(stage, rows)
        line = self._stages[stage].advance(rows)
        if line:
            self._logger.info("%s: %s", stage, line)

    def finished(self, stage: str) -> None:
        """Log what a stage came to."""
        self._also.finished(stage)
        self._logger.info("%s: %s", stage, self._stages[stage].outcome())


class _Stage:
    def __init__(self, total: int | None) -> None:
        self.total, self.rows = total, 0
        self.began = self.logged = time.monotonic()

    def advance(self, rows: int) -> str:
        self.rows += rows
        now = time.monotonic()
        if now - self.logged < EVERY_S:
            return ""
        self.logged = now
        rate = self.rows / (now - self.began)
        if not self.total:
            return f"{self.rows:,} rows, {rate:,.0f} rows/s"
        left = (self.total - self.rows) / rate
        return f"{self.rows:,} of {self.total:,} rows, {rate:,.0f} rows/s, {left:,.0f} s left"

    def outcome(self) -> str:
        took = time.monotonic() - self.began
        return f"{self.rows:,} rows in {took:.1f} s" if self.rows else "done before, kept"


@contextmanager
def logged() -> Iterator[None]:
    """Log the block's progress to the flow run it is part of."""
    with watched_by(RunLog(get_run_logger(), watcher())):
        yield
