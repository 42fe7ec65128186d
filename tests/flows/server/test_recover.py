"""Which runs are taken up, and when; on a real server, with clocks set forward instead of waited for."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.events import emit_event
from prefect.states import AwaitingRetry, Completed, Crashed, Failed, Pending, Running

from flows.alarms import ALARM, alarm
from flows.server.recover import BEGINNING, RETAKES, SETTLED, TAG, UNTOLD, Recovery, retake

pytestmark = pytest.mark.usefixtures("prefect_server")
LATER = timedelta(minutes=30)
HEARTBEAT = "prefect.flow-run.heartbeat"


@flow(name="nightly")
def nightly() -> None:
    """Never run here."""


@pytest.fixture
def client() -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as made:
        made.create_deployment(made.create_flow(alarm), name="alarm", tags=["alarm"], enforce_parameter_schema=False)
        yield made
        for run in made.read_flow_runs(limit=200):
            if TAG in run.tags:
                made.delete_flow_run(run.id)


def started(client: SyncPrefectClient, *states: State) -> FlowRun:
    deployment = client.create_deployment(client.create_flow(nightly), name="nightly", tags=[TAG])
    run = client.create_flow_run_from_deployment(deployment)
    for state in states:
        client.set_flow_run_state(run.id, state, force=True)
    return client.read_flow_run(run.id)


def state(client: SyncPrefectClient, run: FlowRun) -> str:
    found = client.read_flow_run(run.id).state
    assert found
    return str(found.name)


def test_a_crashed_run_is_taken_up_when_all_has_settled(client: SyncPrefectClient) -> None:
    run = started(client, Pending(), Running(), Crashed())
    now, recovery = datetime.now(UTC), Recovery(60)
    assert recovery.look(client, now) == []
    assert state(client, run) == "Crashed"
    (line,) = recovery.look(client, now + SETTLED)
    assert line.endswith("AwaitingRetry, taken up again: its process had died")
    assert state(client, run) == "AwaitingRetry"
    assert recovery.look(client, now + LATER) == []


def test_a_run_that_keeps_dying_is_told_of_once(client: SyncPrefectClient) -> None:
    run = started(client, *[state() for _ in range(RETAKES + 1) for state in (Pending, Running, Crashed)])
    recovery, now = Recovery(60), datetime.now(UTC) + SETTLED
    (line,) = recovery.look(client, now)
    assert line.endswith("has crashed 4 times: it is not taken up again")
    assert recovery.look(client, now) in ([], [line])  # the line may come again, the alarm does not
    told = [one for one in client.read_flow_runs(limit=200) if one.parameters.get("about") == str(run.id)]
    assert [one.parameters["kind"] for one in told] == ["crashed"]
    assert state(client, run) == "Crashed"


def beating(client: SyncPrefectClient, run: FlowRun, at: datetime) -> None:
    """A heartbeat as a run's process sends it, when the server has it."""
    name = f"prefect.flow-run.{run.id}"
    emit_event(HEARTBEAT, resource={"prefect.resource.id": name, "prefect.resource.name": run.name}, occurred=at)
    chosen: dict[str, dict[str, object]] = {"any_resource": {"id": [name]}, "event": {"name": [HEARTBEAT]}}
    chosen |= {"occurred": {"since": (at - LATER).isoformat(), "until": (at + LATER).isoformat()}}
    for _ in range(300):
        if client.request("POST", "/events/filter", json={"filter": chosen}).json()["events"]:
            return
        time.sleep(0.1)
    pytest.fail("the server has no heartbeat")


def test_a_run_without_a_sign_of_life_has_crashed_unless_the_server_was_away(client: SyncPrefectClient) -> None:
    silent, alive = (started(client, Pending(), Running()) for _ in range(2))
    recovery, later = Recovery(60), datetime.now(UTC) + LATER
    beating(client, alive, later + timedelta(seconds=90))
    assert recovery.look(client, later) == []  # it has only begun to look
    recovery.missed()
    assert recovery.look(client, later + timedelta(seconds=60)) == []
    (line,) = recovery.look(client, later + timedelta(seconds=120))
    assert line.endswith(f"({silent.id}): Crashed, no sign of life for 60 s")
    assert [state(client, one) for one in (silent, alive)] == ["Crashed", "Running"]


def test_a_run_that_never_began_has_crashed(client: SyncPrefectClient) -> None:
    run = started(client, Pending())
    recovery, now = Recovery(60), datetime.now(UTC)
    assert recovery.look(client, now) == []
    assert [line.split(": ")[1] for line in recovery.look(client, now + BEGINNING)] == [
        "Crashed, its worker died before it began"
    ]
    assert state(client, run) == "Crashed"


def test_a_failure_that_nothing_told_of_raises_an_alarm(client: SyncPrefectClient) -> None:
    run = started(client, Pending(), Running(), Failed())
    recovery, now = Recovery(60), datetime.now(UTC)
    assert recovery.look(client, now) == []
    (line,) = recovery.look(client, now + UNTOLD + SETTLED)
    assert str(run.id) in line
    assert recovery.look(client, now + UNTOLD + SETTLED) == []


def test_an_alarm_whose_worker_died_is_raised_all_the_same_and_none_about_it(client: SyncPrefectClient) -> None:
    failed = started(client, Pending(), Running(), Failed())
    about = {"kind": "failed", "about": str(failed.id)}
    lost, dying = (
        client.create_flow_run_from_deployment(client.read_deployment_by_name(ALARM).id, parameters=about)
        for _ in range(2)
    )
    client.set_flow_run_state(lost.id, Pending(), force=True)
    for crash in range(RETAKES + 1):
        client.set_flow_run_state(dying.id, Crashed(message=str(crash)), force=True)
    recovery, now = Recovery(60), datetime.now(UTC) + SETTLED
    assert recovery.look(client, now) == []
    recovery.look(client, now + BEGINNING)
    assert state(client, lost) == "Crashed"
    recovery.look(client, datetime.now(UTC) + SETTLED)
    assert [state(client, one) for one in (lost, dying)] == ["AwaitingRetry", "Crashed"]
    assert not [one for one in client.read_flow_runs(limit=200) if one.parameters.get("about") == str(dying.id)]
    for one in (lost, dying):
        client.delete_flow_run(one.id)


def test_how_often_a_run_is_taken_up() -> None:
    once: list[State] = [Pending(), Running(), Crashed()]
    assert retake(once * RETAKES)
    assert not retake(once * (RETAKES + 1))
    assert retake([*once, AwaitingRetry(), Pending(), Crashed(), Completed()])
