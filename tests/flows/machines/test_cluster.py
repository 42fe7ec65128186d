"""A run on real clusters of two nodes, one of which is killed while it works: the same lake as on one machine."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import psutil
import pyarrow.parquet as pq
import pytest
from distributed import Client
from prefect import flow

import flows
from flows.cluster import shared
from flows.curate import curate
from flows.machines import MachinesConfig
from flows.nodes import connected
from schemas.errors import WorkerError
from tasks.lake import Lake
from tasks.shards import Portable, crew

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.xdist_group("cluster"), pytest.mark.timeout(600)]

ROOT = Path(flows.__path__[0]).parent
RAY = (
    "--num-cpus=1",
    "--object-store-memory=80000000",
    "--disable-usage-stats",
    "--node-ip-address=127.0.0.1",
    "--block",
)
WAIT_S = 120
PART_ROWS = "ingest.part_rows=6"
"""The 48 traces in 8 parts."""
QUICK = {"RAY_health_check_period_ms": "500", "RAY_health_check_failure_threshold": "3"}
"""Ray believes sooner that a node is dead."""


class Pair(NamedTuple):
    """A cluster of two nodes."""

    setting: str
    """Its address as a recipe names it."""
    client: str
    """Another one, that needs no node on this machine."""
    second: subprocess.Popen[bytes]
    busy: Callable[[], bool]
    """Whether the second node is making a shard."""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def until(true: Callable[[], object], every_s: float = 0.1) -> None:
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(every_s)


def listening(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def family(root: int) -> list[psutil.Process]:
    with_root = [psutil.Process(root)] if psutil.pid_exists(root) else []
    return [*with_root, *(child for one in with_root for child in one.children(recursive=True))]


def kill(process: subprocess.Popen[bytes]) -> None:
    """`kill -9` a node: all of its processes."""
    for one in family(process.pid):
        if one.is_running():
            one.send_signal(signal.SIGKILL)
    process.wait()


@contextmanager
def started(folder: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start nodes that end with the block; they find this checkout, as nodes find an installed tracemill."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0", "DO_NOT_TRACK": "1"} | QUICK
    running: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> subprocess.Popen[bytes]:
        with (folder / f"{len(running)}.log").open("wb") as log:
            running.append(subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log))
        return running[-1]

    try:
        yield start
    finally:
        for process in running:
            kill(process)


def named(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def wait_for_both(address: str) -> None:
    with connected(address) as cluster:
        until(lambda: cluster.places() == 2)


@pytest.fixture(scope="module")
def ray_pair() -> Iterator[Pair]:
    # Paths of sockets have to be short.
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    port, its, ray = free_port(), free_port(), str(Path(sys.executable).with_name("ray"))
    with started(folder) as start:
        head = (
            f"--port={port}",
            f"--temp-dir={folder}",
            "--include-dashboard=false",
            f"--ray-client-server-port={its}",
        )
        start(ray, "start", "--head", *head, *RAY)
        until(lambda: listening(port))
        second = start(ray, "start", f"--address=127.0.0.1:{port}", *RAY)
        address = f"ray:127.0.0.1:{port}"
        wait_for_both(address)
        yield Pair(
            address,
            f"ray://127.0.0.1:{its}",
            second,
            lambda: any("ray::shard" in " ".join(named(one)) for one in family(second.pid)),
        )
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def dask_pair(tmp_path: Path) -> Iterator[Pair]:
    port, address = free_port(), "tcp://127.0.0.1"
    with started(tmp_path) as start:
        start(
            sys.executable,
            "-m",
            "distributed.cli.dask_scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--no-dashboard",
        )
        until(lambda: listening(port))
        worker = (
            sys.executable,
            "-m",
            "distributed.cli.dask_worker",
            f"{address}:{port}",
            "--nthreads",
            "1",
            "--no-nanny",
            "--no-dashboard",
        )
        start(*worker)
        second = start(*worker)
        wait_for_both(f"dask:{address}:{port}")
        with cast("Any", Client)(f"{address}:{port}", set_as_default=False) as client:
            (its,) = [name for name, pid in client.run(os.getpid).items() if pid == second.pid]
            yield Pair(f"dask:{address}:{port}", "", second, lambda: bool(client.processing([its])[its]))


def content(lake: Path) -> dict[str, Any]:
    """Every file's bytes; of verdicts and manifests all but what a clock says."""
    return {
        str(path.relative_to(lake)): timeless(path)
        for path in sorted(lake.rglob("*"))
        if path.is_file() and "verdicts" not in path.parts
    } | {
        f"verdicts {path.name[:10]}": pq.read_table(path).drop_columns(["elapsed_ms"]).to_pylist()
        for path in sorted(lake.glob("verdicts/*/part-*"))
    }


def timeless(path: Path) -> object:
    if path.suffix != ".json":
        return path.read_bytes()
    return {key: value for key, value in json.loads(path.read_text()).items() if key != "created"}


def shared_with_a_death(recipe: str, pair: Pair, lake: Path, *settings: str) -> list[bool]:
    """Run on the cluster; its second node is killed in the middle of its verdicts. Whether that came about."""
    killed: list[bool] = []

    def strike() -> None:
        until(lambda: any(lake.glob("verdicts/*/part-*")), 0.002)
        until(pair.busy, 0.002)
        killed.append(not any(lake.glob("verdicts/*/manifest.json")))
        kill(pair.second)

    thread = threading.Thread(target=strike)
    thread.start()
    curate(recipe, str(lake), [*settings, f"machines={{cluster: '{pair.setting}', shard_rows: 1}}"])
    thread.join()
    return killed


@flow
def doomed(cluster: str, lake: str) -> None:
    with shared(MachinesConfig(cluster=cluster, shard_rows=1), Lake(lake)):
        list(crew().each("doomed", [Portable(partial(signal.raise_signal, signal.SIGKILL), 1)] * 2))


@pytest.mark.parametrize("kind", ["ray", "dask"])
def test_a_cluster_whose_node_dies_makes_the_same_lake(
    kind: str, recipe: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    alone = tmp_path / "alone"
    curate(recipe, str(alone), [PART_ROWS])
    pair: Pair = request.getfixturevalue(f"{kind}_pair")
    together = tmp_path / "together"
    assert shared_with_a_death(recipe, pair, together, PART_ROWS) == [True]
    assert content(together) == content(alone)
    assert not list(together.rglob(".*")), "what a dead process left is gone"


def test_a_shard_that_kills_its_process_again_and_again_ends_the_run(ray_pair: Pair, tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"stage doomed: a shard's process on ray:.* died again and again"):
        doomed(ray_pair.client, str(tmp_path))
