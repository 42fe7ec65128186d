"""A store of its own for each test, people who may sign in, and the app over it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from review import users
from review.store.database import Database
from review.store.models import Role
from review.web.app import create_app

PASSWORD = "correct horse battery"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    store = Database(f"sqlite:///{tmp_path}/review.db")
    store.migrate()
    yield store
    store.close()


@pytest.fixture
def signed_in(database: Database) -> Callable[[str, Role], TestClient]:
    """A client that a new user has signed in with; it sends the CSRF token by itself."""

    def make(name: str, role: Role = Role.REVIEWER) -> TestClient:
        with database.writing() as session:
            users.add(session, "tests", name, PASSWORD, role)
        client = TestClient(
            create_app(database), base_url="http://review.test", headers={"Origin": "http://review.test"}
        )
        assert client.post("/api/login", json={"name": name, "password": PASSWORD}).status_code == 200
        with database.reading() as session:
            from sqlalchemy import select

            from review.store.models import Login, User

            csrf = session.scalar(select(Login.csrf).join(User).where(User.name == name))
        client.headers["X-CSRF-Token"] = csrf or ""
        return client

    return make
