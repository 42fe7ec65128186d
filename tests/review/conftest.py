"""A store of its own for each test, people who may sign in, and the app over it."""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, select, text

from review import users
from review.store.database import Database
from review.store.models import Login, Role, User
from review.web.app import create_app

PASSWORD = "correct horse battery"
ORIGIN = "http://review.test"
STORES = ["sqlite", "postgresql"] if shutil.which("initdb") else ["sqlite"]


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


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL server's URL, without a database's name; it listens on a socket in a folder of its own only."""
    folder = tempfile.mkdtemp(prefix="pg")
    as_user = []
    if os.getuid() == 0:  # it does not run as root
        shutil.chown(folder, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]

    def run(*command: str) -> None:
        subprocess.run([*as_user, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")

    run("initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")
    options = f"-k {folder} -h '' -c fsync=off -c timezone=Asia/Kathmandu -c max_connections=200"
    run("pg_ctl", "-D", f"{folder}/data", "-w", "-l", f"{folder}/log", "-o", options, "start")
    yield f"postgresql+psycopg://postgres@/{{name}}?host={folder}"
    run("pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture(params=STORES)
def either(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A store of each kind that is supported."""
    if request.param == "sqlite":
        yield request.getfixturevalue("database")
        return
    url: str = request.getfixturevalue("postgres")
    name = f"t{secrets.token_hex(6)}"
    engine = create_engine(url.format(name="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    store = Database(url.format(name=name))
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
