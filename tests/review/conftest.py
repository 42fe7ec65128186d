"""A store of its own for each test, on SQLite or PostgreSQL; people who may sign in, traces, and the app over it."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, select, text

from review import users
from review.store.database import Database
from review.store.models import Batch, Item, Login, Role, Trace, User
from review.web.app import create_app
from tasks.text.steps import SPLITTER, split_steps

PASSWORD = "correct horse battery"
ORIGIN = "http://review.test"
QUESTION = "Ann has 2 apples and buys $1 + 2$ more. How many has she?"
TRACE = "She has 2 apples.\n\nShe buys 1 + 2 = 4 more.\n\nSo she has 6."


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scrypt at a cost that tests can afford."""
    monkeypatch.setitem(users._COST, "n", 16)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    store = Database(f"sqlite:///{tmp_path}/review.db")
    store.migrate()
    yield store
    store.close()


def sign_in(store: Database, name: str, role: Role) -> TestClient:
    with store.writing() as session:
        users.add(session, "tests", name, PASSWORD, role)
    client = TestClient(create_app(store), base_url=ORIGIN, headers={"Origin": ORIGIN})
    assert client.post("/api/login", json={"name": name, "password": PASSWORD}).status_code == 200
    with store.reading() as session:
        csrf = session.scalar(select(Login.csrf).join(User).where(User.name == name))
    client.headers["X-CSRF-Token"] = csrf or ""
    return client


@pytest.fixture
def signed_in(database: Database) -> Callable[[str, Role], TestClient]:
    """A client that a new user has signed in with; it sends the CSRF token and its origin by itself."""

    def make(name: str, role: Role = Role.REVIEWER) -> TestClient:
        return sign_in(database, name, role)

    return make


@pytest.fixture
def signed_in_either(either: Database) -> Callable[[str, Role], TestClient]:
    """As `signed_in`, over `either`."""

    def make(name: str, role: Role = Role.REVIEWER) -> TestClient:
        return sign_in(either, name, role)

    return make


def _postgres_tools() -> Path:
    """Where PostgreSQL's programs are; Debian's are not in PATH."""
    found = [one.parent for one in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))]
    if (known := shutil.which("initdb")) is not None:
        found.append(Path(known).resolve().parent)
    assert found, "PostgreSQL is missing: tests/system-packages.sh installs it"
    return found[-1]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL that this session starts, without a database's name; `blank` has our tables."""
    tools = _postgres_tools()
    as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="tracemill-pg-") as folder, socket.socket() as free:
        if as_postgres:
            shutil.chown(folder, "postgres")
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()

        def run(*command: str) -> None:
            subprocess.run([*as_postgres, *command], check=True, capture_output=True, cwd=folder)

        data, unsafe = f"{folder}/data", "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        unsafe += " -c timezone=Asia/Kathmandu"  # times come back in UTC all the same
        run(f"{tools}/initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c max_connections=200 {unsafe}"
        run(f"{tools}/pg_ctl", "-D", data, "-l", f"{folder}/log", "-w", "-t", "120", "-o", options, "start")
        try:
            address = f"postgresql://postgres@127.0.0.1:{port}"
            _execute(address, "CREATE DATABASE blank")
            blank = Database(f"{address}/blank")
            blank.migrate()
            blank.close()
            yield address
        finally:
            run(f"{tools}/pg_ctl", "-D", data, "-m", "immediate", "stop")


@pytest.fixture(params=["sqlite", "postgres"])
def either(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A store with nothing in it, on each kind of server in turn."""
    if request.param == "sqlite":
        yield request.getfixturevalue("database")
        return
    address, name = request.getfixturevalue("postgres"), f"t{secrets.token_hex(8)}"
    _execute(address, f"CREATE DATABASE {name} TEMPLATE blank")
    store = Database(f"{address}/{name}")
    yield store
    store.close()
    _execute(address, f"DROP DATABASE {name}")


@pytest.fixture
def opened() -> Callable[..., str]:
    """Opens a batch `maths` with so many items, the last ones gold; `review` settings as the recipe has them."""

    def make(
        store: Database, items: int = 1, *, gold: int = 0, rounds: int = 8, name: str = "maths", **review: Any
    ) -> str:
        if gold:
            review["gold"] = {"source": {"format": "jsonl", "path": "gold.jsonl"}} | review.get("gold", {})
        model = {"model": "m"}
        settings = {"review": review, "model": model, "going_on": {"rounds": rounds, "k": 2}}
        now = datetime.now(UTC)
        with store.writing() as session:
            session.add(Batch(id=name, name=name, settings=settings, opened_at=now))
            session.flush()
            for number in range(items):
                made = {"id": f"{name}-{number:03}", "trace_id": f"trace-{number:03}"}
                golden = 1 if number >= items - gold else None
                problem = {"problem_id": f"p{number}", "domain": "math", "question": QUESTION, "reference": "5"}
                session.add(Item(**made, batch_id=name, rank=number, source="s", gold=golden, **problem))
                session.flush()
                cut: dict[str, Any] = {"step_offsets": split_steps(TRACE), "splitter": SPLITTER, "created_at": now}
                graded = {"status": "incorrect", "answer": "6", "reason": "math: not the same as the reference"}
                session.add(Trace(item_id=made["id"], trace_id=made["trace_id"], text=TRACE, **cut, **graded))
        return name

    return make


@pytest.fixture
def people() -> Callable[[Database, int], list[int]]:
    """Adds so many reviewers; their ids."""

    def make(store: Database, count: int) -> list[int]:
        with store.writing() as session:
            return [users.add(session, "tests", f"r{number}", None, Role.REVIEWER).id for number in range(count)]

    return make


def _execute(address: str, statement: str) -> None:
    engine = create_engine(address.replace("://", "+psycopg://") + "/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
