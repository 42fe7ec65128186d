"""Prefect automations that `tracemill server start` makes: alarms go off.

Made once, by name: one that a user changes or switches off stays so.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from flows.alarms import IN_A_ROW, LOW_YIELD, Kind
from flows.server.recover import TAG

_RUN: Final = "prefect.flow-run."
_OURS: Final = [
    {"prefect.resource.id": f"prefect.tag.{TAG}"},
    {"prefect.resource.role": "deployment"},  # a flow within a flow fails with the run that it is part of
]


def create_missing(client: SyncPrefectClient, alarm: UUID) -> None:
    """Make the automations that are not there, by their names; `alarm` is the deployment that they run."""
    for one in automations(alarm):
        if not client.read_automations_by_name(one.name):
            client.create_automation(one)


def automations(alarm: UUID) -> list[AutomationCore]:
    """All of them."""
    about = {"about": "{{ event.resource.id }}"}
    low = {"about": "{{ event.resource.id }}", "said": "{{ event.payload.said }}"}
    return [
        AutomationCore(
            name="tracemill: alarm when a run fails",
            description="By an error, which trying again would not mend.",
            trigger=_when(_RUN + "Failed", _OURS),
            actions=[_raise(alarm, Kind.FAILED, about)],
        ),
        AutomationCore(
            name="tracemill: alarm when a run yields little",
            description="Fewer correct traces than the recipe's `alarm` says, beside the runs before.",
            trigger=_when(LOW_YIELD, []),
            actions=[_raise(alarm, Kind.LOW_YIELD, low)],
        ),
        AutomationCore(
            name="tracemill: alarm when runs are cancelled one after another",
            # A trigger can only count events; no other event sets its count back.
            description=f"Each one starts the alarm, which says nothing unless it was number {IN_A_ROW} in a row.",
            trigger=_when(_RUN + "Cancelled", _OURS),
            actions=[_raise(alarm, Kind.CANCELLED, about)],
        ),
    ]


def _when(event: str, related: list[dict[str, str]]) -> EventTrigger:
    """At each such event about a run, at once."""
    return EventTrigger(
        expect={event},
        match=ResourceSpecification({"prefect.resource.id": _RUN + "*"}),
        match_related=[ResourceSpecification(dict(one)) for one in related],
        posture=Posture.Reactive,
        threshold=1,
        within=timedelta(0),
    )


def _raise(alarm: UUID, kind: Kind, parameters: dict[str, str]) -> RunDeployment:
    given = {"kind": kind.value} | parameters
    return RunDeployment(source="selected", deployment_id=alarm, parameters=given, job_variables=None)
