"""The dashboard's numbers, and who sees whose."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from review import marks
from review.audit import note
from review.dashboard import COLUMNS, DAYS, Board, board
from review.store.database import Database
from review.store.models import Assignment, ItemState, Role, State, User

SignedIn = Callable[..., TestClient]
NOW = datetime.now(UTC)


def _board(database: Database, name: str, role: Role = Role.REVIEWER, batch: str | None = None) -> Board:
    with database.reading() as session:
        user = session.scalars(select(User.id).where(User.name == name)).one()
        return board(session, user, role, batch, NOW)


def test_an_empty_store_has_a_dashboard(signed_in: SignedIn, database: Database) -> None:
    assert signed_in("ada").get("/dashboard").status_code == 200
    found = _board(database, "ada")
    assert (found.paces, found.people, found.others, sum(count for _, count in found.days)) == ([], [], 0, 0)


def test_throughput_and_the_time_that_is_left(rows: Any, database: Database) -> None:
    batch = rows.batch(overlap=2)
    items = [rows.item(batch, rank=at) for at in range(10)]
    rows.item(batch, rank=99, gold=1)
    for at, item in enumerate(items[:7]):
        rows.review(item, "ada", 1, finished_at=NOW - timedelta(hours=at))
    rows.review(items[0], "ben", 1, finished_at=NOW - timedelta(days=30))
    rows.review(items[1], "ben", 1, imported=True)
    rows.review(items[9], "cyd", None, state=State.MARKING, lease_until=NOW + timedelta(minutes=5), finished_at=NOW)
    found = _board(database, "ada")
    (pace,) = found.paces
    assert (pace.items, pace.finished, pace.at_work, pace.left) == (10, 9, 1, 11)
    assert pace.days_left == pytest.approx(11)
    assert (len(found.days), sum(count for _, count in found.days)) == (DAYS, 7)
    rows.close(batch)
    assert _board(database, "ada").paces[0].left == 0


def test_agreement_is_of_first_marks_and_says_when_it_is_too_little(
    rows: Any, database: Database, signed_in: SignedIn
) -> None:
    client = signed_in("ada")
    batch = rows.batch()
    for at in range(4):
        item = rows.item(batch, rank=at)
        rows.review(item, "ada", 1)
        rows.review(item, "ben", 1 if at else -1)
    found = _board(database, "ada").agreement
    assert (found.exact.value, found.exact.items, found.has_error.items, found.has_error.enough) == (1, 3, 4, False)
    assert "n too small" in client.get("/dashboard").text


def test_a_reviewer_sees_the_others_only_as_a_median_and_only_of_enough(
    rows: Any, database: Database, signed_in: SignedIn
) -> None:
    client = signed_in("ada")
    names = ["ben-hidden", "cyd-hidden", "dan-hidden"]
    batch = rows.batch()
    for at, name in enumerate(["ada", *names]):
        rows.review(rows.item(batch, rank=at), name, 1, revealed_at=NOW if name == "ben-hidden" else None)
        if at == 2:
            assert [one.name for one in _board(database, "ada").people] == ["You"]
            assert "A median of others needs 3" in client.get("/dashboard").text
    found = _board(database, "ada")
    assert [one.name for one in found.people] == ["You", "Median of the others"]
    assert [len(one.cells) for one in found.people] == [len(COLUMNS)] * 2
    shown = client.get("/dashboard").text
    assert not any(name in shown or rows.pseudonym(name) in shown for name in names)
    judge = signed_in("judge", Role.ADJUDICATOR).get("/dashboard").text
    assert all(rows.pseudonym(name) in judge for name in names)
    assert "hidden-" not in judge
    assert not any(name in judge for name in names)


def test_gold_rewrites_doubts_and_suggestions(either_rows: Any, either: Database) -> None:
    rows, database = either_rows, either
    batch = rows.batch()
    gold = rows.item(batch, gold=1, rank=1)
    rows.review(gold, "ada", 1)
    rows.review(gold, "ben", 0)
    item = rows.item(batch, suggestion=1, verdict=1, state=ItemState.AGREED)
    name = rows.rewrite(item, "ada", 1, "zwei", [True, False])
    rows.rewrite(item, "ben", 1, "zwei anders", [False, False])
    with database.writing() as session:
        note(session, "ada", "marked", name, round=0, first_wrong=2)
        note(session, "ada", "marked", name, round=0, first_wrong=1)
        note(session, "ada", "marked", name, round=1, first_wrong=0)
    found = _board(database, "ada", Role.ADMIN)
    people = {one.name: dict(zip((name for name, _ in COLUMNS), one.cells, strict=True)) for one in found.people}
    ada, ben = people[rows.pseudonym("ada")], people[rows.pseudonym("ben")]
    assert (ada["gold, wrong ones"], ben["gold, wrong ones"], ada["gold F1"]) == ("100% of 1", "0% of 1", "–")
    assert (ada["rewrites arrive"], ben["rewrites arrive"]) == ("100% of 1", "0% of 1")
    assert found.effect == ((4, 8), (0, 8), (1, 4), 2)
    assert (found.doubts, found.suggested, found.moved) == ([("it is long", 2)], (1, 1), (1, 1))
    assert found.states == [("agreed", 1)]


def test_marks_are_in_the_traces_steps_and_turns_in_the_reviewers(either_rows: Any, either: Database) -> None:
    item = either_rows.item(either_rows.batch(), suggestion=1)
    cut = either_rows.review(item, "ada", 2, offsets=[0, 2, 5, 10])
    plain = either_rows.review(item, "ben", -1, offsets=None)
    unmarked = either_rows.review(item, "cyd", None, state=State.SKIPPED)
    with either.writing() as session:
        note(session, "ada", "marked", cut, round=0, first_wrong=0)
    with either.reading() as session:
        found = {one.assignment_id: (one.first_wrong, one.steps, one.characters) for one in marks.marks(session)}
        assert found == {cut: (1, 3, 13), plain: (-1, 3, 13), unmarked: (None, 3, 13)}
        assert {one.assignment_id: (one.read, one.doubts) for one in marks.turns(session)} == {
            cut: (3, ()),
            plain: (3, ()),
        }
        assert marks.first_marks(session) == {cut: 0}


def test_a_batch_has_a_dashboard_of_its_own(rows: Any, database: Database) -> None:
    one, other = rows.batch("one"), rows.batch("two")
    rows.review(rows.item(one), "ada", 1)
    rows.review(rows.item(other), "ada", 1)
    found = _board(database, "ada", batch=one)
    assert ([pace.name for pace in found.paces], found.people[0].cells[0]) == (["one"], "1")
    with database.reading() as session:
        assert len(session.scalars(select(Assignment)).all()) == 2
