"""`tracemill review` as a person types it."""

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI
from typer.testing import CliRunner, Result

from flows.cli import app
from flows.cli_review import _listening
from flows.cli_store import console
from flows.review import REVIEWED
from review.audit import note
from review.batches import NewBatch, NewItem, open_batch
from review.config import BatchSettings
from review.store.database import Database
from schemas.errors import ReviewError, TracemillError

PASSWORD = "correct horse battery"
Type = Callable[..., Result]


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path}/review.db"
    monkeypatch.setenv("TRACEMILL_REVIEW_DB", url)
    monkeypatch.setattr(console, "width", 200)
    return url


@pytest.fixture
def typed(address: str, monkeypatch: pytest.MonkeyPatch) -> Type:
    """Type a command in a wide window; what a person would be told as a mistake is raised."""
    monkeypatch.setattr(console, "width", 200)

    def run(*arguments: str, given: str | None = None) -> Result:
        result = CliRunner().invoke(app, ["review", *arguments], input=given)
        if isinstance(result.exception, TracemillError):
            raise result.exception
        return result

    return run


@pytest.fixture
def batch(address: str, tmp_path: Path) -> str:
    """One trace that nobody has reviewed."""
    problem = {"problem_id": "p", "domain": "math", "question": "1 + 1?", "reference": "2"}
    trace = {"trace_id": "t", "text": "3", "step_offsets": [0], "splitter": "steps/1", "source": "m"}
    item = NewItem(problem | {"tests": None, "constraints": None}, trace, 1)
    database = Database(address)
    database.migrate()
    with database.writing() as session:
        open_batch(session, "tests", NewBatch("b", BatchSettings(), [item], "demo", str(tmp_path / "lake")))
    database.close()
    return "b"


def test_users(typed: Type) -> None:
    with pytest.raises(ReviewError, match="the first user has to be an admin"):
        typed("user", "add", "owl", "--password-stdin", given=f"{PASSWORD}\n")
    made = typed("user", "add", "Ann", "--role", "admin", "--password-stdin", given=f"{PASSWORD}\n")
    assert re.search(r"added ann as admin; reviews go by the name r-\w{8}", made.stdout)
    assert PASSWORD not in made.output
    with pytest.raises(ReviewError, match="role boss: there is none of this name; there are reviewer"):
        typed("user", "add", "owl", "--role", "boss", "--password-stdin", given=PASSWORD)
    with pytest.raises(ReviewError, match="a password has"):
        typed("user", "add", "owl", "--password-stdin", given="short\n")
    with pytest.raises(ReviewError, match="no terminal to ask for a password at: give it with --password-stdin"):
        typed("user", "add", "owl")
    typed("user", "add", "owl", "--password-stdin", given=PASSWORD)
    assert "owl is adjudicator now" in typed("user", "role", "owl", "adjudicator").stdout
    assert "owl has a new password" in typed("user", "password", "owl", "--password-stdin", given="another one!").stdout
    assert "no longer" in typed("user", "off", "owl").stdout
    rows = [line.split() for line in typed("user", "list").stdout.splitlines() if "r-" in line]
    assert [(row[1], row[3], row[-2]) for row in rows] == [("ann", "admin", "yes"), ("owl", "adjudicator", "no")]
    typed("user", "on", "owl")
    with pytest.raises(ReviewError, match="last admin"):
        typed("user", "off", "ann")


def test_batches(typed: Type, batch: str, tmp_path: Path) -> None:
    assert "b " in typed("list").stdout
    closed = typed("close", batch)
    assert "closed: closed by hand" in closed.stdout
    assert "open " in typed("reopen", batch).stdout
    assert "0 rounds of reviews" in typed("export", batch).stdout
    assert (tmp_path / "lake/reviews/b.jsonl").read_bytes() == b""
    typed("export", batch, "--to", str(tmp_path / "out.jsonl"))
    assert (tmp_path / "out.jsonl").read_bytes() == b""
    with pytest.raises(ReviewError, match="batch c: there is none of this name"):
        typed("export", "c")


def test_labels_that_are_there_already(typed: Type, tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text("no JSON\n")
    told = typed("import", str(path), "--name", "old").stdout
    assert "0 new traces, 0 reviews; 1 lines were of no use" in " ".join(told.split())
    with pytest.raises(ReviewError, match="batch old: belongs to no lake; give --to FILE"):
        typed("export", "old")


def test_the_audit_is_checked(typed: Type, address: str) -> None:
    assert "the audit is whole" in typed("verify-audit").stdout
    database = Database(address)
    with database.writing() as session:
        note(session, "ann", "did", "this")
        note(session, "ann", "did", "that")
    with database.writing() as session:
        session.connection().exec_driver_sql("UPDATE audit SET subject = 'nothing' WHERE id = 1")
    database.close()
    with pytest.raises(ReviewError, match="audit: row 1 does not follow"):
        typed("verify-audit")


def test_the_audit_is_checked_against_an_export(typed: Type, batch: str, address: str, tmp_path: Path) -> None:
    typed("export", batch)
    manifest = str(tmp_path / "lake/reviews/b.manifest.json")
    assert "the audit is whole, and still holds row 2" in " ".join(
        typed("verify-audit", "--against", manifest).stdout.split()
    )
    database = Database(address)
    with database.writing() as session:
        session.connection().exec_driver_sql("DELETE FROM audit WHERE id = 2")
    database.close()
    assert "the audit is whole" in typed("verify-audit").stdout
    with pytest.raises(ReviewError, match=r"audit: row 2, the newest when .*b\.manifest\.json was written, .* is gone"):
        typed("verify-audit", "--against", manifest)


def test_what_is_missing_is_said_in_one_sentence(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr("flows.cli_store.find_spec", lambda name: None if name == "uvicorn" else there(name))
    with pytest.raises(ReviewError, match=r"reviewing needs uvicorn: pip install 'tracemill\[review\]'"):
        typed("list")


def test_what_an_admin_closes_on_the_page_is_announced(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[FastAPI] = []
    told: list[tuple[str, str]] = []

    class Idle:
        def __init__(self, _: object) -> None: ...

        def run(self, sockets: list[socket.socket]) -> None: ...

    monkeypatch.setattr("uvicorn.Config", lambda app, **_: served.append(app))
    monkeypatch.setattr("uvicorn.Server", Idle)
    monkeypatch.setattr("flows.review.announce", lambda event, batch: told.append((event, batch)))
    typed("serve", "--port", "0")
    served[0].state.closed("the batch")
    assert told == [(REVIEWED, "the batch")]


def test_a_port_that_is_taken(typed: Type) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ReviewError, match=rf"127\.0\.0\.1:{port}: cannot be listened at .*; give another --port"):
            typed("serve", "--port", str(port))


@pytest.mark.parametrize("demo", [False, True])
def test_the_page_is_served_until_it_is_interrupted(demo: bool, address: str) -> None:
    more = ["--demo"] if demo else []
    command = [sys.executable, "-u", "-m", "flows.cli", "review", "serve", "--port", "0", *more]
    environment = os.environ | {"TRACEMILL_REVIEW_DB": address, "COLUMNS": "200"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as server:
        assert server.stdout is not None
        first, second = (server.stdout.readline() for _ in range(2))
        url = re.findall(r"http://\S+", first)[0]
        assert ("sign in as demo, password " if demo else "user add NAME --role admin") in second
        with urllib.request.urlopen(f"{url}login", timeout=30) as page:
            assert "tracemill" in page.read().decode()
        time.sleep(0.1)
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=30)
    assert (server.returncode, errors) == (0, "")


def test_answers_are_sent_at_once() -> None:
    """Asyncio switches Nagle's algorithm off only for sockets that say they are TCP's."""
    with _listening("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
