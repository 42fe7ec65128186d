"""Progress in the run's log."""

import logging

import pytest

from flows import log
from flows.log import RunLog
from tasks.progress import reported, watched_by, watcher


def test_each_stage_is_logged_and_passed_on(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    outer = RunLog(logging.getLogger("outer"), watcher())
    with caplog.at_level("INFO"), watched_by(RunLog(logging.getLogger("run"), outer)):
        with reported("verify", 100):
            for _ in range(4):
                now += log.LOG_EVERY_S / 2
                watcher().advanced("verify", 20)
        with reported("dedupe"):
            pass
    lines = [record.getMessage() for record in caplog.records if record.name == "run"]
    assert lines == [
        "verify: 40 of 100 rows, 1 rows/s, 45 s left",
        "verify: 80 of 100 rows, 1 rows/s, 15 s left",
        "verify: 80 rows in 60.0 s",
        "dedupe: done before, kept",
    ]
    assert [record.getMessage() for record in caplog.records if record.name == "outer"] == lines
