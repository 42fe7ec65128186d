"""Clusters by their address: connecting to one, and whether its nodes can do what this machine would.

A node must have this very code and the versions of all packages on which a result may depend, see the lake, and reach
Prefect's server. All of it is asked before the first shard goes out.
"""

import hashlib
import signal
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.error import HTTPError
from urllib.request import urlopen

from prefect.task_runners import TaskRunner

import schemas
import tasks
from schemas.errors import LakeError, ServerError, WorkerError
from tasks.lake import Lake, tool_versions

REACH_S: Final = 15.0
"""A cluster, or from there Prefect's server, that has not answered by then is taken for missing."""
DEATHS: Final = 3
"""So many times may the process or node die that makes a shard, before the run gives up."""
_CODE: Final = "tracemill's code"
_HTTP2: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""How a connection to Ray begins, with settings that set nothing; a Dask scheduler begins by itself."""


class Answer(NamedTuple):
    """What a node says of itself."""

    versions: Mapping[str, str]
    lake: str | None
    """What it reads where this machine has written something."""
    fault: str = ""
    """Why it does not reach Prefect's server."""


Ask = Callable[[], Answer | str]
"""Asked on a node: its answer, or why it cannot import tracemill."""


class Cluster(NamedTuple):
    """A cluster that is connected."""

    address: str
    runner: "TaskRunner[Any]"
    places: Callable[[], int]
    """How many shards run at once."""
    ask: Callable[[Ask], Mapping[str, Answer | str]]
    """The answers of all nodes on which shards may run, by name."""
    lost: tuple[type[Exception], ...]
    """What is raised where a shard's process died again and again, or the cluster is gone."""


def connected(address: str) -> AbstractContextManager[Cluster]:
    """Connect to a cluster, `ray://host:port`, `ray:host:port` or `dask:host:port`.

    Raises:
        WorkerError: the package for it is not installed, or nothing answers there.
    """
    kind, rest = address.split(":", 1)
    if kind == "dask":
        return _dask(address, rest if "//" in rest else f"tcp://{rest}")
    return _ray(address, address if rest.startswith("//") else rest)


def _reach(address: str, hello: bytes) -> None:
    """See that somebody answers: the libraries try for minutes where a port is open and silent."""
    host, port = address.rsplit("/", 1)[-1].removeprefix("ray:").removeprefix("dask:").rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), REACH_S) as link:
            link.sendall(hello)
            if not link.recv(1):
                raise ConnectionError("it hangs up")
    except OSError as exc:
        raise WorkerError(
            f"machines.cluster: no cluster answers at {address} ({exc}); start it, or leave the setting out"
        ) from exc


@contextmanager
def _explained(address: str, kind: str) -> Iterator[None]:
    try:
        yield
    except ImportError as exc:
        raise WorkerError(
            f"machines.cluster: {address} takes a package that is not here ({exc}); pip install 'tracemill[{kind}]'"
        ) from exc
    except (OSError, RuntimeError, ValueError) as exc:
        first = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
        raise WorkerError(
            f"machines.cluster: {address} lets nobody in ({first}); "
            f"look whether a {kind} cluster is there, with the versions of this machine"
        ) from exc


@contextmanager
def _ray(address: str, where: str) -> Iterator[Cluster]:
    with _explained(address, "ray"):
        import ray
        from prefect_ray import RayTaskRunner
        from prefect_ray.context import remote_options
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        runner: TaskRunner[Any] = RayTaskRunner(where, {"log_to_driver": False, "logging_level": "ERROR"})
        _reach(address, _HTTP2)
        with _own_signals():
            runner.__enter__()

    listed: Callable[[], list[dict[str, Any]]] = ray.nodes

    def nodes() -> dict[str, dict[str, Any]]:
        return {one["NodeID"]: one for one in listed() if one["Alive"] and one["Resources"].get("CPU")}

    def ask(question: Ask) -> dict[str, Answer | str]:
        remote = ray.remote(num_cpus=0, max_retries=0)(question)
        there = nodes()
        asked = [remote.options(scheduling_strategy=NodeAffinitySchedulingStrategy(one, soft=False)) for one in there]
        answers = ray.get([one.remote() for one in asked], timeout=4 * REACH_S)
        return {one["NodeManagerAddress"]: answer for one, answer in zip(there.values(), answers, strict=True)}

    def places() -> int:
        return int(sum(one["Resources"]["CPU"] for one in nodes().values()))

    try:
        with remote_options(max_retries=DEATHS - 1):
            yield Cluster(address, runner, places, ask, (ray.exceptions.RayError,))
    finally:
        runner.__exit__(None, None, None)
        ray.shutdown()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray takes SIGTERM, by which Prefect cancels runs, for itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _dask(address: str, where: str) -> Iterator[Cluster]:
    with _explained(address, "dask"):
        from distributed import CancelledError, KilledWorker
        from prefect_dask.task_runners import DaskTaskRunner

        _reach(address, b"")
        runner: Any = DaskTaskRunner(address=where, client_kwargs={"timeout": REACH_S})
        runner.__enter__()
        client = runner.client

    def places() -> int:
        return len(client.scheduler_info(n_workers=-1)["workers"])

    try:
        yield Cluster(address, runner, places, client.run, (KilledWorker, CancelledError, OSError))
    finally:
        runner.__exit__(None, None, None)


def check(cluster: Cluster, lake: Lake, server: str) -> None:
    """See that every node can do what this machine would.

    Raises:
        WorkerError: there is no node, one lacks tracemill, or has another version of something.
        LakeError: a node does not see the lake.
        ServerError: a node does not reach Prefect's server.
    """
    token, path = uuid.uuid4().hex, f".shared-{uuid.uuid4().hex}"
    lake.storage.write(path, token.encode())
    try:
        found = cluster.ask(_question(lake, path, server))
    except cluster.lost as exc:
        raise WorkerError(f"machines.cluster: the nodes of {cluster.address} do not answer: {exc}") from exc
    finally:
        lake.storage.remove(path)
    if not found:
        raise WorkerError(f"machines.cluster: {cluster.address} has no nodes to work; start some")
    for node, answer in sorted(found.items()):
        _judge(node, answer, Answer(versions(), token), lake.url, server)


def _judge(node: str, found: Answer | str, wanted: Answer, lake: str, server: str) -> None:
    if isinstance(found, str):
        raise WorkerError(f"machines.cluster: node {node} cannot import tracemill ({found}); install it there")
    for name, mine in wanted.versions.items():
        if (theirs := found.versions.get(name, "none")) != mine:
            raise WorkerError(
                f"machines.cluster: node {node} has {name} {theirs} where this machine has {mine}; "
                "install the same there, or results would differ"
            )
    if found.lake != wanted.lake:
        raise LakeError(
            f"lake {lake}: node {node} does not see what this machine writes there; "
            "use s3:// or a folder that all machines share"
        )
    if found.fault:
        raise ServerError(
            f"node {node} does not reach Prefect's server at {server} ({found.fault}); "
            "set PREFECT_API_URL to an address that it reaches"
        )


def _question(lake: Lake, path: str, server: str) -> Ask:
    """What is asked on a node. A function in a function travels whole: it runs where there is no tracemill, too."""

    def ask() -> Any:
        try:
            from flows.nodes import answer
        except ImportError as exc:
            return str(exc)
        return answer(where, path, server)

    where = lake.address
    return ask


def answer(lake: str, path: str, server: str) -> Answer:
    """What this node says: its versions, what lies at `path` in the lake, whether `server` is reached."""
    try:
        read = Lake(lake).storage.read(path)
    except LakeError:
        read = None
    return Answer(versions(), read.decode() if read else None, _unreached(server))


def _unreached(server: str) -> str:
    try:
        urlopen(f"{server.rstrip('/')}/health", timeout=REACH_S).close()  # noqa: S310 - the address is the operator's
    except HTTPError:
        return ""  # it answers, if only to say that it wants a password
    except (OSError, ValueError) as exc:
        return str(exc)
    return ""


@cache
def versions() -> dict[str, str]:
    """All that a result may depend on: the versions of tools, and a digest of the code of stages."""
    digest = hashlib.sha256()
    for package in (tasks, schemas):
        root = Path(package.__path__[0])
        for path in sorted(root.rglob("*.py")):
            digest.update(f"{path.relative_to(root.parent).as_posix()}\0".encode() + path.read_bytes())
    return tool_versions() | {_CODE: digest.hexdigest()[:12]}
