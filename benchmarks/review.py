"""200 reviewers at one server: how long pages and claims take, whether anything is handed out twice or lost.

The server is `tracemill review serve` in a process of its own; the reviewers are requests over HTTP, each with a pause
of `--think` seconds on average between two (0: as fast as the server answers). A second run kills the server with
SIGKILL in the middle and starts it again; what it had acknowledged has to be there. Traces are GSM8K's.
"""

import argparse
import asyncio
import itertools
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import numpy as np
from sqlalchemy import func, select

from benchmarks.gsm8k import imported
from benchmarks.results import arguments, publish, write
from review import users
from review.batches import NewBatch, NewItem, open_batch
from review.config import BatchSettings, ReviewConfig
from review.signins import sign_in
from review.store.database import Database
from review.store.models import AT_WORK, FINISHED, Assignment, Login, Role
from review.web.access import COOKIE

BATCH: Final = "benchmark"
PORT: Final = 8571


@dataclass
class Seen:
    """What the reviewers saw."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Of each kind of request."""
    finished: dict[str, str] = field(default_factory=dict)
    """By assignment, the state that the server acknowledged."""
    drafts: dict[str, str] = field(default_factory=dict)
    failed: int = 0
    """Requests that got no answer, or one that says the server broke."""


class Reviewer:
    """One simulated reviewer."""

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str], think: float, seen: Seen, seed: int) -> None:
        self._client, self._headers, self._think, self._seen = client, headers, think, seen
        self._rng = random.Random(seed)
        self._keep: dict[str, Any] = {}

    async def work(self) -> None:
        """Review until nothing is left."""
        while (claimed := await self._ask("claim", "POST", "/api/claim", {})) is not None:
            self._keep = {"token": claimed["lease"]["token"], "version": claimed["version"]}
            await self._review(claimed)

    async def _review(self, claimed: dict[str, Any]) -> None:
        name, path = claimed["id"], f"/api/assignments/{claimed['id']}"
        await self._ask("page", "GET", f"/review/{name}")
        text = f"draft {self._rng.random()}"
        drafted = await self._ask("draft", "PUT", f"{path}/draft", self._keep | {"draft": {"after": text}})
        self._seen.drafts[name] = text
        steps = len(claimed["rounds"][0]["trace"]["steps"])
        wrong = self._rng.randrange(-1, steps)
        ratings = [1] * steps if wrong < 0 else [1] * wrong + [-1] + [None] * (steps - wrong - 1)
        mark = {"token": self._keep["token"], "version": drafted["version"], "first_wrong": wrong, "ratings": ratings}
        marked = await self._ask("mark", "POST", f"{path}/mark", mark)
        held = {"token": self._keep["token"], "version": marked["version"]}
        ending = ("submit", {"despite": True}) if wrong < 0 else ("give-up", {"reason": "only marked"})
        ended = await self._ask("finish", "POST", f"{path}/{ending[0]}", held | ending[1])
        self._seen.finished[name] = ended["state"]

    async def _ask(self, kind: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The answer; None for an empty one. A request that the server's death cut off is sent again."""
        while True:
            await asyncio.sleep(self._rng.uniform(0, 2 * self._think))
            began = time.perf_counter()
            try:
                answer = await self._client.request(method, path, json=body, headers=self._headers)
            except httpx.TransportError:
                self._seen.failed += 1
                await asyncio.sleep(0.5)
                continue
            self._seen.seconds[kind].append(time.perf_counter() - began)
            if answer.status_code == 409:  # it was done, but its answer was cut off
                return answer.json()["current"]
            if answer.status_code >= 500:
                self._seen.failed += 1
                continue
            answer.raise_for_status()
            return answer.json() if answer.content and "json" in answer.headers["Content-Type"] else None


@asynccontextmanager
async def serving(url: str) -> AsyncIterator[list["subprocess.Popen[bytes]"]]:
    """The server's process, in a list: whoever kills it puts the next one there."""
    running = [await started(url)]
    try:
        yield running
    finally:
        running[-1].terminate()
        running[-1].wait(30)


async def started(url: str) -> "subprocess.Popen[bytes]":
    """A server that answers."""
    command = [sys.executable, "-m", "flows.cli", "review", "serve", "--db", url, "--port", str(PORT)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    async with httpx.AsyncClient() as client:
        for _ in range(600):
            try:
                await client.get(f"http://127.0.0.1:{PORT}/login")
            except httpx.TransportError:
                await asyncio.sleep(0.1)
            else:
                return process
    raise TimeoutError("the server does not answer")


def filled(database: Database, items: int, overlap: int) -> None:
    """A batch of so many traces."""
    found = imported(items)
    problems = {row["problem_id"]: row for row in found.problems.to_pylist()}
    rows = [
        NewItem(problems[row["problem_id"]], row, rank)
        for rank, row in enumerate(found.traces.slice(0, items).to_pylist())
    ]
    settings = BatchSettings(review=ReviewConfig(overlap=overlap))
    with database.writing() as session:
        open_batch(session, "benchmark", NewBatch(BATCH, settings, rows))


def people(database: Database, count: int) -> list[dict[str, str]]:
    """The headers of so many reviewers who are signed in."""
    with database.writing() as session:
        made = [users.add(session, "benchmark", f"reviewer{n}", None, Role.REVIEWER) for n in range(count)]
        cookies = {user.id: sign_in(session, user) for user in made}
        session.flush()
        keys = dict(session.execute(select(Login.user_id, Login.csrf)).tuples().all())
    origin = f"http://127.0.0.1:{PORT}"
    return [
        {"Cookie": f"{COOKIE}={cookie}", "X-CSRF-Token": keys[user], "Origin": origin}
        for user, cookie in cookies.items()
    ]


async def reviewed(
    url: str, headers: list[dict[str, str]], think: float, kill_after: float | None
) -> tuple[Seen, float]:
    """Let everyone work until nothing is left; how long that took, in seconds."""
    seen = Seen()
    limits = httpx.Limits(max_connections=len(headers))
    async with (
        serving(url) as running,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{PORT}", limits=limits, timeout=120) as client,
    ):
        began = time.perf_counter()
        work = asyncio.gather(*(Reviewer(client, one, think, seen, seed).work() for seed, one in enumerate(headers)))
        if kill_after is not None:
            await asyncio.sleep(kill_after)
            running[-1].send_signal(signal.SIGKILL)
            running[-1].wait()
            running.append(await started(url))
        await work
        return seen, time.perf_counter() - began


def lost(database: Database, seen: Seen) -> int:
    """Acknowledged drafts and endings that the store does not have."""
    with database.reading() as session:
        states = dict(session.execute(select(Assignment.id, Assignment.state)).tuples().all())
        drafts = dict(session.execute(select(Assignment.id, Assignment.draft)).tuples().all())
    ended = len([name for name, state in seen.finished.items() if states.get(name) != state])
    open_ = (name for name in seen.drafts if name not in seen.finished)
    return ended + len([name for name in open_ if (drafts.get(name) or {}).get("after") != seen.drafts[name]])


def handed_out_twice(database: Database, overlap: int) -> int:
    """Assignments beyond the overlap."""
    with database.reading() as session:
        counted = select(func.count()).where(Assignment.state.in_([*AT_WORK, *FINISHED])).group_by(Assignment.item_id)
        return sum(max(0, int(count) - overlap) for count in session.scalars(counted))


def measured(options: argparse.Namespace, url: str, kill_after: float | None) -> dict[str, float]:
    """One run on an empty store."""
    database = Database(url)
    database.migrate()
    filled(database, options.items, options.overlap)
    headers = people(database, options.reviewers)
    seen, seconds = asyncio.run(reviewed(url, headers, options.think, kill_after))
    asked = sum(map(len, seen.seconds.values()))
    made = {f"p95_{kind}_ms": float(np.percentile(times, 95)) * 1000 for kind, times in seen.seconds.items()}
    made |= {f"p50_{kind}_ms": float(np.median(times)) * 1000 for kind, times in seen.seconds.items()}
    made |= {"requests": asked, "requests_per_s": asked / seconds, "failed": seen.failed, "reviews": len(seen.finished)}
    made |= {"handed_out_twice": handed_out_twice(database, options.overlap), "lost": lost(database, seen)}
    made["missing"] = options.items * options.overlap - len(seen.finished)
    database.close()
    return made


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--reviewers", type=int, default=200)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--overlap", type=int, default=2)
    parser.add_argument("--think", type=float, default=2.0, help="seconds between a reviewer's requests, on average")
    parser.add_argument("--kill", type=float, default=10.0, help="seconds after which the second run kills it")
    parser.add_argument("--database", help="the URL of an empty store; SQLite unless given, and no second run if so")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        urls = (
            itertools.repeat(options.database)
            if options.database
            else iter([f"sqlite:///{folder}/{name}.db" for name in ("quiet", "killed")])
        )
        metrics = measured(options, next(urls), None)
        if not options.database:
            killed = measured(options, next(urls), options.kill)
            metrics |= {
                f"{name}_after_kill": killed[name] for name in ("lost", "handed_out_twice", "missing", "failed")
            }
    rows = [[name, f"{value:,.1f}"] for name, value in metrics.items()]
    publish(
        f"{options.reviewers} reviewers, {options.items:,} traces, overlap {options.overlap}",
        ["what", ""],
        rows,
        metrics,
    )
    write(options.json, metrics)


if __name__ == "__main__":
    main()
