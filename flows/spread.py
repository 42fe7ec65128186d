"""Runs of a deployment, sent to whichever workers take them, and waited for."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
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
_TAKEN: Final = {StateType.PENDING, StateType.RUNNING, StateType.CANCELLING}


class Job(NamedTuple):
    """One run of the deployment."""

    name: str
    parameters: Mapping[str, Any]
    sign: Callable[[], object]
    """Of life: what it returns changes as long as the run goes on."""


def send(deployment: str, jobs: Sequence[Job], patience_s: float, meanwhile: Callable[[], None]) -> list[str | None]:
    """Run a deployment once for each job, all at once; says why each did not complete, None where it did.

    They show as children of the flow run that calls this. Runs that are open already with the same parameters, as a
    caller that was killed leaves them, are taken over. Those that no worker takes, while none is at work and
    `patience_s` goes by, are given up. However this ends, no run is left open. `meanwhile` is called every two seconds.

    Raises:
        ServerError: this run has a Prefect server of its own, which has no workers.
        RecipeError: the server has no such deployment.
    """
    runs: list[UUID] = []
    try:
        there = _open_runs(deployment)
        for job in jobs:
            runs.append(_run(deployment, job, there))  # noqa: PERF401 - what was begun has to be known if one fails
        return _watch(dict(zip(runs, jobs, strict=True)), patience_s, meanwhile)
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


def _run(deployment: str, job: Job, there: Mapping[UUID, Mapping[str, Any]]) -> UUID:
    for run, parameters in there.items():
        if all(parameters.get(name) == value for name, value in job.parameters.items()):
            return run
    begun = run_deployment(deployment, parameters=dict(job.parameters), flow_run_name=job.name, timeout=0)
    return cast("FlowRun", begun).id  # A coroutine only where an event loop is running.


def _watch(jobs: Mapping[UUID, Job], patience_s: float, meanwhile: Callable[[], None]) -> list[str | None]:
    signs = {run: (job.sign(), time.monotonic()) for run, job in jobs.items()}
    lost: set[UUID] = set()
    states: dict[UUID, State | None] = {}
    moved = time.monotonic()
    while True:
        with suppress(TransportError):  # A server that is away comes back; the runs go on.
            before, states = states, _states(list(jobs))
            taken = [run for run, state in states.items() if state and state.type in _TAKEN and run not in lost]
            if taken or states.keys() != before.keys():
                moved = time.monotonic()
            lost |= _silent([run for run in taken if _running(states[run])], jobs, signs)
        if all(run in lost or _over(states.get(run)) for run in jobs) or time.monotonic() - moved > patience_s:
            return [_why(states.get(run), lost=run in lost) for run in jobs]
        meanwhile()
        time.sleep(_POLL_S)


def _silent(running: Sequence[UUID], jobs: Mapping[UUID, Job], signs: dict[UUID, tuple[object, float]]) -> set[UUID]:
    """Those that have given no sign of life for too long; `signs` notes when each gave its last."""
    now = time.monotonic()
    for run in jobs:
        sign = jobs[run].sign() if run in running else None
        if run not in running or sign != signs[run][0]:
            signs[run] = (sign, now)
    return {run for run in running if now - signs[run][1] > LOST_S}


def _states(runs: list[UUID]) -> dict[UUID, State | None]:
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=runs)))
    return {run.id: run.state for run in found}


def _running(state: State | None) -> bool:
    return state is not None and state.is_running()


def _over(state: State | None) -> bool:
    return state is not None and state.is_final()


def _why(state: State | None, *, lost: bool) -> str | None:
    """Why a run did not complete, in words."""
    if state is None or state.is_scheduled():
        return "no worker took it"
    if lost:
        return f"no sign of life for {LOST_S / 60:.0f} minutes"
    return None if state.is_completed() else f"{state.name}: {state.message or 'no reason given'}"


def _cancel(runs: Sequence[UUID]) -> None:
    """End those that are open: a worker ends what it runs, and what nobody runs is over at once."""
    with suppress(TransportError), get_client(sync_client=True) as client:
        for run, state in _states(list(runs)).items() if runs else ():
            if not _over(state):
                with suppress(HTTPStatusError):
                    client.set_flow_run_state(run, Cancelling(message="The run that asked for it is over."))
