"""Prefect automations that `tracemill server start` makes: dead runs are taken up again, and alarms go off.

Made once, by name: one that a user changes or switches off stays so. A run's events say how often it has run
(`prefect.run-count`), so how often a run was taken up needs no memory of its own.
"""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.states import StateType

from flows.alarms import LOW_YIELD, Kind

RETAKES: Final = 3
"""So often a crashed run is taken up again."""
_MOST_RUNS: Final = 100
_BEGINNING: Final = timedelta(minutes=15)
"""A run that a worker has taken begins within that time, or its worker is gone."""
_DAY: Final = timedelta(days=1)
_RUN: Final = "prefect.flow-run."
_ENDED: Final = {_RUN + name for name in ("Completed", "Failed", "Crashed", "Cancelled", "Cancelling")}
_PAUSED: Final = {_RUN + name for name in ("Paused", "Suspended", "AwaitingRetry", "Scheduled", "AwaitingConcurrencySlot")}
_OURS: Final[list[Any]] = [
    {"prefect.resource.id": "prefect.tag.tracemill"},
    {"prefect.resource.role": "deployment"},  # a flow within a flow is not taken up by itself
]


def create_missing(client: SyncPrefectClient, alarm: UUID, silence: int) -> None:
    """Make the automations that are not there, by their names."""
    for one in automations(alarm, silence):
        if not client.read_automations_by_name(one.name):
            client.create_automation(one)


def automations(alarm: UUID, silence: int) -> list[AutomationCore]:
    """All of them; `alarm` is the deployment that raises alarms, `silence` as in the server's settings."""
    return [*_recovery(silence), *_alarms(alarm)]


def _recovery(silence: int) -> list[AutomationCore]:
    again = ChangeFlowRunState(
        name="AwaitingRetry", state=StateType.SCHEDULED, message="taken up again: its process had died"
    )
    died = ChangeFlowRunState(state=StateType.CRASHED, message=f"no sign of life for {silence} s")
    lost = ChangeFlowRunState(state=StateType.CRASHED, message="its worker died before it began")
    return [
        AutomationCore(
            name="tracemill: a crashed run is taken up again",
            description=f"At most {RETAKES} times for each run; it goes on from what is in the lake.",
            trigger=_on({"Crashed"}, counts=range(1, RETAKES + 1)),
            actions=[again],
        ),
        AutomationCore(
            name="tracemill: a run that crashed before it began is taken up again",
            description="Once a day for each run.",
            trigger=_on({"Crashed"}, counts=range(1), within=_DAY, for_each={"prefect.resource.id"}),
            actions=[again],
        ),
        AutomationCore(
            name="tracemill: a run without a sign of life has crashed",
            description="Its process and its worker are gone, or their machine is.",
            trigger=_absent({"heartbeat"}, {_RUN + "heartbeat"} | _ENDED | _PAUSED, timedelta(seconds=silence)),
            actions=[died],
        ),
        AutomationCore(
            name="tracemill: a run that never began has crashed",
            description="A worker took it, and died before the run's process was up.",
            trigger=_absent({"Pending", "Submitting"}, {_RUN + "Running"} | _ENDED | _PAUSED, _BEGINNING),
            actions=[lost],
        ),
    ]


def _alarms(alarm: UUID) -> list[AutomationCore]:
    about = {"about": "{{ event.resource.id }}"}
    return [
        AutomationCore(
            name="tracemill: alarm when a run fails",
            description="By an error, which trying again would not mend.",
            trigger=_on({"Failed"}),
            actions=[_raise(alarm, Kind.FAILED, about)],
        ),
        AutomationCore(
            name="tracemill: alarm when a run crashes for good",
            description=f"After it was taken up {RETAKES} times.",
            trigger=_on({"Crashed"}, counts=range(RETAKES + 1, _MOST_RUNS)),
            actions=[_raise(alarm, Kind.CRASHED, about)],
        ),
        AutomationCore(
            name="tracemill: alarm when a run crashes again before it begins",
            description="After it was taken up once.",
            trigger=_on({"Crashed"}, counts=range(1), within=_DAY, for_each={"prefect.resource.id"}, threshold=2),
            actions=[_raise(alarm, Kind.CRASHED, about)],
        ),
        AutomationCore(
            name="tracemill: alarm when a run yields little",
            description="Fewer correct traces than the recipe's `alarm` says, beside the runs before.",
            trigger=EventTrigger(expect={LOW_YIELD}, posture=Posture.Reactive, threshold=1, within=timedelta(0)),
            actions=[
                _raise(
                    alarm,
                    Kind.LOW_YIELD,
                    {"about": "prefect.flow-run.{{ event.payload.run }}", "said": "{{ event.payload.said }}"},
                )
            ],
        ),
        AutomationCore(
            name="tracemill: alarm when runs are cancelled one after another",
            description="Looks, at each one, whether it is the third in a row; where it is not, nothing is said.",
            trigger=_on({"Cancelled"}),
            actions=[_raise(alarm, Kind.CANCELLED, about)],
        ),
    ]


def _on(states: set[str], *, counts: range | None = None, **more: Any) -> EventTrigger:
    """When a run comes to one of these states; with `counts`, only after so many times that it ran."""
    match: dict[str, Any] = {"prefect.resource.id": _RUN + "*"}
    if counts:
        match["prefect.run-count"] = [str(count) for count in counts]
    timing = {"threshold": 1, "within": timedelta(0)} | more
    return EventTrigger(
        expect={_RUN + name for name in states},
        match=match,
        match_related=_OURS,
        posture=Posture.Reactive,
        **timing,
    )


def _absent(after: set[str], expect: set[str], within: timedelta) -> EventTrigger:
    return EventTrigger(
        after={_RUN + name for name in after},
        expect=expect,
        match={"prefect.resource.id": _RUN + "*"},
        match_related=_OURS,
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=within,
    )


def _raise(alarm: UUID, kind: Kind, parameters: dict[str, str]) -> RunDeployment:
    return RunDeployment(source="selected", deployment_id=alarm, parameters={"kind": kind.value} | parameters)
