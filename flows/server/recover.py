"""Runs that died are taken up again, and told of when they keep dying.

The supervisor looks every few seconds at what Prefect's server says. Prefect's own automations would do the same from
events, but on SQLite some events are lost, and after an outage all runs would seem dead. What is decided here follows
from what is stored, so it does not matter how often it is done, or that it was not done for a while.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import AwaitingRetry, Crashed

from flows.alarms import ALARM, Kind

TAG: Final = "tracemill"
"""Runs of deployments with this tag are looked after."""
_ALARM_TAG: Final = "alarm"
"""Alarms are taken up as well; no alarm is raised about one."""
RETAKES: Final = 3
"""So often a crashed run is taken up again."""
SETTLED: Final = timedelta(seconds=20)
"""So long after a crash a run is taken up: until then its worker reports it too, and its engine's memory comes free."""
BEGINNING: Final = timedelta(minutes=15)
"""A run that a worker has taken begins within that time, or its worker is gone."""
UNTOLD: Final = timedelta(minutes=2)
"""An alarm that no automation has raised within that time was lost."""
_LOOK_BACK: Final = timedelta(days=1)
_PAGE: Final = 200


class Recovery:
    """What is seen from one look to the next: since when the server has answered each time."""

    def __init__(self, silence_s: int) -> None:
        self.silence = timedelta(seconds=silence_s)
        self._since: datetime | None = None

    def missed(self) -> None:
        """The server did not answer: signs of life may have been lost, too."""
        self._since = None

    def look(self, client: SyncPrefectClient, now: datetime) -> list[str]:
        """Mark runs that died as crashed, and take crashed ones up; says what was done, a line for each.

        Raises:
            httpx.HTTPError: the server does not answer.
        """
        self._since = self._since or now
        watched = now - self._since
        return [
            *_crashed(client, now),
            *_untold(client, now),
            *(self._silent(client, now) if watched >= self.silence else ()),
            *_lost(client, now),
        ]

    def _silent(self, client: SyncPrefectClient, now: datetime) -> Iterator[str]:
        begun = [one for one in _runs(client, StateType.RUNNING) if _age(one, now) >= self.silence]
        for run in begun:
            if not _heard(client, run, (now - self.silence, now)):
                yield _set(client, run, Crashed(message=f"no sign of life for {self.silence.seconds} s"))


def retake(states: Sequence[State]) -> bool:
    """Whether a run that is in these states, one after another, is to be taken up (again)."""
    return sum(one.type is StateType.CRASHED for one in states) <= RETAKES


def _lost(client: SyncPrefectClient, now: datetime) -> Iterator[str]:
    for run in _runs(client, StateType.PENDING):
        if _age(run, now) >= BEGINNING:
            yield _set(client, run, Crashed(message="its worker died before it began"))


def _crashed(client: SyncPrefectClient, now: datetime) -> Iterator[str]:
    for run in _runs(client, StateType.CRASHED, now - _LOOK_BACK):
        if _age(run, now) < SETTLED:
            continue
        states = client.read_flow_run_states(run.id)
        if retake(states):
            yield _set(client, run, AwaitingRetry(message="taken up again: its process had died"))
        elif TAG in run.tags and _raise(client, Kind.CRASHED, run, len(states)):
            yield f"{run.name} ({run.id}) has crashed {RETAKES + 1} times: it is not taken up again"


def _untold(client: SyncPrefectClient, now: datetime) -> Iterator[str]:
    ended = _runs(client, StateType.FAILED, now - _LOOK_BACK)
    failed = [one for one in ended if TAG in one.tags and _age(one, now) > UNTOLD]
    told = _told(client) if failed else set()
    for run in failed:
        if str(run.id) not in told and _raise(client, Kind.FAILED, run, run.run_count):
            yield f"{run.name} ({run.id}) has failed, and no automation has told of it: an alarm is raised"


def _runs(client: SyncPrefectClient, state: StateType, ended_after: datetime | None = None) -> list[FlowRun]:
    """Runs of deployments in this state; a flow within a flow is not taken up by itself."""
    chosen = FlowRunFilter(
        tags=FlowRunFilterTags(any_=[TAG, _ALARM_TAG]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[state])),
        end_time=FlowRunFilterEndTime.model_validate({"after_": ended_after}) if ended_after else None,
    )
    found = client.read_flow_runs(flow_run_filter=chosen, sort=FlowRunSort.START_TIME_DESC, limit=_PAGE)
    return [one for one in found if one.deployment_id]


def _age(run: FlowRun, now: datetime) -> timedelta:
    return now - (run.state.timestamp if run.state else now)


def _heard(client: SyncPrefectClient, run: FlowRun, span: tuple[datetime, datetime]) -> bool:
    since, until = span
    chosen = {
        "occurred": {"since": since.isoformat(), "until": until.isoformat()},
        "event": {"name": ["prefect.flow-run.heartbeat"]},
        "any_resource": {"id": [f"prefect.flow-run.{run.id}"]},
    }
    found = client.request("POST", "/events/filter", json={"filter": chosen, "limit": 1})
    return bool(found.json()["events"])


def _set(client: SyncPrefectClient, run: FlowRun, state: State) -> str:
    client.set_flow_run_state(run.id, state)
    return f"{run.name} ({run.id}): {state.name}, {state.message}"


def _raise(client: SyncPrefectClient, kind: Kind, run: FlowRun, number: int) -> bool:
    """Raise an alarm, unless it was raised before."""
    deployment = client.read_deployment_by_name(ALARM)
    made = client.create_flow_run_from_deployment(
        deployment.id,
        parameters={"kind": kind.value, "about": str(run.id)},
        idempotency_key=f"{kind.value}-{run.id}-{number}",
    )
    return made.created is not None and datetime.now(UTC) - made.created < UNTOLD / 12


def _told(client: SyncPrefectClient) -> set[str]:
    """The runs that alarms were raised about."""
    name = ALARM.rpartition("/")[2]
    alarms = client.read_flow_runs(
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[name])),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=_PAGE,
    )
    return {str(one.parameters.get("about", "")).rpartition(".")[2] for one in alarms}
