"""What stands in the way of a server is said in one sentence; nothing of others is touched."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.server.control import start, status, stop
from flows.server.environment import DATABASE, database, environment
from flows.server.folder import SUPERVISOR, Folder, Settings
from schemas.errors import ServerError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prefect.yaml").write_text("deployments: []")
    return Folder(tmp_path / "state")


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield int(listening.getsockname()[1])


def unprepared(_folder: Folder, _settings: Settings) -> str:
    raise AssertionError


def test_a_folder_without_deployments_says_so(folder: Folder) -> None:
    Path("prefect.yaml").unlink()
    with pytest.raises(ServerError, match=r"has no prefect\.yaml: start the server in tracemill's project folder"):
        start(folder, Settings(), unprepared)
    assert not folder.path.exists()


def test_a_port_that_is_taken_says_so(folder: Folder, taken: int) -> None:
    with pytest.raises(ServerError, match=f"port {taken} is taken by another program; .*: --port {taken + 1}"):
        start(folder, Settings(port=taken), unprepared)
    assert status(folder) == {"supervisor": "not up", "server": "not up", "worker": "not up"}


def test_somebody_elses_server_is_left_alone(folder: Folder, prefect_server: str) -> None:
    port = int(prefect_server.rpartition(":")[2].partition("/")[0])
    with pytest.raises(ServerError, match=f"port {port} is taken by a Prefect server that was not started here"):
        start(folder, Settings(port=port), unprepared)
    assert stop(folder) == []


def test_a_server_that_is_up_is_not_started_otherwise(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    folder.create()
    folder.note(SUPERVISOR, psutil.Process())
    here = database(environment(folder, Settings()))
    folder.keep(Settings(port=4300, database=here))
    with pytest.raises(
        ServerError, match="the server is up with port 4300, not 4200; `tracemill server stop` it first"
    ):
        start(folder, Settings(), unprepared)
    monkeypatch.setenv(DATABASE, "postgresql+asyncpg://me:se-cret@db/prefect")
    with pytest.raises(ServerError, match=r"database sqlite.*prefect.db, not postgresql\+asyncpg://db/prefect;"):
        start(folder, Settings(port=4300), unprepared)
    folder.forget(SUPERVISOR)


def test_nothing_is_stopped_where_nothing_was_started(folder: Folder) -> None:
    assert stop(folder) == []


def test_the_environment_keeps_what_users_set_but_for_telemetry(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "3")
    monkeypatch.setenv("DO_NOT_TRACK", "0")
    monkeypatch.delenv("PREFECT_HOME", raising=False)
    made = environment(folder, Settings(port=4300))
    assert made["PREFECT_CLIENT_MAX_RETRIES"] == "3"
    assert made["DO_NOT_TRACK"] == "1"
    assert made["PREFECT_API_URL"] == "http://127.0.0.1:4300/api"
    assert made["PREFECT_HOME"] == str(folder.path / "prefect")
    assert made[DATABASE] == f"sqlite+aiosqlite:///{folder.path}/prefect.db"
    assert made["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+asyncpg://me:p@ss/word@db:5432/prefect", "postgresql+asyncpg://…"),
        ("postgresql+asyncpg://me:secret@db/prefect?password=secret", "postgresql+asyncpg://db/prefect"),
        ("sqlite+aiosqlite:////tmp/x.db", "sqlite+aiosqlite:////tmp/x.db"),
    ],
)
def test_a_password_is_not_shown(url: str, shown: str) -> None:
    assert database({DATABASE: url}) == shown
