"""Working on traces over HTTP."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from review.store.database import Database
from review.store.models import Assignment, Batch, BatchState, Job, JobState, Role, Trace
from tasks.text.steps import SPLITTER, split_steps

SignedIn = Callable[..., TestClient]
Opened = Callable[..., str]
Json = dict[str, Any]
RIGHT = "She has 2 apples.\n\nShe buys 1 + 2 = 3 more.\n\nSo she has 5."
MARK: Json = {"first_wrong": 1, "ratings": [None, None, None]}


class Page:
    """A reviewer's page: it remembers the lease and the version it was shown last."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.shown: Json = {}

    def claim(self) -> bool:
        answer = self.client.post("/api/claim", json={})
        if answer.status_code == 200:
            self.shown = answer.json()
        return answer.status_code == 200

    @property
    def at(self) -> str:
        return f"/api/assignments/{self.shown['id']}"

    @property
    def held(self) -> Json:
        return {"token": self.shown["lease"]["token"], "version": self.shown["version"]}

    def post(self, action: str, expected: int = 200, **given: Any) -> Json:
        answer = self.client.post(f"{self.at}/{action}", json=self.held | given)
        assert answer.status_code == expected, answer.text
        told: Json = answer.json()
        if expected == 200:
            self.shown = told
        return told


@pytest.fixture
def page(database: Database, opened: Opened, signed_in: SignedIn) -> Page:
    opened(database, 2)
    made = Page(signed_in("ada"))
    assert made.claim()
    return made


def answered(store: Database, page: Page) -> str:
    """The model is said to have gone on; the trace's id."""
    job = page.shown["rounds"][-1]["job"]["id"]
    with store.writing() as session:
        made = Trace(
            item_id=page.shown["item_id"], trace_id="next", job_id=job, text=RIGHT, status="correct", answer="5"
        )
        made.parent_trace_id, made.fork_step = page.shown["rounds"][-1]["trace"]["trace_id"], 1
        made.step_offsets, made.splitter, made.created_at = split_steps(RIGHT), SPLITTER, datetime.now(UTC)
        session.add(made)
        session.get_one(Job, job).state = JobState.DONE
    return "next"


def test_a_trace_goes_from_a_claim_to_a_submitted_right_answer(database: Database, page: Page) -> None:
    assert page.shown["state"] == "leased"
    page.post("mark", **MARK)
    assert (page.shown["state"], page.shown["rounds"][0]["ratings"]) == ("rewriting", [1, -1, None])
    page.post("rewrite", after="She buys 1 + 2 = 3 more.")
    assert (page.shown["state"], page.shown["rounds"][0]["job"]["state"]) == ("generating", "queued")
    page.post("choose", trace_id=answered(database, page))
    assert (page.shown["state"], page.shown["rounds"][1]["ratings"]) == ("marking", [1, 1, None])
    page.post("mark", first_wrong=-1, ratings=[1, 1, 1])
    page.post("submit")
    assert (page.shown["state"], page.shown["version"], page.shown["can_undo"]) == ("submitted", 6, True)
    page.post("undo")
    assert page.shown["state"] == "marking"
    page.post("submit")
    assert page.claim()
    assert page.shown["item_id"] == "maths-001"
    page.post("skip")
    assert page.client.post("/api/claim", json={}).status_code == 204


def test_what_is_at_work_comes_back_and_can_be_looked_at(page: Page) -> None:
    again = page.client.post("/api/claim", json={"batch": "maths"}).json()
    assert (again["id"], again["lease"]["token"]) == (page.shown["id"], page.held["token"])
    assert page.client.get(page.at).json()["id"] == page.shown["id"]


def test_giving_up_a_bad_problem_revealing_and_retrying(page: Page) -> None:
    assert page.post("give-up", 400)["message"] == "say why: a reason is needed"
    page.post("give-up", reason="too long")
    page.post("undo")
    page.post("bad-problem", reason="no question")
    assert page.shown["state"] == "bad_problem"
    page.post("undo")
    page.post("reveal")
    assert page.shown["reference"] == "5"
    page.post("mark", **MARK)
    page.post("rewrite", after="She buys 3.")
    page.post("retry")
    assert page.shown["rounds"][0]["job"]["state"] == "queued"


def test_drafts_and_signs_of_life(page: Page) -> None:
    answer = page.client.put(f"{page.at}/draft", json=page.held | {"draft": {"after": "She"}})
    assert answer.json() == {"version": 2}
    beat = page.client.post(f"{page.at}/heartbeat", json={"token": page.held["token"], "seconds": 12.5})
    assert beat.json()["token"] == page.held["token"]
    assert datetime.fromisoformat(beat.json()["until"]) > datetime.now(UTC) + timedelta(minutes=14)
    now = page.client.get(page.at).json()
    assert (now["version"], now["state"], now["draft"]) == (2, "marking", {"after": "She"})


CHANGES: list[tuple[str, str, Json]] = [
    ("POST", "mark", MARK),
    ("POST", "rewrite", {"after": "x"}),
    ("POST", "choose", {"trace_id": "x"}),
    ("POST", "submit", {"despite": True}),
    ("POST", "skip", {}),
    ("POST", "give-up", {"reason": "x"}),
    ("POST", "bad-problem", {"reason": "x"}),
    ("POST", "undo", {}),
    ("POST", "reveal", {}),
    ("POST", "retry", {}),
    ("PUT", "draft", {"draft": {}}),
]


def test_every_change_for_a_stale_version_is_told_what_is_there_now(page: Page) -> None:
    old = page.held
    page.post("mark", **MARK)
    for method, action, given in CHANGES:
        answer = page.client.request(method, f"{page.at}/{action}", json=old | given)
        told = answer.json()
        assert (answer.status_code, told["error"]) == (409, "stale"), action
        assert "it is at version 2, what was sent is for version 1" in told["message"]
        assert told["current"] == page.shown


def test_a_lost_lease_is_a_409_until_it_is_taken_up_again(database: Database, page: Page) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    with database.writing() as session:
        session.execute(update(Assignment).values(lease_until=long_ago))
    told = page.post("mark", 409, **MARK)
    assert (told["error"], told["current"]["lease"]) == ("stale", None)
    beat = page.client.post(f"{page.at}/heartbeat", json={"token": page.held["token"], "seconds": 1})
    assert beat.status_code == 409
    assert page.claim()
    page.post("mark", **MARK)


def test_anothers_work_is_not_there_but_adjudicators_may_look_on(page: Page, signed_in: SignedIn) -> None:
    other, judge = signed_in("bob"), signed_in("judy", Role.ADJUDICATOR)
    assert other.get(page.at).status_code == 404
    assert other.post(f"{page.at}/mark", json=page.held | MARK).status_code == 404
    seen = judge.get(page.at)
    assert (seen.status_code, seen.json()["lease"]) == (200, None)
    assert page.held["token"] not in seen.text
    assert judge.post(f"{page.at}/mark", json=page.held | MARK).status_code == 404
    assert page.client.get("/api/assignments/nothing").status_code == 404


def test_a_closed_batch_takes_no_more(database: Database, page: Page) -> None:
    with database.writing() as session:
        session.get_one(Batch, "maths").state = BatchState.CLOSED
    assert page.post("mark", 400, **MARK)["message"] == "batch maths is closed: nothing in it can be changed"
    assert page.client.post("/api/claim", json={}).status_code == 204
    assert "none of this name is open" in page.client.post("/api/claim", json={"batch": "maths"}).json()["message"]


def test_refusals_change_nothing(database: Database, page: Page) -> None:
    assert page.post("mark", 400, first_wrong=9, ratings=[1, 1, 1])["error"] == "refused"
    assert page.post("mark", 422, first_wrong=-2, ratings=[])["error"] == "invalid"
    assert page.post("choose", 400, trace_id="x")["error"] == "refused"
    assert page.client.get(page.at).json()["version"] == 1
    with database.reading() as session:
        assert session.scalars(select(Job)).all() == []
