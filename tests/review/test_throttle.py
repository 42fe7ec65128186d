"""Brakes on guessing."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from review import throttle
from review.store.database import Database
from review.store.models import Attempt


def tried(store: Database, name: str = "ada", address: str = "192.0.2.1") -> int:
    with store.writing() as session:
        return throttle.attempt(session, name, address)


def aged(store: Database, by: timedelta) -> None:
    with store.writing() as session:
        for row in session.scalars(select(Attempt)):
            row.at -= by


def kept(store: Database) -> int:
    with store.reading() as session:
        return session.scalar(select(func.count()).select_from(Attempt)) or 0


def test_five_failures_of_a_name_are_free(either: Database) -> None:
    waits = [tried(either, address=f"192.0.2.{number}") for number in range(6)]
    assert waits[:5] == [0] * 5
    assert 28 <= waits[5] <= 30
    assert kept(either) == 5
    assert tried(either, name="bob") == 0


def test_twenty_failures_of_an_address_are_free(database: Database) -> None:
    waits = [tried(database, name=f"user-{number}") for number in range(21)]
    assert waits[:20] == [0] * 20
    assert waits[20] > 0
    assert tried(database, name="user-0", address="192.0.2.2") == 0


def test_the_wait_grows_and_ends(database: Database) -> None:
    waits = []
    for _ in range(5):
        tried(database)
    for _ in range(4):
        waits.append(tried(database))
        aged(database, timedelta(seconds=waits[-1]))
        assert tried(database) == 0
    assert [round(wait, -1) for wait in waits] == [30, 60, 120, 240]


def test_old_failures_are_swept(database: Database) -> None:
    for _ in range(5):
        tried(database)
    aged(database, throttle.WINDOW)
    assert tried(database) == 0
    assert kept(database) == 1


def test_success_forgets_a_names_failures_and_no_others(database: Database) -> None:
    for name in ("ada", "ada", "bob"):
        tried(database, name)
    with database.writing() as session:
        throttle.cleared(session, "ada")
    assert kept(database) == 1


def test_many_at_once_get_no_more_tries(either: Database) -> None:
    with ThreadPoolExecutor(12) as pool:
        waits = list(pool.map(lambda _: tried(either), range(24)))
    assert waits.count(0) == throttle.PER_NAME


@given(st.integers(0, 10_000), st.integers(1, 50))
def test_more_failures_never_mean_less_waiting(failures: int, free: int) -> None:
    now, then = throttle.pause(failures, free), throttle.pause(failures + 1, free)
    assert timedelta(0) <= now <= then <= throttle.WINDOW
    assert (now == timedelta(0)) == (failures < free)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("testclient", "testclient"),
        ("", ""),
        ("x" * 100, "x" * 64),
    ],
)
def test_who_has_an_address_has_its_network(address: str, network: str) -> None:
    assert throttle.network(address) == network


def test_a_clock_that_was_put_back_locks_nobody_out_for_long(database: Database) -> None:
    for _ in range(5):
        tried(database)
    with database.writing() as session:
        session.execute(update(Attempt).values(at=datetime.now(UTC) + timedelta(days=3)))
    assert tried(database) <= throttle.WINDOW.total_seconds()
