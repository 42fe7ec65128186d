"""What a page hears of its job: all of it, once, as it comes."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from review.jobs import queue
from review.jobs.feed import Feed
from review.store.database import Database
from review.store.models import Assignment, Batch, Item, Job, JobKind, Role, Round, State, Trace, User
from review.web.app import create_app
from review.web.pages import events

Sign = Callable[..., TestClient]
NOW = datetime(2030, 1, 1, tzinfo=UTC)
TEXT = "1 + 2 = 4\nIt is 4."


@pytest.fixture
def job(database: Database) -> Job:
    """Asked for, and taken."""
    model = {"model": {"model": "m", "engine": "transformers"}, "going_on": {"k": 3}}
    with database.writing() as session:
        session.add(Batch(id="b", name="b", settings=model, opened_at=NOW))
        session.flush()
        about = {"problem_id": "p", "domain": "math", "question": "?", "reference": "3", "source": "s"}
        item = Item(id="i", batch_id="b", rank=0, trace_id="t", **about)
        session.add(item)
        session.flush()
        session.add(trace("t", 0, None))
        session.flush()
        edit = {"trace_id": "t", "step": 0, "after": "1 + 2 = 3", "offsets": None}
        queue.ask(session, item, JobKind.CONTINUE, edit)
        taken = queue.take(session, datetime.now(UTC), {"b"})
    assert taken is not None
    return taken


def trace(name: str, number: int, job_id: str | None, text: str = TEXT) -> Trace:
    parts: dict[str, Any] = {"step_offsets": [0, 10], "splitter": "steps/1", "status": "correct", "created_at": NOW}
    return Trace(item_id="i", trace_id=name, number=number, job_id=job_id, text=text, **parts)


def assigned(database: Database, user: str, job: Job | None, name: str = "a") -> str:
    with database.writing() as session:
        user_id = session.scalar(select(User.id).where(User.name == user))
        about: dict[str, Any] = {"item_id": "i", "user_id": user_id, "opened_at": NOW, "changed_at": NOW}
        session.add(Assignment(id=name, state=State.GENERATING, **about))
        session.flush()
        session.add(Round(assignment_id=name, number=0, trace_id="t", job_id=job and job.id, opened_at=NOW))
    return f"/api/assignments/{name}/events"


def comes(database: Database, job: Job, number: int, text: str = TEXT) -> None:
    with database.writing() as session:
        session.add(trace(f"c{number}", number, job.id, text))
        queue.progress(session, job, done=number + 1)


def ends(database: Database, job: Job, error: str | None = None) -> None:
    with database.writing() as session:
        assert queue.fail(session, job, error) if error else queue.finish(session, job, 3, {})


def heard(text: str) -> list[tuple[str, str, dict[str, Any]]]:
    """The name, the id and the data of each event."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if fields:
            found.append((fields["event"], fields["id"], json.loads(fields["data"])))
    return found


def test_all_that_came_and_the_end(database: Database, job: Job, signed_in: Sign) -> None:
    client = signed_in("ann")
    url = assigned(database, "ann", job)
    comes(database, job, 1, "1 + 2 = 3\n<script>alert(1)</script>")
    comes(database, job, 0)
    ends(database, job)
    reply = client.get(url)
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.headers["cache-control"] == "no-store"
    told = heard(reply.text)
    assert [(name, data.get("number", data.get("state"))) for name, _, data in told] == [
        ("trace", 0),
        ("trace", 1),
        ("job", "done"),
        ("done", "done"),
    ]
    assert [one["text"] for one in told[0][2]["steps"]] == ["1 + 2 = 4\n", "It is 4."]
    assert "<script" not in "".join(one["html"] for one in told[1][2]["steps"])
    again = client.get(url, headers={"Last-Event-ID": told[0][1]})
    assert next((name, data.get("number")) for name, _, data in heard(again.text)) == ("trace", 1)
    assert client.get(url, headers={"Last-Event-ID": told[-1][1]}).status_code == 204
    assert len(heard(client.get(url, headers={"Last-Event-ID": "other:0,1"}).text)) == 4


def test_a_job_that_fails_says_why(database: Database, job: Job, signed_in: Sign) -> None:
    client = signed_in("ann")
    url = assigned(database, "ann", job)
    ends(database, job, "no server")
    assert [(name, data["error"]) for name, _, data in heard(client.get(url).text)] == [
        ("job", "no server"),
        ("done", "no server"),
    ]


def test_whose_it_is(database: Database, job: Job, signed_in: Sign) -> None:
    ann, bob, eve = signed_in("ann"), signed_in("bob"), signed_in("eve", Role.ADJUDICATOR)
    url = assigned(database, "ann", job)
    ends(database, job)
    assert [one.get(url).status_code for one in (ann, bob, eve)] == [200, 404, 200]
    assert ann.get("/api/assignments/none/events").status_code == 404
    assert ann.get(assigned(database, "bob", None, "other")).status_code == 404
    assert bob.get("/api/assignments/other/events").status_code == 204
    assert TestClient(create_app(database)).get(url).status_code == 401


@pytest.fixture
def served(database: Database) -> Iterator[tuple[uvicorn.Server, str]]:
    """The app on a port, and its address."""
    server = uvicorn.Server(
        uvicorn.Config(create_app(database), port=0, log_level="error", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


async def listen(client: httpx.AsyncClient, url: str, said: list[str], most: int | None = None) -> None:
    async with client.stream("GET", url) as reply:
        assert reply.status_code == 200
        async for line in reply.aiter_lines():
            said.append(line)
            if len(said) == most:
                return


def test_hundreds_listen_and_the_rest_is_served(
    database: Database, job: Job, signed_in: Sign, served: tuple[uvicorn.Server, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each hears each continuation as it comes; other requests are answered meanwhile; who leaves is forgotten."""
    monkeypatch.setattr(events, "SIGN_S", 0.1)
    cookies = signed_in("ann").cookies
    url = served[1] + assigned(database, "ann", job)
    said: list[list[str]] = [[] for _ in range(200)]

    async def run() -> None:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(cookies=dict(cookies), timeout=60, limits=limits, trust_env=False) as client:
            gone = asyncio.create_task(listen(client, url, [], most=1))
            streams = [asyncio.create_task(listen(client, url, one)) for one in said]
            for number in range(3):
                while not all(sum("event: trace" in line for line in one) == number for one in said):
                    await asyncio.sleep(0.05)
                assert (await client.get(served[1] + "/login")).status_code == 200
                await asyncio.to_thread(comes, database, job, number)
            await gone
            while feed().watched[job.id] != len(said):
                await asyncio.sleep(0.05)
            await asyncio.to_thread(ends, database, job)
            await asyncio.gather(*streams)
            while feed().watched:
                await asyncio.sleep(0.05)

    def feed() -> Feed:
        [only] = served[0].config.loaded_app.app.state.feeds.values()
        assert isinstance(only, Feed)
        return only

    asyncio.run(run())
    for one in said:
        told = heard("\n".join(one))
        assert [data["number"] for name, _, data in told if name == "trace"] == [0, 1, 2]
        assert told[-1][0] == "done"


def test_another_servers_change_is_heard(database: Database, job: Job, signed_in: Sign) -> None:
    """Only the store is asked: a job that another server took up again goes on as it stands."""
    client = signed_in("ann")
    url = assigned(database, "ann", job)
    with database.writing() as session:
        session.execute(update(Job).values(attempts=2))
    later = threading.Timer(0.5, lambda: _finished_elsewhere(database, job.id))
    later.start()
    told = heard(client.get(url).text)
    later.join()
    assert [data.get("state") for name, _, data in told if name == "job"] == ["running", "done"]


def _finished_elsewhere(database: Database, name: str) -> None:
    with database.writing() as session:
        session.execute(update(Job).where(Job.id == name).values(state="done", done=3))
