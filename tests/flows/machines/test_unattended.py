"""A server that runs unattended, on PostgreSQL: schedules, `kill -9` of anything in the middle of a run, alarms."""

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import FlowRun, State
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Cancelled, Completed, Scheduled

from flows.alarms import BLOCK
from flows.recipes import OWN
from flows.refresh import refresh
from flows.server.folder import SERVER, SUPERVISOR, VARIABLE, WORKER, Folder
from schemas.refs import ReleaseManifest

ROOT = Path(__file__).parents[3]
DEADLINE_S = 240.0
Reply = Callable[[dict[str, Any]], Any]

pytestmark = [pytest.mark.xdist_group("unattended"), pytest.mark.timeout(900)]

RECIPE = """
name: given
models: {m: {model: m, engine: {openai: {base_url: "%s", concurrency: 2}}}}
ingest:
  source: {format: jsonl, path: "%s"}
  problem: {question: question, reference: answer}
  completions: [{text: solution, source: gold, on_policy: false}]
generate:
  samplers: {m: {model: m, on_policy: true, n: 4, sampling: {max_tokens: 200}}}
export: {license: apache-2.0, formats: {sft: {}}}
"""
WANING = """
name: waning
models: {m: {model: m, engine: {openai: {base_url: "%s"}}}}
ingest:
  source: {format: jsonl, path: "%s"}
  problem: {question: question, reference: answer}
generate:
  samplers: {m: {model: m, on_policy: true, n: 1, sampling: {max_tokens: 200}}}
export: {formats: {sft: {}}}
"""


def until(true: Callable[[], bool], what: str, every_s: float = 0.2) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(every_s)


def slow(request: dict[str, Any]) -> dict[str, Any]:
    """The same reply to the same question, after a while."""
    time.sleep(0.3)
    text = f"{request['messages'][-1]['content'][:20]}\n\nThe answer is {request.get('seed', 0)}."
    message = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
    return {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [message], "usage": usage}


class Waning:
    """A model that knows every answer, until it knows none."""

    def __init__(self) -> None:
        lines = (ROOT / "data/samples/demo-problems.jsonl").read_text().splitlines()
        self._known = {str(one["question"]): str(one["answer"]) for one in map(json.loads, lines)}
        self.knows = True

    def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        asked = str(request["messages"][-1]["content"])
        question = next(one for one in self._known if one in asked)
        answer = self._known[question] if self.knows else "-1"
        message = {"role": "assistant", "content": f"{question}\n\nThe answer is {answer}."}
        usage = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}


class Postgres(NamedTuple):
    """A PostgreSQL that may be killed."""

    folder: Path
    port: int

    def run(self, program: str, *arguments: str) -> None:
        found = [*sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}")), *filter(None, [shutil.which(program)])]
        assert found, "PostgreSQL is missing: tests/system-packages.sh installs it"
        as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        subprocess.run([*as_postgres, str(found[-1]), *arguments], check=True, capture_output=True, cwd=self.folder)

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -k {self.folder} -c max_connections=200"
        self.run("pg_ctl", "-D", f"{self.folder}/data", "-l", f"{self.folder}/log", "-w", "-o", options, "start")

    def kill(self) -> None:
        pid = int((self.folder / "data/postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=20)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    folder = Path("/tmp") / f"tracemill-pg-{os.getpid()}"  # the user `postgres` may not read pytest's folders
    folder.mkdir()
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    made = Postgres(folder, free_port())
    made.run("initdb", "-D", f"{folder}/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
    made.start()
    made.run("createdb", "-h", "127.0.0.1", "-p", str(made.port), "-U", "postgres", "prefect")
    yield made
    made.run("pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop")
    shutil.rmtree(folder)


class Unattended(NamedTuple):
    """A server that was started by the command line."""

    folder: Folder
    lakes: Path

    def parameters(self, lake: str) -> dict[str, object]:
        return {"recipe": "given", "lake": str(self.lakes / lake), "overrides": []}

    def schedule(self, client: SyncPrefectClient, lake: str) -> None:
        """A run each minute; the lake's name tells it from other runs."""
        schedule = {"schedule": {"cron": "* * * * *"}, "active": True, "parameters": self.parameters(lake)}
        deployment = client.read_deployment_by_name("refresh/refresh")
        client.request("POST", "/deployments/{id}/schedules", path_params={"id": deployment.id}, json=[schedule])

    def unschedule(self, client: SyncPrefectClient) -> None:
        deployment = client.read_deployment_by_name("refresh/refresh")
        for one in client.read_deployment_schedules(deployment.id):
            if "cron" in one.schedule.model_dump() and one.slug is None:
                client.delete_deployment_schedule(deployment.id, one.id)
        for run in client.read_flow_runs(limit=200):
            if run.deployment_id == deployment.id and run.state and run.state.is_scheduled():
                client.delete_flow_run(run.id)

    def start(self, client: SyncPrefectClient, deployment: str, parameters: dict[str, object]) -> FlowRun:
        found = client.read_deployment_by_name(deployment)
        return client.create_flow_run_from_deployment(found.id, parameters=parameters)

    def release(self, lake: str) -> dict[str, str]:
        """Every data file of the release, with its digest."""
        place = self.lakes / lake / "releases/given/v1"
        manifest = ReleaseManifest.model_validate_json((place / "manifest.json").read_bytes())
        files = {path.relative_to(place): path for path in sorted(place.rglob("*.parquet"))}
        named = {f"{folder}/{part.name}" for folder, parts in manifest.formats.items() for part in parts}
        assert named <= {str(path) for path in files}
        return {str(name): hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}


def tracemill(state: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {VARIABLE: str(state), "COLUMNS": "200"} | variables
    command = [sys.executable, "-m", "flows.cli", "server", *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def waning() -> Waning:
    return Waning()


@pytest.fixture(scope="module")
def unattended(
    tmp_path_factory: pytest.TempPathFactory, database: Postgres, served: Callable[[Reply], str], waning: Waning
) -> Iterator[Unattended]:
    place, port = tmp_path_factory.mktemp("unattended"), free_port()
    own = place / "recipes"
    own.mkdir()
    recipe = own / "given.yaml"
    problems = (ROOT / "data/samples/demo-problems.jsonl").read_text().splitlines(keepends=True)[:12]
    (place / "problems.jsonl").write_text("".join(problems))
    recipe.write_text(RECIPE % (served(slow), place / "problems.jsonl"))
    (own / "waning.yaml").write_text(WANING % (served(waning), place / "problems.jsonl"))
    url = f"postgresql+asyncpg://postgres:se-cret@127.0.0.1:{database.port}/prefect"
    state = place / "state"
    given = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": url, OWN: str(own)}
    started = tracemill(state, "start", "--port", str(port), **given)
    try:
        assert started.returncode == 0, started.stderr + "".join(log.read_text() for log in state.glob("*.log"))
        assert f"http://127.0.0.1:{port}/" in started.stdout
        assert "se-cret" not in started.stdout
        api = {PREFECT_API_URL: f"http://127.0.0.1:{port}/api", PREFECT_CLIENT_MAX_RETRIES: 8}
        with temporary_settings(api):
            yield Unattended(Folder(state), place)
    finally:
        tracemill(state, "stop", "--grace", "10")
    assert not Folder(state).offspring()


@pytest.fixture
def client(unattended: Unattended) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as made:
        yield made


def finished(client: SyncPrefectClient, run: FlowRun) -> FlowRun:
    """The run when it has completed; the server may be away meanwhile."""

    def done() -> bool:
        try:
            state = client.read_flow_run(run.id).state
        except httpx.HTTPError:
            return False
        assert state is None or not state.is_failed(), state
        return state is not None and state.is_completed()

    until(done, f"run {run.id} has not completed", 0.5)
    return client.read_flow_run(run.id)


@pytest.fixture(scope="module")
def undisturbed(unattended: Unattended) -> dict[str, str]:
    """The release of a scheduled run, picked up and finished with no hand laid on."""
    with get_client(sync_client=True) as client:
        unattended.schedule(client, "scheduled")

        def begun() -> list[FlowRun]:
            runs = client.read_flow_runs(limit=200)
            return [one for one in runs if one.auto_scheduled and one.start_time and "recipe" in one.parameters]

        until(lambda: bool(begun()), "no scheduled run has begun", 0.5)
        (run, *_) = begun()
        unattended.unschedule(client)
        assert run.expected_start_time
        assert run.start_time
        assert (run.start_time - run.expected_start_time).total_seconds() < 60
        assert finished(client, run).run_count == 1
    return unattended.release("scheduled")


def test_a_scheduled_run_is_picked_up_within_its_minute_and_finishes(undisturbed: dict[str, str]) -> None:
    assert any(name.startswith("sft/train/") for name in undisturbed)


def kill(unattended: Unattended, database: Postgres, run: FlowRun, what: str) -> None:
    if what == "database":
        database.kill()
        time.sleep(3)
        database.start()
    elif what == "engine":
        mine = [
            one for one in unattended.folder.offspring() if one.environ().get("PREFECT__FLOW_RUN_ID") == str(run.id)
        ]
        assert mine
        for process in mine:
            process.kill()
    else:
        found = unattended.folder.process(what)
        assert found
        found.kill()


@pytest.mark.parametrize("what", [WORKER, SERVER, "engine", "database", SUPERVISOR])
def test_killed_in_the_middle_of_a_run_which_finishes_with_the_same_release(
    unattended: Unattended, client: SyncPrefectClient, undisturbed: dict[str, str], database: Postgres, what: str
) -> None:
    run = unattended.start(client, "refresh/refresh", unattended.parameters(what))
    lake = unattended.lakes / what
    until(lambda: any(lake.glob("traces/*/journal-*")), "no trace was sampled")
    kill(unattended, database, run, what)
    assert not (lake / "releases").exists()
    if what == SUPERVISOR:
        settings = unattended.folder.settings()
        assert settings
        url = f"postgresql+asyncpg://postgres:se-cret@127.0.0.1:{database.port}/prefect"
        again = ["start", "--port", str(settings.port)]
        given = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": url, OWN: str(unattended.lakes / "recipes")}
        started = tracemill(unattended.folder.path, *again, **given)
        assert started.returncode == 0, started.stderr
    ended = finished(client, run)
    assert unattended.release(what) == undisturbed
    if what == "engine":
        assert ended.run_count == 2
    until(lambda: tracemill(unattended.folder.path, "status").returncode == 0, "not all is up again")


def alarms(client: SyncPrefectClient, kind: str) -> list[FlowRun]:
    runs = [one for one in client.read_flow_runs(limit=200) if one.parameters.get("kind") == kind]
    return [one for one in runs if one.state and one.state.is_final()]


def test_a_run_that_fails_raises_an_alarm_which_is_sent(
    unattended: Unattended, client: SyncPrefectClient, served: Callable[[Reply], str]
) -> None:
    told: list[dict[str, Any]] = []

    def hear(body: dict[str, Any]) -> dict[str, Any]:
        told.append(body)
        return {}

    address = served(hear)
    block = CustomWebhookNotificationBlock(
        name="here",
        url=f"{address}/chat/completions",
        json_data={"subject": "{{subject}}", "body": "{{body}}"},
        headers=None,
        cookies=None,
    )
    block.save(BLOCK, overwrite=True)
    run = unattended.start(client, "curate/curate", {"overrides": ["no_such.`key`=1"]})
    until(lambda: bool(alarms(client, "failed")), "no alarm", 0.5)
    (alarm,) = alarms(client, "failed")
    assert alarm.state is not None
    assert alarm.state.is_completed(), alarm.state.message
    (sent,) = told
    assert sent["subject"] == "tracemill: A run failed"
    assert f"/runs/flow-run/{run.id}" in sent["body"]
    assert "recipe demo-traces: no_such" in " ".join(sent["body"].split())


def test_the_third_run_that_is_cancelled_in_a_row_raises_an_alarm(
    unattended: Unattended, client: SyncPrefectClient
) -> None:
    deployment = client.read_deployment_by_name("open-review/open-review")
    nights = [Cancelled, Completed, Cancelled, Cancelled, Cancelled]
    later: State[Any] = Scheduled(scheduled_time=datetime.now(UTC) + timedelta(days=1))
    runs = [client.create_flow_run_from_deployment(deployment.id, state=later) for _ in nights]
    for run, state, looks in zip(runs, nights, [1, 1, 2, 3, 4], strict=True):
        client.set_flow_run_state(run.id, state(), force=True)
        looked = partial(lambda least: len(alarms(client, "cancelled")) >= least, looks)
        until(looked, "no automation looked", 0.3)
    told = [str(one.data) for one in client.read_artifacts() if "runs in a row were cancelled" in str(one.data)]
    assert len(told) == 1
    assert f"/runs/flow-run/{runs[-1].id}" in told[0]


def test_a_run_that_yields_little_raises_an_alarm_which_is_on_the_page(
    unattended: Unattended, client: SyncPrefectClient, waning: Waning
) -> None:
    lake = unattended.lakes / "waning"
    recipe = str(unattended.lakes / "recipes/waning.yaml")
    for nights in (1, 2):
        refresh(recipe, str(lake), [f"ingest.limit={3 * nights}"])
    assert alarms(client, "low-yield") == []
    waning.knows = False
    run = unattended.start(
        client, "refresh/refresh", {"recipe": "waning", "lake": str(lake), "overrides": ["ingest.limit=9"]}
    )
    finished(client, run)
    until(lambda: bool(alarms(client, "low-yield")), "no alarm", 0.5)
    (alarm,) = alarms(client, "low-yield")
    assert alarm.state is not None
    assert alarm.state.is_completed(), alarm.state.message
    mine = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[alarm.id]))
    (card,) = client.read_artifacts(artifact_filter=mine)
    assert card.key == "alarm"
    assert "kept far fewer correct traces" in str(card.data)
    assert "0 new correct traces were kept; the median of the 2 runs before is 3" in str(card.data)
    assert f"/runs/flow-run/{run.id}" in str(card.data)


def test_the_state_holds_no_password(unattended: Unattended) -> None:
    for path in unattended.folder.path.glob("*"):
        assert path.is_dir() or b"se-cret" not in path.read_bytes(), path.name
    settings = json.loads((unattended.folder.path / "settings.json").read_text())
    assert settings["database"].startswith("postgresql+asyncpg://127.0.0.1:")
