"""Slots for engines: a limit of Prefect's server says how many run at once, on whichever machines.

A slot is a lease of a minute, which a thread renews while the engine runs: of a run that was killed it comes back.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import copy_context
from http import HTTPStatus
from typing import Final
from uuid import UUID

from httpx import HTTPStatusError, TransportError
from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import ConcurrencyLeaseHolder
from prefect.settings import PREFECT_API_URL

from schemas.errors import EngineError
from tasks.progress import watcher

LEASE_S: Final = 60
"""The shortest that Prefect's server takes."""
_RENEW_S: Final = LEASE_S / 4
_ASK_S: Final = 2.0


@asynccontextmanager
async def slot(name: str) -> AsyncIterator[None]:
    """Hold one slot of the concurrency limit `name` of Prefect's server, once one is free.

    A run with a temporary server of its own is the only one that this server knows: it needs no slot.

    Raises:
        EngineError: the server has no such limit, or one of no slots.
    """
    if PREFECT_API_URL.value() is None:
        watcher().noted(f"slot {name}: this run has a Prefect server of its own, where nobody else asks for slots")
        yield
        return
    holding = _Holding(name, runtime.flow_run.id)
    waits = False
    while not await asyncio.to_thread(holding.take):
        if not waits:
            watcher().noted(await asyncio.to_thread(holding.state))
        waits = True
        await asyncio.sleep(_ASK_S)
    # The loop only turns while a stage waits for its model: renewing takes a thread. Prefect's settings are context.
    context = copy_context()
    renewing = threading.Thread(target=context.run, args=(holding.keep,), name=f"slot {name}", daemon=True)
    renewing.start()
    try:
        yield
    finally:
        await asyncio.to_thread(holding.give_back, renewing)


class _Holding:
    """One slot, and its lease while there is one."""

    def __init__(self, name: str, run: str | None) -> None:
        self._name = name
        self._holder = ConcurrencyLeaseHolder(type="flow_run", id=UUID(run)) if run else None
        self.lease: UUID | None = None
        self._over = threading.Event()

    def take(self) -> bool:
        """Whether a slot was free; a server that does not answer has none.

        Raises:
            EngineError: there is no such limit, or one of no slots.
        """
        try:
            with get_client(sync_client=True) as client:
                answer = client.increment_concurrency_slots_with_lease(
                    [self._name], 1, "concurrency", LEASE_S, self._holder
                ).json()
        except HTTPStatusError as exc:
            if exc.response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY:
                raise EngineError(
                    f"slot {self._name}: the limit has no slots; `prefect gcl update {self._name} --limit 1`"
                ) from exc
            if exc.response.status_code != HTTPStatus.LOCKED:
                raise
            return False
        except TransportError:
            return False
        if not answer["limits"]:
            raise EngineError(
                f"slot {self._name}: Prefect's server has no limit of this name; "
                f"`prefect gcl create {self._name} --limit 1`"
            )
        self.lease = UUID(answer["lease_id"])
        return True

    def state(self) -> str:
        """What is waited for."""
        try:
            with get_client(sync_client=True) as client:
                limit = client.read_global_concurrency_limit_by_name(self._name)
        except TransportError:
            return f"waits for a slot of {self._name}: Prefect's server does not answer"
        return f"waits for a slot of {self._name}: {limit.active_slots} of {limit.limit} taken"

    def keep(self) -> None:
        """Renew the lease from time to time, until the slot is given back."""
        while not self._over.wait(_RENEW_S):
            self.renew()

    def renew(self) -> None:
        """Renew the lease; one that ran out while the server was away is taken anew, as soon as a slot is free."""
        try:
            if self.lease is None:
                self.take()
                return
            with get_client(sync_client=True) as client:
                client.renew_concurrency_lease(self.lease, LEASE_S)
        except HTTPStatusError as exc:
            if exc.response.status_code == HTTPStatus.GONE:
                self.lease = None
            # The engine runs on: to end it would lose work, and the next try is due in a moment.
            lost = "was lost while the server was away" if self.lease is None else f"cannot be renewed ({exc})"
            watcher().noted(f"slot {self._name}: {lost}, and is asked for again")
        except (EngineError, TransportError) as exc:
            watcher().noted(f"slot {self._name}: cannot be renewed ({exc}), and is asked for again")

    def give_back(self, renewing: threading.Thread) -> None:
        """Let another run have it; what the server does not hear of runs out."""
        self._over.set()
        renewing.join()
        if self.lease is None:
            return
        try:
            with get_client(sync_client=True) as client:
                client.release_concurrency_slots_with_lease(self.lease)
        except (HTTPStatusError, TransportError) as exc:
            watcher().noted(f"slot {self._name}: runs out in a minute, for it cannot be given back ({exc})")
