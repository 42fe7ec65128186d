"""A lake on S3 is what it is on a folder: runs, crashes, outages, clearing; moto's server speaks S3."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from s3fs import S3FileSystem

from flows.curate import curate
from flows.doctor import examine
from flows.query import query
from flows.refresh import refresh
from flows.runs import summary_of
from schemas.errors import LakeError, QueryError
from schemas.refs import ReleaseManifest
from schemas.tables import TABLES
from tasks.export.push import plan
from tasks.lake import Lake
from tasks.places import DATA
from tasks.storage import Storage

pytestmark = pytest.mark.usefixtures("prefect_server")

DEADLINE_S = 120
RECIPE = """
name: given
models: {tiny: {model: "${TRACEMILL_DATA}/models/tiny-reasoner"}}
ingest:
  source: {format: jsonl, path: "%(problems)s"}
  problem: {question: question, reference: answer}
generate:
  samplers: {tiny: {model: tiny, on_policy: true, n: 3, sampling: {max_tokens: 150}}}
gold:
  source: {format: jsonl, path: "%(traces)s"}
  problem: {question: question, reference: answer}
  completions: [{text: "completions[].text", model: m, labels: {is_correct: "completions[].right"}}]
"""


@pytest.fixture
def sampled(tmp_path: Path, traces: Path) -> str:
    """A recipe that samples four problems, and measures its verifiers on labelled traces."""
    problems, recipe = tmp_path / "problems.jsonl", tmp_path / "given.yaml"
    problems.write_text("\n".join((DATA / "samples/demo-problems.jsonl").read_text().splitlines()[:4]))
    recipe.write_text(RECIPE % {"problems": problems, "traces": traces})
    return str(recipe)


def content(release: ReleaseManifest) -> dict[str, Any]:
    """What a release is, without what a clock says."""
    timed = {"README.md", "lineage.json"}
    return {
        "name": f"{release.name}/{release.version}",
        "formats": {name: [part.sha256 for part in parts] for name, parts in release.formats.items()},
        "files": {name: digest for name, digest in release.files.items() if name not in timed},
        "tables": release.tables,
    }


def tables(lake: str) -> dict[str, object]:
    """The files of all tables, and when each was written."""
    return {one.path: one.modified for one in Storage(lake).files() if one.path.split("/")[0] in TABLES}


def test_a_lake_on_s3_grows_is_read_and_is_cleared_as_a_folder_is(
    s3: str, sampled: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import cli

    lake, folder, changed = f"{s3}/team/lake", str(tmp_path / "lake"), ["dedupe.traces.threshold=0.5"]
    first = refresh(sampled, lake)
    assert content(first) == content(refresh(sampled, folder))
    second = refresh(sampled, lake, changed, sample=False)
    assert content(second) == content(refresh(sampled, folder, changed, sample=False))
    assert (second.version, second.previous) == ("v2", "v1")

    def gc(*options: str) -> dict[str, Any]:
        monkeypatch.setattr(sys, "argv", ["tracemill", "gc", "--lake", lake, "--json", *options])
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert not left.value.code
        told: dict[str, Any] = json.loads(capfd.readouterr().out)
        return told

    before = tables(lake)
    assert gc()["goes"] == [], "all of it is young"
    would = gc("--keep-releases", "1", "--older-than", "0s")
    assert would["removed"] is False
    assert {"releases", "dropped", "notes of runs"} <= {one["what"] for one in would["goes"]}
    assert tables(lake) == before
    assert gc("--keep-releases", "1", "--older-than", "0s", "--yes")["goes"] == would["goes"]
    after = tables(lake)
    assert after.items() < before.items()

    # Nothing of it has to be made again, and it reads as before.
    again = refresh(sampled, lake, changed, sample=False)
    assert content(again) == content(second)
    assert tables(lake) == after
    assert summary_of(lake) == second.summary
    assert summary_of(lake, "given/v2") == second.summary
    assert query(Lake(lake), "select count(*) as n from traces").to_pylist() == [
        {"n": Lake(folder).row_count(Lake(folder).newest()["traces"])}
    ]
    with pytest.raises(QueryError, match="sql: "):
        query(Lake(lake), "select nothing")
    assert plan(Lake(lake).storage, "given", "me/given", private=True).files
    with pytest.raises(LakeError, match="no release given/v1; there are: given/v2"):
        summary_of(lake, "given/v1")
    found = {one.what: one for one in examine(lake)}
    assert found["lake"].good
    assert "conditional writes" not in found


def killed_when(there: str, recipe: str, lake: str) -> None:
    """`kill -9` of a run as soon as there are such files."""
    command = [sys.executable, "-m", "flows.cli", "curate", recipe, "--lake", lake]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        deadline = time.monotonic() + DEADLINE_S
        while not Storage(lake).files(there):
            assert run.poll() is None, f"the run ended before {there}"
            assert time.monotonic() < deadline
            time.sleep(0.1)
        run.send_signal(signal.SIGKILL)


def test_killed_on_s3_and_run_again(
    s3: str, recipe: str, tmp_path: Path, prefect_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    lake = f"{s3}/lake"
    killed_when("verdicts", recipe, lake)
    parts = tables(lake)
    killed_when("releases", recipe, lake)
    assert parts.items() <= tables(lake).items(), "a finished part was made again"
    parts = tables(lake)
    assert Storage(lake).names("running"), "the killed run's mark"
    release = curate(recipe, lake)
    assert parts.items() <= tables(lake).items(), "a finished part was made again"
    assert Storage(lake).names("running") == []
    undisturbed = curate(recipe, str(tmp_path / "lake"))
    assert content(release)["name"] == "tiny/v1"
    assert content(release)["formats"] == content(undisturbed)["formats"]
    assert release.tables == undisturbed.tables


class Gate:
    """Passes connections on to a server, but while it is down: then nobody answers at its address."""

    def __init__(self, behind: tuple[str, int]) -> None:
        self._behind = behind
        self._port = 0
        self._open: list[socket.socket] = []
        self.up()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def up(self) -> None:
        self._door = socket.create_server(("127.0.0.1", self._port))
        self._port = self._door.getsockname()[1]
        threading.Thread(target=self._serve, args=(self._door,), daemon=True).start()

    def down(self) -> None:
        # Who waits in accept() holds the port open: it has to be woken.
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        for one in self._open:
            one.close()
        self._open = []

    def _serve(self, door: socket.socket) -> None:
        while True:
            try:
                near, _ = door.accept()
            except OSError:
                return
            far = socket.create_connection(self._behind)
            self._open += [near, far]
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            source.close()
            target.close()


@pytest.fixture
def gate(s3: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    place = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    made = Gate((str(place.hostname), int(place.port or 0)))
    monkeypatch.setenv("AWS_ENDPOINT_URL", made.address)
    S3FileSystem.clear_instance_cache()
    yield made
    made.down()


def test_an_outage_of_seconds_is_waited_for_a_longer_one_is_one_sentence(
    s3: str, gate: Gate, recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = f"{s3}/lake"
    write, outages = Storage.write, iter([True])

    def fails_once(storage: Storage, path: str, data: bytes) -> None:
        if path.startswith("verdicts/") and next(outages, False):
            gate.down()
            threading.Timer(2, gate.up).start()
        write(storage, path, data)

    monkeypatch.setattr(Storage, "write", fails_once)
    release = curate(recipe, lake)
    assert next(outages, None) is None
    assert content(release)["formats"] == content(curate(recipe, str(tmp_path / "lake")))["formats"]

    gate.down()
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    S3FileSystem.clear_instance_cache()
    with pytest.raises(LakeError, match="the store cannot be reached; see to it") as raised:
        curate(recipe, lake)
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in f"{raised.value}{raised.value.__cause__}"
    with pytest.raises(LakeError, match=r"^reading s3://.*cannot be reached"):
        Lake(lake).read(release.tables["traces"][0])
    gate.up()
    S3FileSystem.clear_instance_cache()
    assert curate(recipe, lake).version == release.version
