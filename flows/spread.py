"""Runs of a deployment, sent to whichever workers take them, and waited for."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

from httpx import HTTPStatusError, TransportError
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL
from prefect.states import Cancelling

from schemas.errors import RecipeError, ServerError

LOST_S: Final = 300.0
"""A run that gives no sign of life for so long went down with its machine."""
_POLL_S: Final = 2.0
_OPEN: Final = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING]
_MORE: Final = 1


class Job(NamedTuple):
    """One run of the deployment."""

    name: str
    parameters: Mapping[str, Any]
    sign: Callable[[], object]
    """Of life: what it returns changes as long as the run goes on."""


@dataclass
class _Sent:
    """A job, and the run that does it now."""

    job: Job
    run: UUID
    more: int
    """So many more runs it may have."""
    sign: object
    heard: float = field(default_factory=time.monotonic)
    over: bool = False
    why: str | None = None

    def look(self, state: State | None) -> bool:
        """See what became of the run; whether a worker has it."""
        if state is None or state.is_scheduled():
            return False
        if state.is_final():
            self.over = True
            self.why = None if state.is_completed() else f"{state.name}: {state.message or 'no reason given'}"
            return True
        before, self.sign = self.sign, self.job.sign()
        if before != self.sign:
            self.heard = time.monotonic()
        elif time.monotonic() - self.heard > LOST_S:
            self.over, self.why = True, f"no sign of life for {LOST_S / 60:.0f} minutes"
        return True


def send(deployment: str, jobs: Sequence[Job], patience_s: float, meanwhile: Callable[[], None]) -> list[str | None]:
    """Run a deployment once for each job, all at once; says why each did not complete, None where it did.

    They show as children of the flow run that calls this. Runs that are open already with the same parameters, as a
    caller that was killed leaves them, are taken over. A job whose run fails, or gives no sign of life, is sent once
    more, at once. Those that no worker takes, while none is at work and `patience_s` goes by, are given up. However
    this ends, no run is left open. `meanwhile` is called every two seconds.

    Raises:
        ServerError: this run has a Prefect server of its own, which has no workers.
        RecipeError: the server has no such deployment.
    """
    runs: list[UUID] = []
    try:
        there = _open_runs(deployment)

        def begin(job: Job) -> UUID:
            runs.append(_adopted(job, there) or _begin(deployment, job))
            there.pop(runs[-1], None)
            return runs[-1]

        sent = [_Sent(job, begin(job), _MORE, job.sign()) for job in jobs]
        _watch(sent, begin, patience_s, meanwhile)
        return [one.why for one in sent]
    finally:
        _cancel(runs)


def _open_runs(deployment: str) -> dict[UUID, dict[str, Any]]:
    """The parameters of the deployment's runs that are not over, by the runs' ids."""
    if PREFECT_API_URL.value() is None:
        raise ServerError(
            "machines.workers: this run has a Prefect server of its own, which has no workers; start one by "
            "`make server` and set PREFECT_API_URL, or set machines.workers=1"
        )
    with get_client(sync_client=True) as client:
        try:
            found = client.read_deployment_by_name(deployment)
        except ObjectNotFound as exc:
            raise RecipeError(
                f"machines.workers: Prefect's server has no deployment {deployment}; `make server` deploys it, or set "
                "machines.workers=1"
            ) from exc
        state = FlowRunFilterState(type=FlowRunFilterStateType(any_=_OPEN))
        runs = client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[found.id])),
            flow_run_filter=FlowRunFilter(state=state),
        )
    return {run.id: run.parameters for run in runs}


def _adopted(job: Job, there: Mapping[UUID, Mapping[str, Any]]) -> UUID | None:
    same = (run for run, given in there.items() if all(given.get(name) == one for name, one in job.parameters.items()))
    return next(same, None)


def _begin(deployment: str, job: Job) -> UUID:
    begun = run_deployment(deployment, parameters=dict(job.parameters), flow_run_name=job.name, timeout=0)
    return cast("FlowRun", begun).id  # A coroutine only where an event loop is running.


def _watch(
    sent: Sequence[_Sent], again: Callable[[Job], UUID], patience_s: float, meanwhile: Callable[[], None]
) -> None:
    """Wait until all are over."""
    moved = time.monotonic()
    while not all(one.over for one in sent):
        with suppress(TransportError):  # A server that is away comes back; the runs go on.
            states = _states([one.run for one in sent if not one.over])
            if any([one.look(states.get(one.run)) for one in sent if not one.over]):  # noqa: C419 - look at each
                moved = time.monotonic()
            for one in sent:
                if one.over and one.why and one.more:
                    one.run, one.heard = again(one.job), time.monotonic()
                    one.more, one.over = one.more - 1, False
        if time.monotonic() - moved > patience_s:
            for one in sent:
                one.over, one.why = True, one.why if one.over else "no worker took it"
        meanwhile()
        time.sleep(_POLL_S)


def _states(runs: list[UUID]) -> dict[UUID, State | None]:
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=runs)))
    return {run.id: run.state for run in found}


def _cancel(runs: Sequence[UUID]) -> None:
    """End those that are open: a worker ends what it runs, and what nobody runs is over at once."""
    with suppress(TransportError), get_client(sync_client=True) as client:
        for run, state in _states(list(runs)).items() if runs else ():
            if state is None or not state.is_final():
                with suppress(HTTPStatusError):
                    client.set_flow_run_state(run, Cancelling(message="The run that asked for it is over."))
