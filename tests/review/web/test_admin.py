"""The admin pages over the real app."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select

from review import audit, users
from review.store.database import Database
from review.store.models import Assignment, Audit, Batch, Item, ItemState, Role, Round, State, Token, Trace, User
from review.web.app import create_app

SignedIn = Callable[..., TestClient]
PASSWORD = "correct horse battery"
NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
TEXT = "Two and two.\n\nThat is five.\n\nSo five."


@pytest.fixture
def admin(signed_in_either: SignedIn) -> TestClient:
    return signed_in_either("root", Role.ADMIN)


@pytest.fixture
def batch(either: Database) -> str:
    """A batch of two items: one settled on its second step, with a review of it, and one that nobody has seen."""
    with either.writing() as session:
        bob = users.add(session, "tests", "bob", None, Role.REVIEWER)
        session.add(Batch(id="b1", name="maths", settings={}, opened_at=NOW))
        session.flush()
        for number, (state, verdict) in enumerate([(ItemState.AGREED, 1), (ItemState.OPEN, None)]):
            item, trace = f"item-{number}", f"t{number}"
            asked = {"problem_id": "p", "domain": "math", "question": "2 + 2 = <b>?", "source": "demo"}
            session.add(
                Item(id=item, batch_id="b1", rank=number, trace_id=trace, state=state, verdict=verdict, **asked)
            )
            session.flush()
            cut = {"step_offsets": [0, 14, 30], "splitter": "blank/1", "text": TEXT, "status": "incorrect"}
            session.add(Trace(item_id=item, trace_id=trace, created_at=NOW, **cut))
        times = {"opened_at": NOW, "changed_at": NOW, "finished_at": NOW}
        session.add(Assignment(id="a1", item_id="item-0", user_id=bob.id, state=State.SUBMITTED, **times))
        session.flush()
        session.add(Round(assignment_id="a1", number=0, trace_id="t0", ratings=[1, -1], first_wrong=1, opened_at=NOW))
    return "b1"


def done(client: TestClient, path: str, **given: Any) -> dict[str, Any]:
    answer = client.post(f"/api/admin/{path}", json=given)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refused(client: TestClient, path: str, **given: Any) -> str:
    answer = client.post(f"/api/admin/{path}", json=given)
    assert answer.status_code == 400, answer.text
    return str(answer.json()["message"])


def signs_in(store: Database, name: str, password: str) -> int:
    client = TestClient(create_app(store), base_url="http://review.test", headers={"Origin": "http://review.test"})
    return client.post("/api/login", json={"name": name, "password": password}).status_code


def acts(store: Database) -> list[tuple[str, str, str]]:
    """Who did what to what, without signing in, the oldest first."""
    with store.reading() as session:
        assert audit.broken(session) is None
        rows = session.scalars(select(Audit).where(Audit.actor == "root", Audit.action != "signed in"))
        return [(row.actor, row.action, row.subject) for row in rows]


def test_a_user_is_added_with_a_password_that_is_shown_once(admin: TestClient, either: Database) -> None:
    password = done(admin, "users", name="Ada", role="adjudicator")["secret"]
    assert signs_in(either, "ada", password) == 200
    assert password not in admin.get("/admin").text
    assert done(admin, "users", name="eve", password=PASSWORD) == {"secret": None}
    assert signs_in(either, "eve", PASSWORD) == 200
    assert [act[1:] for act in acts(either)] == [("user added", "ada"), ("user added", "eve")]


def test_a_weak_password_is_refused(admin: TestClient) -> None:
    assert "10 to 200" in refused(admin, "users", name="ada", password="short")
    assert "not the user's name" in refused(admin, "users", name="ada.lovelace", password="Ada.Lovelace")


def test_roles_passwords_and_switches(admin: TestClient, either: Database) -> None:
    done(admin, "users", name="ada", password=PASSWORD)
    done(admin, "users/ada/role", role="adjudicator")
    new = done(admin, "users/ada/password")["secret"]
    assert (signs_in(either, "ada", PASSWORD), signs_in(either, "ada", new)) == (400, 200)
    done(admin, "users/ada/sign-out")
    done(admin, "users/ada/switch", on=False)
    assert signs_in(either, "ada", new) == 400
    done(admin, "users/ada/switch", on=True)
    assert signs_in(either, "ada", new) == 200
    told = [action for _, action, _ in acts(either)]
    assert told[1:] == ["role set", "password set", "signed out everywhere", "user switched off", "user switched on"]


def test_the_last_admin_cannot_put_themselves_out(admin: TestClient) -> None:
    assert "last admin" in refused(admin, "users/root/role", role="reviewer")
    assert "last admin" in refused(admin, "users/root/switch", on=False)
    assert admin.get("/admin").status_code == 200


def test_a_token_is_shown_once_and_ends_when_it_is_revoked(admin: TestClient, either: Database) -> None:
    value = done(admin, "tokens", user="root", name="nightly")["secret"]
    program = TestClient(
        create_app(either), base_url="http://review.test", headers={"Authorization": f"Bearer {value}"}
    )
    assert program.get("/admin").status_code == 200
    page = admin.get("/admin").text
    assert "nightly" in page
    assert value not in page
    with either.reading() as session:
        token = session.scalars(select(Token)).one()
    assert token.last_used_at is not None
    done(admin, f"tokens/{token.id}/revoke")
    assert program.get("/admin", follow_redirects=False).status_code == 303
    assert "still good" in refused(admin, f"tokens/{token.id}/revoke")
    assert [action for _, action, _ in acts(either)] == ["token made", "token revoked"]


def test_a_tokens_role_is_its_users_of_now(admin: TestClient, either: Database) -> None:
    done(admin, "users", name="ada", role="admin")
    value = done(admin, "tokens", user="ada", name="nightly")["secret"]
    program = TestClient(
        create_app(either), base_url="http://review.test", headers={"Authorization": f"Bearer {value}"}
    )
    assert program.get("/admin").status_code == 200
    done(admin, "users/ada/role", role="reviewer")
    assert program.get("/admin").status_code == 403


def test_batches_at_a_glance(admin: TestClient, batch: str) -> None:
    page = admin.get("/admin/batches").text
    assert f'href="/admin/batches/{batch}"' in page
    assert "1 of 2" in page


def test_a_batch_is_closed_and_reopened(admin: TestClient, either: Database, batch: str) -> None:
    done(admin, f"batches/{batch}/close", because="enough for now")
    assert "enough for now" in admin.get(f"/admin/batches/{batch}").text
    done(admin, f"batches/{batch}/reopen")
    assert "Close the batch" in admin.get(f"/admin/batches/{batch}").text
    assert [act[1:] for act in acts(either)] == [("batch closed", "maths"), ("batch reopened", "maths")]


def test_whoever_waits_for_a_batch_is_told_once_that_it_is_closed(
    admin: TestClient, either: Database, batch: str, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    def closed(one: Batch) -> None:
        with either.reading() as session:
            told.append(f"{one.name} {session.get_one(Batch, one.id).state}")
        raise ConnectionError("no server there")

    assert isinstance(admin.app, FastAPI)
    admin.app.state.closed = closed
    for _ in range(2):
        done(admin, f"batches/{batch}/close")
    assert told == ["maths closed"]
    assert "batch maths is closed, but nobody could be told" in caplog.text


def test_guidelines_are_changed_and_seen_as_reviewers_see_them(admin: TestClient, either: Database, batch: str) -> None:
    text = "# Be kind\n\n<script>alert(1)</script> and $x^2$"
    shown = done(admin, "preview", text=text)["html"]
    done(admin, f"batches/{batch}/guidelines", text=text)
    page = admin.get(f"/admin/batches/{batch}").text
    assert shown in page
    assert "<script>alert" not in page
    with either.reading() as session:
        assert session.get_one(Batch, batch).settings["review"]["guidelines"] == text
    assert acts(either) == [("root", "guidelines set", "maths")]


def test_gold_by_one_click_and_back(admin: TestClient, either: Database, batch: str) -> None:
    assert done(admin, "gold", item="item-0") == {"first_wrong": 1}
    page = admin.get(f"/admin/batches/{batch}").text
    assert "2 + 2 = &lt;b&gt;?" in page
    assert "item-0 is gold no longer" in page
    done(admin, "gold/remove", item="item-0")
    assert "is no gold" in refused(admin, "gold/remove", item="item-0")
    assert acts(either) == [("root", "gold set", "item-0"), ("root", "gold removed", "item-0")]


def test_gold_by_a_given_step(admin: TestClient, either: Database, batch: str) -> None:
    assert "nobody agreed" in refused(admin, "gold", item="item-1")
    assert "no such step; there are 3" in refused(admin, "gold", item="item-1", first_wrong=3)
    assert "none of this id" in refused(admin, "gold", item="item-9", first_wrong=0)
    assert done(admin, "gold", item="item-1", first_wrong=-1) == {"first_wrong": -1}
    with either.reading() as session:
        item = session.get_one(Item, "item-1")
    assert (item.gold, item.version) == (-1, 2)


def test_a_batchs_reviews_are_downloaded(admin: TestClient, either: Database, batch: str) -> None:
    answer = admin.get(f"/api/admin/batches/{batch}/export")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="maths.jsonl"'
    (line,) = [json.loads(line) for line in answer.text.splitlines()]
    with either.reading() as session:
        bob = session.scalars(select(User).where(User.name == "bob")).one()
    assert (line["item"], line["first_wrong"], line["reviewer"]) == ("item-0", 1, bob.pseudonym)
    assert acts(either) == [("root", "reviews downloaded", "maths")]


def test_a_prm800k_file_is_taken_in(admin: TestClient) -> None:
    label = {
        "labeler": "d8aa7923-b970-45e1-9734-e4a7f6c4a7db",
        "timestamp": "2022-07-17T16:56:51.323252",
        "question": {
            "problem": "What is 2 + 2?",
            "ground_truth_answer": "4",
            "pre_generated_steps": ["Two and two.", "# Answer\n\n5"],
            "pre_generated_answer": "5",
        },
        "label": {
            "steps": [
                {"completions": [{"text": "Two and two.", "rating": 1}], "chosen_completion": 0},
                {"completions": [{"text": "# Answer\n\n5", "rating": -1}], "chosen_completion": None},
            ],
            "finish_reason": "found_error",
        },
    }
    lines = f"{json.dumps(label)}\nnot JSON\n".encode()
    jsonl = {"Content-Type": "application/x-ndjson"}
    answer = admin.post("/api/admin/import?name=theirs", content=lines, headers=jsonl)
    assert answer.json()["message"].startswith("1 new items, 1 new reviews; 1 lines could not be used, such as line 2")
    again = admin.post("/api/admin/import?name=theirs", content=lines, headers=jsonl)
    assert again.json()["message"].startswith("0 new items, 0 new reviews")
    assert "theirs" in admin.get("/admin/batches").text
    assert admin.get("/admin/import").status_code == 200


def test_the_audit_is_shown_by_what_is_asked(admin: TestClient) -> None:
    done(admin, "users", name="ada")
    for name in ("eve", "mallory"):
        done(admin, "users", name=name)
    page = admin.get("/admin/audit?actor=root&subject=eve").text
    assert "The chain is whole" in page
    assert "mallory" not in page
    assert "user added" in page


def test_the_audit_says_where_the_chain_breaks(admin: TestClient, either: Database) -> None:
    with either.writing() as session:
        session.get_one(Audit, 1).actor = "somebody else"
    assert "breaks at row 1:" in admin.get("/admin/audit").text


def test_the_audit_goes_back_page_by_page(admin: TestClient, either: Database) -> None:
    with either.writing() as session:
        for number in range(120):
            audit.note(session, "a&b", "marked", f"thing-{number}")
    page = admin.get("/admin/audit?actor=a%26b").text
    assert "thing-119" in page
    assert "thing-19<" not in page
    link = page.partition('class="button" href="')[2].partition('"')[0].replace("&amp;", "&")
    older = admin.get(link).text
    assert "thing-19<" in older
    assert "thing-20<" not in older
