"""What ends is started again, after a pause that grows; logs stay short."""

import os
import sys
import time
from pathlib import Path

import pytest

from flows.server.folder import WORKER, Folder
from flows.server.supervise import LONGEST_PAUSE_S, PAUSE_S, STEADY_S, Kept, bound


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "state")
    made.create()
    return made


def gone(kept: Kept) -> None:
    assert kept.process
    kept.process.kill()
    while kept.process.is_running() and kept.process.status() != "zombie":
        time.sleep(0.01)


def test_the_pause_grows_while_it_keeps_ending(folder: Folder) -> None:
    kept = Kept(folder, WORKER, [sys.executable, "-c", "import time; time.sleep(60)"])
    now, pauses = 0.0, []
    for _ in range(8):
        kept.look(now, os.environ)
        gone(kept)
        kept.look(now, os.environ)
        pauses.append(kept.due - now)
        kept.look(kept.due - 0.1, os.environ)
        assert kept.process is None
        now = kept.due
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    kept.look(now, os.environ)
    kept.look(now + STEADY_S + 1, os.environ)
    assert kept.pause == PAUSE_S < LONGEST_PAUSE_S
    gone(kept)


def test_one_that_is_up_is_taken_over(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    first = Kept(folder, WORKER, [sys.executable, "-c", "import time; time.sleep(60)"])
    first.look(0, os.environ)
    second = Kept(folder, WORKER, first.command)
    assert second.process == first.process
    assert "is still up: taken over" in capsys.readouterr().out
    second.look(1, os.environ)
    assert second.process == first.process
    gone(second)
    second.look(2, os.environ)
    assert second.process is None


def test_a_long_log_is_put_aside_while_it_is_written_to(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 100)
        bound(log, most=200)
        assert log.stat().st_size == 100
        writer.write(b"y" * 150)
        bound(log, most=200)
        writer.write(b"z")
    assert log.read_bytes() == b"z"
    assert (tmp_path / "worker.log.1").stat().st_size == 250
