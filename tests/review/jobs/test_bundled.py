"""The bundled model goes on from rewritten steps of the bundled problems, served and streamed."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from review import users
from review.jobs import queue
from review.jobs.pace import Pace
from review.jobs.runner import Runner
from review.store.database import Database
from review.store.models import Assignment, Item, Job, JobKind, JobState, Role, Round, State, Trace
from review.views import effect_view
from review.web.app import create_app

DATA = Path(__file__).parents[3] / "data"
PASSWORD = "correct horse battery"
K = 4


@pytest.fixture
def item(database: Database, shelf: Any) -> str:
    """The first problem's solution, with a wrong sum in its first line and all that comes of it."""
    problem = json.loads((DATA / "samples/demo-problems.jsonl").read_text(encoding="utf-8").split("\n", 1)[0])
    text = problem["solution"].replace("59", "58").replace("86", "85")
    sampling = {"temperature": 0.3, "max_tokens": 200}
    shelf.batch(
        database,
        model={"model": str(DATA / "models/tiny-reasoner"), "engine": {"transformers": {"threads": 1}}},
        going_on={"k": K, "sampling": sampling},
    )
    about = {"question": problem["question"], "reference": problem["answer"]}
    name: str = shelf.item(database, "b", 0, text, **about)
    return name


def test_a_rewrite_its_stream_its_effect_and_a_suggestion(database: Database, shelf: Any, item: str) -> None:
    now = datetime.now(UTC)
    with database.writing() as session:
        row = session.get_one(Item, item)
        root = session.get_one(Trace, (item, item))
        after = root.text[: root.step_offsets[1]].replace("58", "59").strip()
        edit = {"trace_id": item, "step": 0, "after": after, "offsets": None}
        asked = queue.ask(session, row, JobKind.CONTINUE, edit).id
        counted = queue.ask(session, row, JobKind.EFFECT, edit).id
        suggested = queue.ensure_suggestion(session, row)
        user = users.add(session, "tests", "ann", PASSWORD, Role.REVIEWER)
        session.add(
            Assignment(id="a", item_id=item, user_id=user.id, state=State.GENERATING, opened_at=now, changed_at=now)
        )
        session.flush()
        told = Round(assignment_id="a", number=0, trace_id=item, job_id=asked, effect_id=counted, opened_at=now)
        session.add(told)
    assert suggested is not None
    app = create_app(database, Runner(database, Pace(poll_s=0.05)))
    with TestClient(app, base_url="http://review.test", headers={"Origin": "http://review.test"}) as client:
        client.post("/api/login", json={"name": "ann", "password": PASSWORD})
        stream = client.get("/api/assignments/a/events").text
        jobs = shelf.over(database, asked, counted, suggested.id)
    assert [(job.state, job.error) for job in jobs] == [(JobState.DONE, None)] * 3
    with database.reading() as session:
        made = session.scalars(select(Trace).where(Trace.job_id == asked).order_by(Trace.number)).all()
        found = session.get_one(Item, item)
        did = effect_view(session.get_one(Job, told.job_id), session.get_one(Job, told.effect_id), made)
    assert stream.count("event: trace") == len(made) == K
    assert all(one.text.startswith(after + "\n") for one in made)
    assert {one.sampled["engine"] for one in made} == {"transformers"}
    assert {one.sampled["model"] for one in made} == {"tiny-reasoner"}
    assert did.after is not None
    assert did.after.right >= 3
    assert did.wrong is not None
    assert did.wrong.right <= 1
    assert (found.suggestion, found.suggested_by) == (0, f"rollouts: 0 of {K} continuations of it reach the answer")
