"""`kill -9` at any point, run again: the same bytes as an undisturbed run, and nothing finished is done again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

DEADLINE_S = 90

# Each is killed as soon as such a file exists.
KILL_POINTS = {
    "first part of the import": "traces/*/part-00000-*",
    "middle of the import": "traces/*/part-00003-*",
    "import finished": "dropped/*/manifest.json",
    "first verdicts": "verdicts/*/part-00000-*",
    "all verdicts": "verdicts/*/manifest.json",
    "overlaps found": "contamination/*/manifest.json",
    "pairs built": "pairs/*/part-*",
    "release claimed": "releases/*/*/claim.json",
    "half of the release": "releases/*/*/*/*/part-*",
    "card written": "releases/*/*/README.md",
}


def start(recipe: str, lake: Path, server: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "flows.cli", "curate", recipe, "--lake", str(lake)]
    return subprocess.Popen(
        command, env=os.environ | {"PREFECT_API_URL": server}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def finish(recipe: str, lake: Path, server: str) -> None:
    _, errors = start(recipe, lake, server).communicate(timeout=DEADLINE_S)
    assert not errors, errors.decode()


def kill_at(pattern: str, run: subprocess.Popen[bytes], lake: Path) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not any(lake.glob(pattern)):
        assert run.poll() is None, f"the run ended before {pattern}"
        assert time.monotonic() < deadline
        time.sleep(0.0005)
    run.send_signal(signal.SIGKILL)
    run.communicate(timeout=DEADLINE_S)


def content(lake: Path) -> dict[str, Any]:
    """Every file's bytes; of verdicts and manifests all but what a clock says."""
    return {
        str(path.relative_to(lake)): _timeless(path)
        for path in sorted(lake.rglob("*"))
        if path.is_file() and "verdicts" not in path.parts
    } | {
        f"verdicts {index}": pq.read_table(path).drop_columns(["elapsed_ms"]).to_pylist()
        for index, path in enumerate(sorted(lake.glob("verdicts/*/part-*")))
    }


def _timeless(path: Path) -> object:
    if path.suffix != ".json":
        return path.read_bytes()
    return {key: value for key, value in json.loads(path.read_text()).items() if key != "created"}


def finished_parts(lake: Path) -> dict[Path, int]:
    return {path: path.stat().st_ino for path in lake.rglob("part-*.parquet")}


@pytest.fixture
def undisturbed(recipe: str, tmp_path: Path, prefect_server: str) -> dict[str, Any]:
    lake = tmp_path / "undisturbed"
    finish(recipe, lake, prefect_server)
    return content(lake)


@pytest.mark.timeout(600)
def test_killed_once_at_each_point(
    recipe: str, tmp_path: Path, prefect_server: str, undisturbed: dict[str, Any]
) -> None:
    for number, (point, pattern) in enumerate(KILL_POINTS.items()):
        lake = tmp_path / f"lake{number}"
        kill_at(pattern, start(recipe, lake, prefect_server), lake)
        parts = finished_parts(lake)
        assert parts, point
        finish(recipe, lake, prefect_server)
        assert content(lake) == undisturbed, point
        assert parts.items() <= finished_parts(lake).items(), f"{point}: a finished part was made again"
        assert not list(lake.rglob(".tmp-*")), point


@pytest.mark.timeout(600)
def test_killed_at_every_point_in_turn(
    recipe: str, tmp_path: Path, prefect_server: str, undisturbed: dict[str, Any]
) -> None:
    lake = tmp_path / "lake"
    parts: dict[Path, int] = {}
    for pattern in KILL_POINTS.values():
        kill_at(pattern, start(recipe, lake, prefect_server), lake)
        assert parts.items() <= finished_parts(lake).items()
        parts = finished_parts(lake)
    finish(recipe, lake, prefect_server)
    assert content(lake) == undisturbed


def test_two_runs_at_once_publish_one_release(recipe: str, tmp_path: Path, prefect_server: str) -> None:
    lake = tmp_path / "lake"
    runs = [start(recipe, lake, prefect_server) for _ in range(2)]
    assert [run.communicate(timeout=DEADLINE_S)[1] for run in runs] == [b"", b""]
    assert [path.name for path in (lake / "releases/tiny").iterdir()] == ["v1"]
    finish(recipe, lake, prefect_server)
    assert len(list((lake / "releases/tiny").iterdir())) == 1
