"""History: a reviewer sees their own, others see all by pseudonym, nobody sees a name or breaks the blind."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from review.history import PAGE, Asking, Filters, Node, listed, told
from review.store.database import Database
from review.store.models import ItemState, Role, State, User
from schemas.errors import ReviewError

SignedIn = Callable[..., TestClient]


def _asking(database: Database, name: str, role: Role = Role.REVIEWER) -> Asking:
    with database.reading() as session:
        return Asking(session.scalars(select(User.id).where(User.name == name)).one(), role)


def _nodes(node: Node) -> list[Node]:
    return [node, *(one for child in node.children for one in _nodes(child))]


def test_a_reviewer_lists_only_their_own_and_a_filter_by_reviewer_does_not_help(rows: Any, signed_in: SignedIn) -> None:
    ben = rows.user("ben-the-other")
    client = signed_in("ada")
    batch = rows.batch()
    mine, theirs = rows.item(batch, question="My question?"), rows.item(batch, question="Their question?")
    rows.review(mine, "ada", 1)
    rows.review(theirs, "ben-the-other", 1)
    for query in ("", f"?reviewer={ben}", "?state=submitted", f"?batch={batch}"):
        shown = client.get(f"/history{query}").text
        assert ("My question?" in shown, "Their question?" in shown, ben in shown) == (True, False, False)
    assert client.get(f"/history/{mine}").status_code == 200
    assert client.get(f"/history/{theirs}").status_code == 400
    assert client.get("/history/nothing").status_code == 400


def test_adjudicators_see_all_by_pseudonym_and_never_a_name(rows: Any, signed_in: SignedIn) -> None:
    ada, ben = rows.user("ada-lovelace"), rows.user("ben-lovelace")
    item = rows.item(rows.batch())
    rows.rewrite(item, "ada-lovelace", 1, "zwei", [True, False])
    rows.review(item, "ben-lovelace", -1)
    client = signed_in("judge", Role.ADJUDICATOR)
    for path in ("/history", f"/history/{item}"):
        shown = client.get(path).text
        assert (ada in shown, ben in shown, "lovelace" in shown) == (True, True, False)
    only_ada = client.get(f"/history?reviewer={ada}").text
    assert (ada in only_ada, ben in only_ada) == (True, False)
    assert client.get(f"/history/{item}").text.count("submitted") >= 2


def test_the_tree_goes_from_the_trace_by_rewrites_to_continuations(rows: Any, database: Database) -> None:
    item = rows.item(rows.batch())
    rows.rewrite(item, "ada", 1, "zwei", [True, False])
    with database.reading() as session:
        found = told(session, _asking(database, "ada"), item)
    assert found.tree.steps == ["one\n", "two\n", "three"]
    (said,) = found.tree.said
    assert (said.first_wrong, said.before, said.wrong, said.after) == (1, (2, 4), (0, 4), (1, 2))
    assert (said.rewrite, said.doubts, said.seconds) == ([("gone", "two"), ("new", "zwei")], ["it is long"], 40)
    assert [(one.fork_step, one.number, one.status) for one in found.tree.children] == [
        (1, 0, "correct"),
        (1, 1, "incorrect"),
    ]
    old = "".join(text for kind, text in found.tree.children[0].changes if kind != "new")
    new = "".join(text for kind, text in found.tree.children[0].changes if kind != "gone")
    assert (old, new) == ("two\nthree", "zwei\nso 0")


def test_a_reviewer_sees_neither_others_marks_nor_what_came_of_them(rows: Any, database: Database) -> None:
    item = rows.item(rows.batch(), verdict=1, state=ItemState.AGREED)
    rows.rewrite(item, "ada", 1, "zwei", [True])
    rows.rewrite(item, "ben", 2, "drei", [True])
    with database.reading() as session:
        found = told(session, _asking(database, "ada"), item)
        whole = told(session, _asking(database, "ada", Role.ADMIN), item)
    assert len(_nodes(found.tree)) == 2
    assert all(said.own for node in _nodes(found.tree) for said in node.said)
    assert (found.verdict, found.audit) == (None, [])
    assert (len(_nodes(whole.tree)), whole.verdict, len(whole.tree.said)) == (3, 1, 2)
    assert [one.action for one in whole.audit] == ["submitted", "submitted"]
    rows.close("id-b")
    with database.reading() as session:
        assert told(session, _asking(database, "ada"), item).verdict == 1


def test_an_adjudicator_does_not_learn_who_said_what_before_deciding(
    rows: Any, database: Database, signed_in: SignedIn
) -> None:
    ada = rows.user("ada")
    item = rows.differing(rows.batch(), {"ada": 1, "ben": -1})
    client = signed_in("judge", Role.ADJUDICATOR)
    shown = client.get(f"/history/{item}").text
    assert (ada in shown, "step 2 is wrong" in shown, "waits for adjudication" in shown) == (False, False, True)
    with database.reading() as session:
        assert len(told(session, _asking(database, "judge", Role.ADMIN), item).tree.said) == 2


def test_pages_are_the_newest_first_and_lose_nothing(rows: Any, database: Database) -> None:
    batch, now = rows.batch(), datetime.now(UTC)
    wanted = []
    for at in range(PAGE + 3):
        item = rows.item(batch, rank=at)
        state = State.SKIPPED if at % 2 else State.SUBMITTED
        wanted.append(rows.review(item, "ada", None, state=state, finished_at=now - timedelta(minutes=at)))
    with database.reading() as session:
        asking = _asking(database, "ada")
        first, second = (listed(session, asking, Filters(page=page)) for page in (1, 2))
        skipped = listed(session, asking, Filters(state="skipped"))
        nothing = listed(session, asking, Filters(batch="another"))
    assert [one.assignment_id for one in first.lines + second.lines] == wanted
    assert (first.more, second.more, len(skipped.lines), nothing.lines) == (True, False, (PAGE + 3) // 2, [])


def test_hostile_text_is_inert_and_shown(rows: Any, signed_in: SignedIn) -> None:
    client = signed_in("ada")
    item = rows.item(rows.batch(), ["<script>alert(1)</script>\n", "<img src=x>\n", "three"], question="<b>Q</b>")
    rows.rewrite(item, "ada", 1, "<svg onload=alert(2)>\u202e", [True])
    shown = client.get(f"/history/{item}").text
    assert not any(one in shown for one in ("<script>alert", "<img", "<svg onload", "<b>Q", "\u202e"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "[U+202E]" in shown


def test_an_assignment_in_work_is_no_history(rows: Any, database: Database) -> None:
    item = rows.item(rows.batch())
    rows.review(item, "ada", 1, state=State.MARKING)
    with database.reading() as session, pytest.raises(ReviewError):
        told(session, _asking(database, "ada"), item)
