"""Runs and whoever clears the lake see each other."""

import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schemas.errors import LakeError
from tasks import running as runs
from tasks.running import CLEARING, FOLDER, STALE, Mark, alone, running, under_way
from tasks.storage import Storage


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    place = request.getfixturevalue("s3") if request.param == "s3" else str(tmp_path)
    return Storage(f"{place}/lake")


def put(storage: Storage, name: str, mark: Mark) -> None:
    storage.write(f"{FOLDER}/{name}.json", mark.model_dump_json().encode())


def mark(host: str, pid: int, ago: timedelta = timedelta()) -> Mark:
    seen = datetime.now(UTC) - ago
    return Mark(what="refresh x", host=host, pid=pid, started=seen, seen=seen)


def test_a_run_is_marked_while_it_lasts(storage: Storage) -> None:
    with running(storage, "curate tiny"):
        [one] = under_way(storage)
        assert one.what == "curate tiny"
        with pytest.raises(LakeError, match=r"curate tiny \(process \d+ of .*is under way; try again"), alone(storage):
            pass
        assert [one.what for one in under_way(storage)] == ["curate tiny"]
        with running(storage, "another"):
            assert {one.what for one in under_way(storage)} == {"curate tiny", "another"}
    assert storage.names(FOLDER) == []
    with alone(storage):
        assert [one.what for one in under_way(storage)] == [CLEARING]
        with pytest.raises(LakeError, match="gc"), alone(storage):
            pass
    assert storage.names(FOLDER) == []


def test_a_mark_is_renewed(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "EVERY_S", 0.02)
    with running(storage, "long"):
        first = under_way(storage)[0].seen
        while under_way(storage)[0].seen == first:
            pass


def test_the_dead_do_not_count_and_go(storage: Storage) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    host = socket.gethostname()
    put(storage, "killed", mark(host, gone.pid))
    put(storage, "lost", mark("elsewhere", 1, STALE * 2))
    storage.write(f"{FOLDER}/strange.json", b"{")
    assert under_way(storage) == []
    put(storage, "far", mark("elsewhere", 1))
    assert [one.host for one in under_way(storage)] == ["elsewhere"]
    with running(storage, "next"):
        assert "far.json" in storage.names(FOLDER)
        assert len(storage.names(FOLDER)) == 2
    assert storage.names(FOLDER) == ["far.json"]


def test_a_run_waits_while_the_lake_is_cleared(storage: Storage) -> None:
    seen: list[str] = []

    def run() -> None:
        with running(storage, "late"):
            seen.append("ran")

    with alone(storage):
        late = threading.Thread(target=run)
        late.start()
        while len(under_way(storage)) < 2:
            pass
        assert seen == []
        seen.append("cleared")
    late.join()
    assert seen == ["cleared", "ran"]
