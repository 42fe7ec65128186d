"""What an alarm says, whom it tells, and when a cancelled run is one."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from prefect import flow
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.runtime import flow_run as this_run
from prefect.states import Failed

from flows.alarms import BLOCK, Kind, alarm, announce, cancelled_in_a_row, written
from flows.yields import LowYield
from schemas.errors import ServerError

Reply = Callable[[dict[str, Any]], Any]
OVER, DONE, BAD = StateType.CANCELLED, StateType.COMPLETED, StateType.FAILED

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.mark.parametrize(
    ("newest_first", "alarming"),
    [
        ([OVER, OVER, OVER], True),
        ([OVER, OVER, OVER, DONE], True),
        ([OVER, OVER, DONE, OVER], False),
        ([OVER, OVER, BAD], False),
        ([OVER, OVER], False),
        ([], False),
    ],
)
def test_three_cancelled_runs_in_a_row(newest_first: list[StateType], alarming: bool) -> None:
    assert cancelled_in_a_row(newest_first) is alarming


@flow(name="night")
def night() -> None:
    """Fails where it is told to."""


@pytest.fixture
def failed() -> FlowRun:
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(night, state=Failed(message="bad ``` ![x](http://evil.test/x.png)"))
        return client.read_flow_run(run.id)


@pytest.mark.parametrize("kind", list(Kind))
def test_what_a_run_said_is_in_a_fence_that_it_cannot_end(failed: FlowRun, kind: Kind) -> None:
    text = written(kind, failed, "")
    fence = "`" * 4
    before, inside, after = text.split(fence)
    assert "evil.test" in inside
    assert "evil.test" not in before + after
    assert f"/runs/flow-run/{failed.id}" in after


def test_it_is_on_the_page_though_no_block_is_there(failed: FlowRun, page: Callable[[], dict[str, str]]) -> None:
    assert alarm(Kind.FAILED, f"prefect.flow-run.{failed.id}")
    assert "A run failed" in page()["alarm"]


def test_a_run_that_is_cancelled_once_is_no_alarm(failed: FlowRun) -> None:
    assert not alarm(Kind.CANCELLED, str(failed.id))


def test_a_block_that_does_not_send_fails_the_alarm_without_its_address(
    failed: FlowRun, served: Callable[[Reply], str], page: Callable[[], dict[str, str]]
) -> None:
    address = served(lambda _body: {})
    block = CustomWebhookNotificationBlock(
        name="there", url=f"{address}/nothing-here?token=se-cret", headers=None, cookies=None
    )
    block.save(BLOCK, overwrite=True)
    try:
        with pytest.raises(
            ServerError, match=r"not sent by CustomWebhookNotificationBlock \(HTTPStatusError\)"
        ) as raised:
            alarm(Kind.LOW_YIELD, str(failed.id), said="2 of 100")
    finally:
        CustomWebhookNotificationBlock.delete(BLOCK)
    assert "se-cret" not in str(raised.value)
    assert "2 of 100" in page()["alarm"]


def test_a_low_yield_is_an_event_about_the_run() -> None:
    @flow(name="low")
    def low() -> str:
        announce(LowYield(2, 100, 5))
        return str(this_run.get_id())

    name = f"prefect.flow-run.{low()}"
    chosen = {"any_resource": {"id": [name]}, "event": {"name": ["tracemill.refresh.low-yield"]}}
    with get_client(sync_client=True) as client:
        for _ in range(200):
            found = client.request("POST", "/events/filter", json={"filter": chosen}).json()["events"]
            if found:
                break
            time.sleep(0.1)
    assert [one["payload"]["said"] for one in found] == [str(LowYield(2, 100, 5))]
