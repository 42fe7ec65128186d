"""Alarms: what happened, to which run and what to do, on the Prefect page and wherever its notification block sends.

Automations (flows/server/automations.py) run the deployment `alarm`. What a run said is shown in fences.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

import httpx
from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.blocks.abstract import NotificationBlock, NotificationError
from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events import emit_event
from prefect.runtime import flow_run as this_run
from prefect.settings import PREFECT_API_URL
from prefect.utilities.urls import url_for

from flows.page.fences import fenced
from flows.yields import LowYield
from schemas.errors import ServerError

LOW_YIELD: Final = "tracemill.refresh.low-yield"
ALARM: Final = "alarm/alarm"
"""The deployment of the flow below."""
BLOCK: Final = "tracemill-alarms"
"""The name of the Prefect notification blocks, of any kind, that alarms are sent by."""
IN_A_ROW: Final = 3
"""Cancelled runs of a deployment, none completed or failed between them."""
_RUN: Final = "prefect.flow-run."


class Kind(StrEnum):
    """What an alarm is about."""

    FAILED = "failed"
    CRASHED = "crashed"
    LOW_YIELD = "low-yield"
    CANCELLED = "cancelled"
    TRIAL = "trial"


class _Text(NamedTuple):
    what: str
    todo: str


_TEXTS: Final = {
    Kind.FAILED: _Text(
        "A run failed",
        "Its message names what is wrong. Mend that, then press Retry on the run's page, or wait for the next "
        "scheduled run: what was finished is in the lake, and is not done again.",
    ),
    Kind.CRASHED: _Text(
        "A run died again and again, and is not taken up any more",
        "Something ends its process: look for a lack of memory (`dmesg`), and at the last lines of its log and of "
        "worker.log. Then press Retry on the run's page: it goes on from what is in the lake.",
    ),
    Kind.LOW_YIELD: _Text(
        "A run kept far fewer correct traces than those before it",
        "Its page shows in the funnel which stage dropped them, and why; `tracemill stats` prints the same. If this is "
        "how it should be, change the recipe's `alarm.share`.",
    ),
    Kind.CANCELLED: _Text(
        f"{IN_A_ROW} runs in a row were cancelled",
        "Where the deployment lets one run in at a time, an older one may be stuck: look for one that is Running, and "
        "cancel it on its page. If somebody cancelled these by hand, there is nothing to do.",
    ),
    Kind.TRIAL: _Text("This is a trial", "Alarms arrive here; there is nothing to do."),
}


@flow(name="alarm", flow_run_name="alarm: {kind}", persist_result=False)
def alarm(kind: Kind = Kind.TRIAL, about: str = "", said: str = "") -> bool:
    """Tell people what happened to a run, and whether there was anything to tell.

    Args:
        kind: What happened. `cancelled` is told only where it is the third such run in a row; `trial` shows that alarms
            arrive.
        about: The run: its id, or the resource of an event about it; empty, it is this one.
        said: More about it; the state's message unless given.

    Raises:
        ServerError: a notification block turned the message down; the artifact `alarm` is there all the same.
    """
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(UUID(about.removeprefix(_RUN) or this_run.get_id()))
        if kind is Kind.CANCELLED and not _in_a_row(client, run):
            get_run_logger().info("%s was cancelled; not the %srd in a row: nothing is said", run.name, IN_A_ROW)
            return False
        blocks = _blocks(client)
    text, subject = written(kind, run, said), f"tracemill: {_TEXTS[kind].what}"
    create_markdown_artifact(text, key="alarm", description=subject)
    get_run_logger().error("%s: %s (%s)", subject, run.name, url_for(run))
    _send(blocks, text, subject)
    return True


def announce(low: LowYield) -> None:
    """Tell Prefect's server that the run this is part of yielded little; a temporary server has nobody who listens."""
    if not PREFECT_API_URL.value():
        return
    payload = {"run": this_run.get_id(), "said": str(low)}
    emit_event(LOW_YIELD, resource={"prefect.resource.id": f"{_RUN}{this_run.get_id()}"}, payload=payload)


def written(kind: Kind, run: FlowRun, said: str) -> str:
    """An alarm as Markdown."""
    text = _TEXTS[kind]
    state = f"{run.state.name}: {run.state.message or ''}" if run.state else ""
    facts = f"run: {run.name}\n{said or state}"
    return f"### {text.what}\n\n{fenced(facts)}\n\n[The run's page]({url_for(run)})\n\n{text.todo}"


def cancelled_in_a_row(newest_first: Sequence[StateType | None]) -> bool:
    """Whether a deployment's last runs that ended were all cancelled, as many as make an alarm."""
    last = newest_first[:IN_A_ROW]
    return len(last) == IN_A_ROW and all(one is StateType.CANCELLED for one in last)


def _in_a_row(client: SyncPrefectClient, run: FlowRun) -> bool:
    """Whether it was so when this run ended; later ones have an alarm of their own."""
    ended = {"any_": [StateType.CANCELLED, StateType.COMPLETED, StateType.FAILED]}
    runs = client.read_flow_runs(
        flow_run_filter=FlowRunFilter.model_validate({"state": {"type": ended}, "end_time": {"before_": run.end_time}}),
        deployment_filter=DeploymentFilter(
            id=DeploymentFilterId(any_=[run.deployment_id] if run.deployment_id else [])
        ),
        sort=FlowRunSort.END_TIME_DESC,
        limit=IN_A_ROW,
    )
    return cancelled_in_a_row([one.state_type for one in runs])


def _blocks(client: SyncPrefectClient) -> list[NotificationBlock]:
    """All notification blocks of the alarms' name; each kind of block may have one."""
    import prefect.blocks.notifications  # noqa: F401 - registers Prefect's kinds

    found: list[NotificationBlock] = []
    offset = 0
    while page := client.read_block_documents(offset=offset, limit=200):
        offset += len(page)
        for one in page:
            if one.name == BLOCK and one.block_type:
                block = cast("Block", Block.load(f"{one.block_type.slug}/{BLOCK}"))
                found += [block] if isinstance(block, NotificationBlock) else []
    return found


def _send(blocks: Sequence[NotificationBlock], text: str, subject: str) -> None:
    failed: list[str] = []
    for block in blocks:
        kind = type(block).__name__
        try:
            with block.raise_on_failure():
                _: Any = block.notify(text, subject)  # outside an event loop it has sent when it returns
        except (httpx.HTTPError, NotificationError, ValueError) as exc:
            failed.append(f"{kind} ({type(exc).__name__})")
    if failed:
        # The errors name the address, which is a secret of the block.
        raise ServerError(f"the alarm was not sent by {', '.join(failed)}: mend the block {BLOCK} on the Prefect page")
