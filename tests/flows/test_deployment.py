"""prefect.yaml: nothing in it that Prefect would silently ignore; a worker runs what it deploys."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.events import DeploymentEventTrigger, emit_event
from prefect.utilities.importtools import import_object
from pydantic import TypeAdapter

from flows.review import OPENED, RESOURCE, REVIEWED

ROOT = Path(__file__).parents[2]
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "prefect.yaml").read_text())
ALLOWED = {
    "name",
    "description",
    "entrypoint",
    "tags",
    "parameters",
    "schedules",
    "triggers",
    "concurrency_limit",
    "work_pool",
}


@pytest.mark.parametrize("deployment", CONFIG["deployments"], ids=lambda one: str(one["name"]))
def test_each_deployment_names_a_flow_and_its_parameters(deployment: dict[str, Any]) -> None:
    assert deployment.keys() <= ALLOWED
    assert deployment["description"]
    flow: Any = import_object(deployment["entrypoint"])
    assert deployment["parameters"].keys() <= flow.parameters.properties.keys()
    assert deployment["work_pool"].keys() <= {"name", "work_queue_name", "job_variables"}
    assert deployment["concurrency_limit"]["collision_strategy"] in {"ENQUEUE", "CANCEL_NEW"}
    assert all({"slug", "cron", "timezone"} <= schedule.keys() for schedule in deployment["schedules"])
    assert all(schedule.keys() <= {"slug", "cron", "timezone", "active"} for schedule in deployment["schedules"])


TRIGGERS = [(one, trigger) for one in CONFIG["deployments"] for trigger in one.get("triggers", ())]


@pytest.mark.parametrize(("deployment", "trigger"), TRIGGERS, ids=lambda one: str(one["name"]))
def test_each_trigger_waits_for_an_event_that_a_flow_emits(deployment: dict[str, Any], trigger: dict[str, Any]) -> None:
    adapter = TypeAdapter[DeploymentEventTrigger](DeploymentEventTrigger)
    made = adapter.validate_python(trigger)
    assert trigger.keys() <= DeploymentEventTrigger.model_fields.keys()
    assert {*made.expect, *made.after} <= {OPENED, REVIEWED}
    assert trigger["match"] == {"prefect.resource.id": f"{RESOURCE}*"}
    flow: Any = import_object(deployment["entrypoint"])
    given = deployment["parameters"] | trigger["parameters"]
    assert set(flow.parameters.required or ()) <= given.keys() <= flow.parameters.properties.keys()


def test_a_batch_that_nobody_reviews_is_gone_on_without() -> None:
    (late,) = (trigger for _, trigger in TRIGGERS if trigger["posture"] == "Proactive")
    assert (late["after"], late["expect"], late["for_each"]) == ([OPENED], [REVIEWED], ["prefect.resource.id"])


def test_the_file_has_no_other_keys() -> None:
    assert CONFIG.keys() == {"name", "pull", "deployments"}


@pytest.fixture
def worker(prefect_server: str) -> Iterator[dict[str, str]]:
    """A worker of the pool, with everything deployed."""
    environment = os.environ | {"PREFECT_API_URL": prefect_server, "PREFECT_CLI_PROMPT": "false", "PWD": str(ROOT)}
    prefect = [sys.executable, "-m", "prefect"]

    def run(*arguments: str) -> None:
        subprocess.run([*prefect, *arguments], env=environment, cwd=ROOT, check=True, capture_output=True, timeout=120)

    run("work-pool", "create", "tracemill", "--type", "process", "--overwrite")
    run("deploy", "--all")
    working = subprocess.Popen([*prefect, "worker", "start", "--pool", "tracemill"], env=environment, cwd=ROOT)
    yield environment
    working.terminate()
    try:
        working.wait(20)
    except subprocess.TimeoutExpired:  # A worker that is told to end while it tidies up after a run may hang.
        working.kill()
        working.wait()


@pytest.mark.timeout(240)
def test_a_worker_runs_the_deployment(worker: dict[str, str], recipe: str, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("curate/curate")
        parameters = {"recipe": recipe, "lake": str(lake), "overrides": ["export.formats={sft: {}}"]}
        run = client.create_flow_run_from_deployment(deployment.id, parameters=parameters)
        state = run.state
        while state is None or not state.is_final():
            time.sleep(1)
            state = client.read_flow_run(run.id).state
    assert state.is_completed(), state.message
    assert [path.name for path in (lake / "releases/tiny/v1").iterdir() if path.is_dir()] == ["sft"]


@pytest.mark.timeout(240)
def test_a_batch_that_was_reviewed_starts_its_way_back(worker: dict[str, str]) -> None:
    name = f"{RESOURCE}{uuid4().hex}"
    emit_event(REVIEWED, resource={"prefect.resource.id": name})
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("after-review/after-review")
        mine = DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))
        for _ in range(120):
            runs = client.read_flow_runs(deployment_filter=mine)
            if runs:
                break
            time.sleep(0.5)
    assert [run.parameters for run in runs] == [{"batch": name}]
