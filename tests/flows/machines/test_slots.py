"""Slots: engines that name the same limit take turns, and a slot comes back whatever became of its holder."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from uuid import uuid4

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import slots
from flows.slots import LEASE_S, slot
from schemas.errors import EngineError
from tasks.places import DATA
from tasks.progress import watched_by

ENGINE = """
import json, sys, time
from flows.slots import slot
from tasks.engines.contract import Message, Request, Sampling
from tasks.engines.models import ModelConfig, Models
from tasks.progress import watched_by

class Notes:
    def __getattr__(self, name):
        return lambda *said: print(json.dumps(said), file=sys.stderr, flush=True) if name == "noted" else None

async def job(emit):
    emit(await models.complete("m", Request("r", (Message("user", "1 + 1"),), Sampling(max_tokens=8, seed=1))))

with watched_by(Notes()), Models({"m": ModelConfig(model=sys.argv[1], slot=sys.argv[2])}, slot) as models:
    list(models.stream([job]))
    began = time.time()
    print(json.dumps(began), flush=True)
    time.sleep(float(sys.argv[3]))
    print(json.dumps(time.time()), flush=True)
"""


class Notes:
    """Keeps what is noted."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def noted(self, message: str) -> None:
        self.notes.append(message)

    def started(self, stage: str, total: int | None) -> None: ...
    def advanced(self, stage: str, rows: int) -> None: ...
    def measured(self, stage: str, amounts: object) -> None: ...
    def finished(self, stage: str) -> None: ...


def engine(server: str, limit: str, seconds: float) -> subprocess.Popen[str]:
    """The bundled model in a process of its own, that keeps its engine for so long."""
    return subprocess.Popen(
        [sys.executable, "-c", ENGINE, str(DATA / "models/tiny-reasoner"), limit, str(seconds)],
        env=os.environ | {"PREFECT_API_URL": server},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def limited(slots: int) -> str:
    """A new limit of so many slots."""
    name = f"gpu-{uuid4().hex}"
    with get_client(sync_client=True) as client:
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=slots))
    return name


def taken(limit: str) -> int:
    with get_client(sync_client=True) as client:
        return client.read_global_concurrency_limit_by_name(limit).active_slots


class Killed:
    """The limit whose only holder was killed, and when."""

    def __init__(self, server: str) -> None:
        self.limit = limited(1)
        holder = engine(server, self.limit, 600)
        assert holder.stdout is not None
        assert holder.stdout.readline()
        self.held = taken(self.limit)
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
        self.when = time.monotonic()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server as `prefect server start` has it: the one of Prefect's test harness never looks for old leases."""
    home = tmp_path_factory.mktemp("prefect")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    environment = os.environ | {"PREFECT_HOME": str(home), "PREFECT_API_URL": url, "PREFECT_CLI_PROMPT": "false"}
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        for _ in range(600):
            with suppress(httpx.TransportError):
                if httpx.get(f"{url}/health").is_success:
                    break
            time.sleep(0.2)
        with temporary_settings({PREFECT_API_URL: url}):
            yield url
        running.terminate()


@pytest.fixture(scope="module", autouse=True)
def killed(server: str) -> Killed:
    """Before all other tests, for its slot takes a minute to come back."""
    return Killed(server)


@pytest.mark.timeout(400)
def test_engines_of_one_slot_take_turns(server: str) -> None:
    limit = limited(1)
    both = [engine(server, limit, 3) for _ in range(2)]
    said = [one.communicate(timeout=300) for one in both]
    lives = sorted(tuple(map(json.loads, out.split())) for out, _ in said)
    (_, first_ends), (second_begins, _) = lives
    assert first_ends < second_begins, said
    notes = [json.loads(line)[0] for _, errors in said for line in errors.splitlines() if line.startswith("[")]
    assert notes == [f"waits for a slot of {limit}: 1 of 1 taken"]
    assert taken(limit) == 0


def test_a_lease_is_renewed_while_nothing_turns_the_loop(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage that reads and writes between two batches leaves the engines' loop alone for as long as it takes."""
    monkeypatch.setattr(slots, "_RENEW_S", 0.2)
    limit, renewed = limited(1), list[object]()
    real = slots._Holding.renew

    def renew(held: slots._Holding) -> None:
        renewed.append(held.lease)
        real(held)

    monkeypatch.setattr(slots._Holding, "renew", renew)
    with asyncio.Runner() as runner:
        held = slot(limit)
        runner.run(held.__aenter__())
        while len(renewed) < 3:
            time.sleep(0.1)
        assert (taken(limit), len(set(renewed))) == (1, 1)
        runner.run(held.__aexit__(None, None, None))
    assert taken(limit) == 0


def test_a_lease_that_is_gone_is_taken_anew(server: str) -> None:
    """As after a server that was away for longer than the lease."""
    limit, notes = limited(1), Notes()

    held = slots._Holding(limit, None)
    assert held.take()
    first = held.lease
    assert first is not None
    with get_client(sync_client=True) as client:
        client.release_concurrency_slots_with_lease(first)
    with watched_by(notes):
        held.renew()
        held.renew()
    assert held.lease not in {None, first}
    assert taken(limit) == 1
    assert "lost while the server was away" in notes.notes[0]


def test_whoever_waits_can_be_stopped(server: str) -> None:
    limit = limited(1)

    async def waiting() -> None:
        async with slot(limit):
            other = asyncio.create_task(slot(limit).__aenter__())
            await asyncio.sleep(0.5)
            other.cancel()
            with pytest.raises(asyncio.CancelledError):
                await other

    asyncio.run(waiting())
    assert taken(limit) == 0


@pytest.mark.parametrize(("slots", "words"), [(None, "prefect gcl create"), (0, "prefect gcl update")])
def test_a_limit_that_cannot_be_is_named(server: str, slots: int | None, words: str) -> None:
    limit = "nowhere" if slots is None else limited(slots)

    async def hold() -> None:
        async with slot(limit):
            raise AssertionError

    with pytest.raises(EngineError, match=words):
        asyncio.run(hold())


def test_a_run_with_a_server_of_its_own_needs_no_slot() -> None:
    notes = Notes()

    async def hold() -> None:
        async with slot("gpu"):
            pass

    with temporary_settings(restore_defaults={PREFECT_API_URL}), watched_by(notes):
        asyncio.run(hold())
    assert len(notes.notes) == 1


@pytest.mark.timeout(400)
def test_the_slot_of_a_run_that_was_killed_comes_back(killed: Killed) -> None:
    assert killed.held == 1

    async def hold() -> float:
        async with slot(killed.limit):
            return time.monotonic()

    came = asyncio.run(asyncio.wait_for(hold(), timeout=3 * LEASE_S))
    assert came - killed.when < 3 * LEASE_S
