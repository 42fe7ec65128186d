"""Progress in the run's own log and as bars, both of which the Prefect page shows."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from logging import Logger, LoggerAdapter
from typing import Any, Final, cast
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.exceptions import TerminationSignal

from flows.pace import Pace, Took
from flows.page.stopped import show_stopped
from tasks.progress import Watcher, watched_by, watcher

LOG_EVERY_S: Final = 30.0
SHOW_EVERY_S: Final = 5.0


class RunLog:
    """Logs each stage's end, and its pace from time to time; passes all on to another watcher."""

    def __init__(self, logger: "Logger | LoggerAdapter[Any]", also: Watcher) -> None:
        self._logger = logger
        self._also = also
        self._stages: dict[str, Pace] = {}
        self._logged: dict[str, float] = {}
        self.took: dict[str, Took] = {}
        """What each finished stage took."""

    @property
    def under_way(self) -> dict[str, Pace]:
        """The stages that were started and have not ended."""
        return dict(self._stages)

    def started(self, stage: str, total: int | None) -> None:
        """Start a stage's clock."""
        self._stages[stage] = Pace(total)
        self._logged[stage] = time.monotonic()
        self._also.started(stage, total)

    def advanced(self, stage: str, rows: int) -> None:
        """Count rows; every half minute log how far the stage is."""
        self._also.advanced(stage, rows)
        self._stages[stage].rows += rows
        if _due(self._logged, stage, LOG_EVERY_S):
            self._logger.info("%s: %s", stage, self._stages[stage].line())

    def measured(self, stage: str, amounts: Mapping[str, int]) -> None:
        """Count tokens and accepted traces."""
        self._also.measured(stage, amounts)
        self._stages[stage].measure(amounts)

    def noted(self, message: str) -> None:
        """Log it."""
        self._also.noted(message)
        self._logger.warning("%s", message)

    def finished(self, stage: str) -> None:
        """Log what a stage came to."""
        self._also.finished(stage)
        pace = self._stages.pop(stage)
        self.took[stage] = pace.after(self.took.get(stage, Took()))
        self._logger.info("%s: %s", stage, pace.outcome())


class Bars:
    """A bar on the page, as a progress artifact, for each stage that takes longer than a few seconds."""

    def __init__(self, also: Watcher) -> None:
        self._also = also
        self._stages: dict[str, Pace] = {}
        self._shown: dict[str, float] = {}
        self._bars: dict[str, UUID] = {}

    def started(self, stage: str, total: int | None) -> None:
        """Start a stage's clock."""
        self._stages[stage] = Pace(total)
        self._shown[stage] = time.monotonic()
        self._bars.pop(stage, None)
        self._also.started(stage, total)

    def advanced(self, stage: str, rows: int) -> None:
        """Count rows; every few seconds move the bar."""
        self._also.advanced(stage, rows)
        pace = self._stages[stage]
        pace.rows += rows
        if _due(self._shown, stage, SHOW_EVERY_S):
            self._show(stage, 100 * pace.share, pace.line())

    def measured(self, stage: str, amounts: Mapping[str, int]) -> None:
        """Count tokens and accepted traces."""
        self._also.measured(stage, amounts)
        self._stages[stage].measure(amounts)

    def noted(self, message: str) -> None:
        """Leave it to the log."""
        self._also.noted(message)

    def finished(self, stage: str) -> None:
        """Fill the bar."""
        self._also.finished(stage)
        if stage in self._bars:
            self._show(stage, 100.0, self._stages[stage].outcome())

    def _show(self, stage: str, percent: float, line: str) -> None:
        if stage in self._bars:
            update_progress_artifact(self._bars[stage], percent, description=f"{stage}: {line}")
        else:
            # Outside an event loop it gives the id itself.
            self._bars[stage] = cast("UUID", create_progress_artifact(percent, description=f"{stage}: {line}"))


def _due(last: dict[str, float], stage: str, every_s: float) -> bool:
    now = time.monotonic()
    if now - last[stage] < every_s:
        return False
    last[stage] = now
    return True


@contextmanager
def logged() -> Iterator[RunLog]:
    """Show the block's progress in the flow run it is part of; where that is cancelled, what is kept."""
    logger = get_run_logger()
    log = RunLog(logger, Bars(watcher()))
    try:
        with watched_by(log):
            yield log
    except TerminationSignal:
        logger.warning("%s", show_stopped(log.took, log.under_way))
        raise
