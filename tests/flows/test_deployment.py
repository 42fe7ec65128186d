"""prefect.yaml: nothing in it that Prefect would silently ignore; a worker runs what it deploys."""

import time
from collections.abc import Iterator
from copy import deepcopy
from functools import reduce
from inspect import signature
from pathlib import Path
from typing import Any, Literal, Self, cast
from uuid import uuid4

import pytest
import yaml
from prefect import Flow
from prefect.cli.deploy import _models as prefect_yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import ConcurrencyLimitStrategy
from prefect.client.schemas.schedules import CronSchedule
from prefect.events import DeploymentEventTrigger, Posture, emit_event
from prefect.exceptions import PrefectHTTPStatusError
from prefect.utilities.importtools import import_object
from prefect.utilities.schema_tools import validate
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from flows.review import OPENED, RESOURCE, REVIEWED

ROOT = Path(__file__).parents[2]
RAW: dict[str, Any] = yaml.safe_load((ROOT / "prefect.yaml").read_text())
POOL = "tracemill"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Pool(Strict):
    name: Literal["tracemill"]


class Concurrency(Strict):
    limit: int = Field(ge=1)
    collision_strategy: ConcurrencyLimitStrategy


class Schedule(Strict):
    slug: str = Field(min_length=1)
    cron: str
    timezone: str
    active: bool

    @model_validator(mode="after")
    def _runs(self) -> Self:
        CronSchedule(cron=self.cron, timezone=self.timezone)
        return self


class Trigger(DeploymentEventTrigger):
    model_config = ConfigDict(extra="forbid")


class Deployment(Strict):
    name: str = Field(pattern=r"^[a-z-]+$")
    description: str = Field(min_length=20)
    entrypoint: str = Field(pattern=r"^flows\.\w+\.\w+$")
    tags: list[str] = Field(min_length=1)
    parameters: dict[str, Any]
    schedules: list[Schedule]
    triggers: list[Trigger] = []
    concurrency_limit: Concurrency
    work_pool: Pool

    @property
    def flow(self) -> Flow[Any, Any]:
        found = import_object(self.entrypoint)
        assert isinstance(found, Flow)
        return found


class File(Strict):
    name: Literal["tracemill"]
    pull: list[dict[str, dict[str, Any]]] = Field(min_length=1)
    deployments: list[Deployment]


FILE = File.model_validate(RAW)
EACH = pytest.mark.parametrize("deployment", FILE.deployments, ids=lambda one: str(one.name))
BY_PEOPLE = [one for one in FILE.deployments if one.name != "sample"]
"""A refresh sends `sample`, with all that it takes."""
EACH_BY_PEOPLE = pytest.mark.parametrize("deployment", BY_PEOPLE, ids=lambda one: str(one.name))


def test_the_deployments_are_those_that_a_team_leaves_running() -> None:
    named = {one.name: one for one in FILE.deployments}
    assert list(named) == [
        *("refresh", "curate", "mix", "sample", "open-review"),
        *("after-review", "export", "sweep-reviews", "alarm"),
    ]
    assert {name: [every.cron for every in one.schedules] for name, one in named.items() if one.schedules} == {
        "refresh": ["0 2 * * *"],
        "sweep-reviews": ["17 * * * *"],
    }
    assert all(every.active for one in named.values() for every in one.schedules)
    assert {name for name, one in named.items() if POOL not in one.tags} == {"alarm"}  # no alarm about an alarm


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (File, prefect_yaml.PrefectYamlModel),
        (Deployment, prefect_yaml.DeploymentConfig),
        (Schedule, prefect_yaml.RawScheduleConfig),
        (Concurrency, prefect_yaml.ConcurrencyLimitSpec),
        (Pool, prefect_yaml.WorkPoolConfig),
    ],
)
def test_prefect_reads_every_key_that_we_allow(ours: type[BaseModel], theirs: type[BaseModel]) -> None:
    assert ours.model_fields.keys() <= theirs.model_fields.keys()


def mappings(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where mappings lie whose keys are Prefect's."""
    if isinstance(node, dict) and not {"parameters", "match", "pull"} & set(path):
        yield path
    for key, one in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from mappings(one, (*path, key))


@pytest.mark.parametrize("path", list(mappings(RAW)), ids=lambda path: ".".join(map(str, path)) or "file")
def test_an_unknown_key_at_any_level_is_found(path: tuple[str | int, ...]) -> None:
    broken = deepcopy(RAW)
    reduce(lambda node, key: node[key], path, cast("Any", broken))["catchup"] = False
    with pytest.raises(ValidationError, match="catchup"):
        File.model_validate(broken)


def test_each_pull_step_is_one_that_prefect_can_take() -> None:
    for step in FILE.pull:
        ((name, given),) = step.items()
        signature(import_object(name)).bind(**given)


@EACH_BY_PEOPLE
def test_its_parameters_fit_its_flow(deployment: Deployment) -> None:
    flow = deployment.flow
    assert flow.name == deployment.name
    by_event = [trigger.parameters or {} for trigger in deployment.triggers] or [{}]
    for more in by_event:
        given = deployment.parameters | more
        validate(given, flow.parameters.model_dump(), raise_on_error=True)
        flow.validate_parameters(given)


@EACH
def test_every_parameter_on_its_form_is_described(deployment: Deployment) -> None:
    for name, one in deployment.flow.parameters.properties.items():
        assert len(one.get("description") or "") > 20, name
    assert set(deployment.parameters) <= set(deployment.flow.parameters.properties)


@EACH_BY_PEOPLE
def test_its_form_can_be_sent_as_it_is(deployment: Deployment) -> None:
    """The page sends defaults back, and Prefect's server takes a null for no plain type."""
    schema = deployment.flow.parameters
    filled = {name: one["default"] for name, one in schema.properties.items() if "default" in one}
    recipe = {"curate": "demo-traces", "mix": "demo-mix"}.get(deployment.name, "demo")
    required = dict.fromkeys(schema.required or (), recipe)
    validate(required | filled | deployment.parameters, schema.model_dump(), raise_on_error=True)


TRIGGERS = [(one, trigger) for one in FILE.deployments for trigger in one.triggers]


@pytest.mark.parametrize(("deployment", "trigger"), TRIGGERS, ids=lambda one: str(one.name))
def test_each_trigger_waits_for_an_event_that_a_flow_emits(deployment: Deployment, trigger: Trigger) -> None:
    assert {*trigger.expect, *trigger.after} <= {OPENED, REVIEWED}
    assert trigger.model_dump(mode="json")["match"] == {"prefect.resource.id": f"{RESOURCE}*"}
    assert trigger.parameters == {"batch": "{{ event.resource.id }}"}
    assert trigger.enabled


def test_a_batch_that_nobody_reviews_is_gone_on_without() -> None:
    (late,) = (trigger for _, trigger in TRIGGERS if trigger.posture == Posture.Proactive)
    assert (late.after, late.expect, late.for_each) == ({OPENED}, {REVIEWED}, {"prefect.resource.id"})


@pytest.mark.xdist_group("worker")
@pytest.mark.timeout(240)
def test_a_worker_runs_the_deployment(worker: Any, recipe: str, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    (worker.recipes / "mine.yaml").write_text(Path(recipe).read_text())
    parameters = {"recipe": "mine", "lake": str(lake), "overrides": [], "settings": {"formats": ["sft"]}}
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("curate/curate")
        with pytest.raises(
            PrefectHTTPStatusError, match=r"'recipe'. Failure reason: 'mine' is not one of \['demo-traces'"
        ):
            client.create_flow_run_from_deployment(deployment.id, parameters=parameters)
        worker.deploy("curate")
        run = client.create_flow_run_from_deployment(deployment.id, parameters=parameters)
        state = run.state
        while state is None or not state.is_final():
            time.sleep(1)
            state = client.read_flow_run(run.id).state
    assert state.is_completed(), state.message
    assert [path.name for path in (lake / "releases/tiny/v1").iterdir() if path.is_dir()] == ["sft"]


@pytest.mark.xdist_group("worker")
@pytest.mark.timeout(240)
def test_a_batch_that_was_reviewed_starts_its_way_back(worker: Any) -> None:
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
