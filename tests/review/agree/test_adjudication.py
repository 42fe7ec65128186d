"""Adjudication: blind, one decision at a time, the last one counts until the batch is closed."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from review.adjudicating import Decision, ItemChangedError, case, decide, queue, waiting
from review.audit import broken
from review.store.database import Database
from review.store.models import Adjudication, Audit, Item, ItemState, Role, State, User
from schemas.errors import ReviewError

SignedIn = Callable[..., TestClient]


def _id(database: Database, name: str) -> int:
    with database.reading() as session:
        return session.scalars(select(User.id).where(User.name == name)).one()


def test_a_page_shows_what_was_said_and_nothing_of_who_said_it(rows: Any, signed_in: SignedIn) -> None:
    ada, ben = rows.user("ada-reviewer"), rows.user("ben-reviewer")
    item = rows.differing(rows.batch(), {"ada-reviewer": 1, "ben-reviewer": -1})
    client = signed_in("judge", Role.ADJUDICATOR)
    for path in ("/adjudication", f"/adjudication/{item}"):
        shown = client.get(path)
        assert shown.status_code == 200
        assert not any(one in shown.text for one in (ada, ben, "ada-reviewer", "ben-reviewer"))
    assert "step 2 is wrong" in shown.text
    assert "no step is wrong" in shown.text
    assert shown.text.count('type="radio" name="verdict" value="take:') == 2


def test_only_adjudicators_decide(rows: Any, signed_in: SignedIn) -> None:
    item = rows.differing(rows.batch(), {"ada": 1, "ben": -1})
    client = signed_in("cyd")
    assert client.get("/adjudication").status_code == 403
    assert client.get(f"/adjudication/{item}").status_code == 403
    answer = client.post(f"/api/items/{item}/adjudicate", json={"version": 1, "first_wrong": 0})
    assert answer.status_code == 403


def test_the_order_of_candidates_is_the_items_and_tells_not_who(rows: Any, database: Database) -> None:
    batch = rows.batch()
    items = [rows.differing(batch, {"ada": 0, "ben": 1}, rank=at) for at in range(12)]
    with database.reading() as session:
        first = [case(session, one, -1).candidates[0].first_wrong for one in items]
        again = [case(session, one, -1).candidates[0].first_wrong for one in items]
    assert first == again
    assert set(first) == {0, 1}


def test_a_decision_is_kept_audited_and_may_be_changed_until_the_batch_is_closed(
    rows: Any, database: Database, signed_in: SignedIn
) -> None:
    batch = rows.batch()
    item, other = rows.differing(batch, {"ada": 1, "ben": -1}), rows.differing(batch, {"ada": 0, "ben": 2}, rank=1)
    client = signed_in("judge", Role.ADJUDICATOR)
    judge = _id(database, "judge")
    with database.reading() as session:
        letters = {one.first_wrong: one.letter for one in case(session, item, judge).candidates}
    path = f"/api/items/{item}/adjudicate"
    answer = client.post(path, json={"version": 1, "take": letters[1], "note": " 2 + 2 is 4 "})
    assert (answer.status_code, answer.json()) == (200, {"version": 2, "next": f"/adjudication/{other}"})
    stale = client.post(path, json={"version": 1, "first_wrong": -1})
    assert (stale.status_code, stale.json()["error"]) == (409, "changed")
    assert client.post(path, json={"version": 2, "first_wrong": -1}).status_code == 200
    with database.reading() as session:
        found = session.get_one(Item, item)
        decided = session.scalars(select(Adjudication).order_by(Adjudication.id)).all()
        told = session.scalars(select(Audit).where(Audit.action == "adjudicated")).all()
        assert (found.state, found.verdict, found.version) == (ItemState.FINAL, -1, 3)
        assert [(one.first_wrong, one.note, one.assignment_id is None) for one in decided] == [
            (1, "2 + 2 is 4", False),
            (-1, "", True),
        ]
        assert [(one.actor, one.subject) for one in told] == [("judge", item)] * 2
        assert broken(session) is None
        assert (waiting(session), [one.item_id for one in queue(session, judge)]) == (1, [other, item])
    rows.close(batch)
    closed = client.post(path, json={"version": 3, "first_wrong": 0})
    assert (closed.status_code, "closed" in closed.json()["message"]) == (400, True)
    assert "is closed: its verdicts stand" in client.get(f"/adjudication/{item}").text


def test_nobody_decides_about_their_own_review(rows: Any, signed_in: SignedIn) -> None:
    client = signed_in("judge", Role.ADJUDICATOR)
    item = rows.differing(rows.batch(), {"judge": 1, "ben": -1})
    answer = client.post(f"/api/items/{item}/adjudicate", json={"version": 1, "first_wrong": 0})
    assert (answer.status_code, "you have reviewed this trace yourself" in answer.json()["message"]) == (400, True)
    assert "you have reviewed this one yourself" in client.get("/adjudication").text


@pytest.mark.parametrize(
    "given",
    [
        Decision(1, None, None, ""),
        Decision(1, "A", 1, ""),
        Decision(1, "Z", None, ""),
        Decision(1, None, 3, ""),
        Decision(1, None, -2, ""),
    ],
    ids=["nothing", "both", "no such reviewer", "beyond the last step", "below -1"],
)
def test_a_decision_names_one_mark_or_one_step(rows: Any, database: Database, given: Decision) -> None:
    item, judge = rows.differing(rows.batch(), {"ada": 1, "ben": -1}), rows.user("judge", Role.ADJUDICATOR)
    assert judge
    with pytest.raises(ReviewError), database.writing() as session:
        decide(session, _id(database, "judge"), item, given)


def test_what_gave_up_is_shown_but_cannot_be_taken_over(rows: Any, database: Database) -> None:
    item = rows.differing(rows.batch(), {"ada": 1})
    rows.review(item, "ben", None, state=State.GAVE_UP, reason="too long")
    rows.review(item, "cyd", 0, state=State.BAD_PROBLEM, reason="no question")
    rows.user("judge", Role.ADJUDICATOR)
    with database.reading() as session:
        found = {one.exit: one for one in case(session, item, -1).candidates}
    assert set(found) == {None, "gave up: too long", "says that the problem is bad: no question"}
    assert found["gave up: too long"].first_wrong is None
    with pytest.raises(ReviewError, match="no mark"), database.writing() as session:
        decide(session, _id(database, "judge"), item, Decision(1, found["gave up: too long"].letter, None, ""))


def test_an_own_cut_is_shown_in_the_traces_steps(rows: Any, database: Database) -> None:
    item = rows.item(rows.batch(), state=ItemState.ADJUDICATION)
    rows.review(item, "ada", 2, offsets=[0, 2, 5, 10], ratings=[1, 1, -1, None])
    with database.reading() as session:
        (found,) = case(session, item, -1).candidates
    assert (found.first_wrong, found.ratings) == (1, ())


def test_two_who_decide_at_once_do_not_both(rows: Any, database: Database) -> None:
    item = rows.differing(rows.batch(), {"ada": 1, "ben": -1})
    rows.user("judge", Role.ADJUDICATOR)
    judge = _id(database, "judge")
    with database.writing() as session:
        assert decide(session, judge, item, Decision(1, None, 0, "")) == 2
    with pytest.raises(ItemChangedError), database.writing() as session:
        decide(session, judge, item, Decision(1, None, 1, ""))
