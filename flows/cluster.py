"""The parts of stages on a Ray or Dask cluster, as tasks of Prefect's: for what is too much for one machine.

A shard is one Prefect task. It makes some parts of a stage and writes them to the lake where it runs; names and digests
come back, and the run writes the manifests. A shard whose process or node dies is made again elsewhere by the cluster
itself, `nodes.DEATHS` times with Ray, and with Dask as often as its scheduler's `allowed-failures` says.
"""

import pickle
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.futures import PrefectFuture
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.machines import MachinesConfig
from flows.nodes import Cluster, check, connected
from schemas.errors import WorkerError
from tasks.lake import Lake
from tasks.shards import Job, Portable, Shard, grouped, shared_by, worked

R = TypeVar("R")

LOOK_S: Final = 30.0
"""So often a run that waits for shards looks whether the cluster has any node left."""
PATIENCE: Final = 10
"""So many looks in a row that find none are the end."""


@contextmanager
def shared(machines: MachinesConfig, lake: Lake) -> Iterator[None]:
    """Run the shards of the block's stages on the recipe's cluster, if it names one.

    Raises:
        WorkerError: the cluster cannot be reached, or a node has other versions of tracemill or of what it uses.
        LakeError: a node does not see the lake.
        ServerError: a node does not reach Prefect's server.
    """
    if machines.cluster is None:
        yield
        return
    with get_client(sync_client=True) as client:
        server = str(client.api_url)
    # A temporary server of this run has an address that only this process knows.
    with temporary_settings({PREFECT_API_URL: server}), connected(machines.cluster) as cluster:
        check(cluster, lake, server)
        with shared_by(ClusterCrew(cluster, machines.shard_rows)):
            yield


@task(name="shard", task_run_name="{stage}: shard {number}", cache_policy=NO_CACHE, persist_result=False)
def shard(stage: str, number: int, jobs: bytes) -> Shard[Any]:  # noqa: ARG001 - they name the task on the page
    """Make the pickled calls where this runs."""
    return worked(pickle.loads(jobs))  # noqa: S301 - what comes is the run's own


class ClusterCrew:
    """Makes what is portable on a cluster, and all else here."""

    def __init__(self, cluster: Cluster, least_rows: int) -> None:
        self._cluster, self._least_rows = cluster, least_rows
        # Shards are tasks of the run. As children of a stage's task they would take its parameters along: engines.
        self._context = copy_context()

    def each(self, stage: str, jobs: Iterable[Job[R]]) -> Iterator[R]:
        """What comes of each call; a stage that is but one shard stays here.

        Raises:
            WorkerError: a shard's process died again and again, or no node is left.
        """
        away: list[Portable[R]] = []
        for job in jobs:
            if isinstance(job, Portable):
                away.append(job)
            else:
                yield job()
        groups = grouped(away, self._cluster.places(), self._least_rows)
        if len(groups) < 2:
            yield from (job() for job in away)
            return
        for one in self._ended(stage, groups):
            yield from one.told()

    def _ended(self, stage: str, groups: list[list[Portable[R]]]) -> Iterator[Shard[R]]:
        """Each shard as it ends."""
        done: SimpleQueue[PrefectFuture[Shard[R]]] = SimpleQueue()
        for number, group in enumerate(groups):
            parameters = {"stage": stage, "number": number, "jobs": pickle.dumps(group)}
            future = self._context.run(self._cluster.runner.submit, shard, parameters)
            future.add_done_callback(done.put)
        try:
            for _ in groups:
                yield self._next(done).result()
        except self._cluster.lost as exc:
            raise WorkerError(
                f"stage {stage}: a shard's process on {self._cluster.address} died again and again ({_brief(exc)}); "
                "look for what kills it, such as want of memory: a smaller `part_rows` takes less"
            ) from exc

    def _next(self, done: "SimpleQueue[PrefectFuture[Shard[R]]]") -> PrefectFuture[Shard[R]]:
        empty = 0
        while empty < PATIENCE:
            try:
                return done.get(timeout=LOOK_S)
            except Empty:
                empty = 0 if self._cluster.places() else empty + 1
        raise WorkerError(f"machines.cluster: {self._cluster.address} has no node left; start some, and run again")


def _brief(exc: Exception) -> str:
    return next(iter(str(exc).strip().splitlines()), type(exc).__name__)
