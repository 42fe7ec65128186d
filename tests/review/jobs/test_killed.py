"""`kill -9` of a server in the middle of a job: another finishes it, and nothing is asked twice or lost."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import func, select

from review.jobs import queue
from review.store.database import Database
from review.store.models import Item, JobKind, JobState, Trace
from tasks.rewrite.continuing import ids

K = 6
SERVER = """
import sys, time
from datetime import timedelta
from review.jobs.pace import Pace
from review.jobs.runner import Runner
from review.store.database import Database
with Runner(Database(sys.argv[1]), Pace(poll_s=0.05, lease=timedelta(seconds=3))):
    time.sleep(600)
"""


class Model(ThreadingHTTPServer):
    """An OpenAI server that answers `free` requests, and lets the others wait until it is freed."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Reply)
        self.asked: Counter[int] = Counter()
        self.answered: Counter[int] = Counter()
        self.prefixes: set[str] = set()
        self.free = threading.Semaphore(2)


class Reply(BaseHTTPRequestHandler):
    server: Model

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        return

    def do_GET(self) -> None:
        self._say({"data": [{"id": "m", "max_model_len": 4096}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked[body["seed"]] += 1
        self.server.prefixes.add(body["messages"][-1]["content"])
        self.server.free.acquire()
        self.server.answered[body["seed"]] += 1
        message = {"role": "assistant", "content": f"It is \\boxed{{6}}. {body['seed']}"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self._say({"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 4}})

    def _say(self, told: dict[str, Any]) -> None:
        said = json.dumps(told).encode()
        try:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)
        except OSError:
            return  # whoever asked was killed


@pytest.fixture
def model() -> Iterator[Model]:
    server = Model()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.free.release(100)
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def servers(store: Database) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The servers of the store that a test starts."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for one in started:
        one.kill()
        one.wait()


def start(store: Database, servers: list[subprocess.Popen[bytes]]) -> None:
    url = store.engine.url.render_as_string(hide_password=False)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    servers.append(subprocess.Popen([sys.executable, "-c", SERVER, url], env=environment))


def stored(store: Database) -> int:
    with store.reading() as session:
        return session.scalar(select(func.count()).where(Trace.job_id.is_not(None))) or 0


def test_killed_in_the_middle(
    store: Database, shelf: Any, model: Model, servers: list[subprocess.Popen[bytes]]
) -> None:
    engine = {"openai": {"base_url": f"http://127.0.0.1:{model.server_port}/v1"}}
    shelf.batch(store, model={"model": "m", "engine": engine}, going_on={"k": K})
    shelf.item(store, "b")
    edit = {"trace_id": "b-0", "step": 0, "after": "1 + 2 = 3", "offsets": None}
    with store.writing() as session:
        name = queue.ask(session, session.get_one(Item, "b-0"), JobKind.CONTINUE, edit).id
    start(store, servers)
    while stored(store) < 2 or sum(model.asked.values()) < K:
        time.sleep(0.05)
    servers[0].send_signal(signal.SIGKILL)
    servers[0].wait()
    told = shelf.job(store, name)
    assert (told.state, told.done) == (JobState.RUNNING, 2)
    answered = set(model.answered)
    model.free.release(100)
    start(store, servers)
    [job] = shelf.over(store, name)
    assert (job.state, job.attempts, job.done, stored(store)) == (JobState.DONE, 2, K, K)
    seeds = {int(one[:7], 16) for one in ids(("b-0", 0, "1 + 2 = 3"), K)}
    assert set(model.asked) == seeds
    assert {model.asked[seed] for seed in answered} == {1}
    assert {model.asked[seed] for seed in seeds - answered} == {2}
    assert model.prefixes == {"1 + 2 = 3\n"}
