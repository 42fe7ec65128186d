"""Transactions."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from review import users
from review.store.database import Database
from review.store.models import Role, User


def test_what_raises_is_undone_and_keeps_nobody_waiting(either: Database) -> None:
    def fail() -> None:
        with either.writing() as session:
            users.add(session, "tests", "ada", None, Role.REVIEWER)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with either.writing() as session:
        users.add(session, "tests", "bob", None, Role.REVIEWER)
    with either.reading() as session:
        assert session.scalars(select(User.name)).all() == ["bob"]


def test_many_writers_wait_for_each_other(either: Database) -> None:
    def add(number: int) -> None:
        with either.writing() as session:
            users.add(session, "tests", f"r{number}", None, Role.REVIEWER)

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(add, range(60)))
    with either.reading() as session:
        assert session.scalar(select(func.count(User.id))) == 60
