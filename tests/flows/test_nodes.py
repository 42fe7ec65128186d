"""What is looked at before a cluster gets work."""

import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from ray import cloudpickle as untyped

from flows import nodes
from flows.curate import curate
from flows.machines import MachinesConfig
from flows.nodes import Answer, Ask, Cluster, answer, check, connected, versions
from schemas.errors import LakeError, RecipeError, ServerError, TracemillError, WorkerError
from tasks.lake import Lake

cloudpickle: Any = untyped


class LostError(Exception):
    """The cluster went away."""


def cluster(ask: Callable[[Ask], Mapping[str, Answer | str]]) -> Cluster:
    return Cluster("ray:host:1", cast("Any", None), lambda: 1, ask, (LostError,))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


@pytest.fixture
def server(prefect_server: str) -> str:
    return prefect_server


def asked(question: Ask) -> Answer:
    """The question travels as clusters send it."""
    found = cloudpickle.loads(cloudpickle.dumps(question))()
    assert isinstance(found, Answer)
    return found


def test_a_node_like_this_one_will_do(lake: Lake, server: str) -> None:
    check(cluster(lambda question: {"here": asked(question)}), lake, server)
    assert not [one for one in Path(lake.url).iterdir() if one.name.startswith(".")]


def test_code_and_tools_are_told_apart() -> None:
    assert {"pyarrow", "python", "tracemill", "tracemill's code"} <= versions().keys()
    assert len(versions()["tracemill's code"]) == 12


Change = Callable[[Answer], Answer | str]
BAD: Mapping[str, tuple[Change, type[TracemillError], str]] = {
    "no package": (
        lambda _: "No module named 'flows'",
        WorkerError,
        r"node here cannot import tracemill \(No module named 'flows'\); install it there",
    ),
    "other tool": (
        lambda one: one._replace(versions={**one.versions, "pyarrow": "1.0"}),
        WorkerError,
        "node here has pyarrow 1.0 where this machine has ",
    ),
    "other code": (
        lambda one: one._replace(versions={k: v for k, v in one.versions.items() if k != "tracemill's code"}),
        WorkerError,
        "node here has tracemill's code none where this machine has ",
    ),
    "no lake": (lambda one: one._replace(lake=None), LakeError, "node here does not see .* use s3:// or a folder"),
    "other lake": (lambda one: one._replace(lake="else"), LakeError, "node here does not see "),
    "no server": (lambda one: one._replace(fault="refused"), ServerError, r"\(refused\); set PREFECT_API_URL"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_node_that_is_not_like_this_one_is_named(case: str, lake: Lake, server: str) -> None:
    change, error, message = BAD[case]
    with pytest.raises(error, match=message):
        check(cluster(lambda question: {"here": change(asked(question))}), lake, server)
    assert not list(Path(lake.url).glob(".shared-*"))


def test_a_cluster_without_nodes_or_that_goes_away_is_named(lake: Lake, server: str) -> None:
    with pytest.raises(WorkerError, match="ray:host:1 has no nodes to work; start some"):
        check(cluster(lambda _: {}), lake, server)

    def gone(_: Ask) -> Mapping[str, Answer | str]:
        raise LostError("all is dark")

    with pytest.raises(WorkerError, match="the nodes of ray:host:1 do not answer: all is dark"):
        check(cluster(gone), lake, server)


def test_a_node_says_what_it_sees(lake: Lake, free: int) -> None:
    lake.storage.write(".there", b"token")
    found = answer(lake.address, ".there", f"http://127.0.0.1:{free}/api")
    assert (found.versions, found.lake) == (versions(), "token")
    assert "refused" in found.fault
    assert answer(lake.address, ".elsewhere", f"http://127.0.0.1:{free}/api").lake is None


@pytest.fixture
def free() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


ADDRESSES = ["ray://127.0.0.1:%s", "ray:127.0.0.1:%s", "dask:127.0.0.1:%s", "dask:tcp://127.0.0.1:%s"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_where_nothing_is_takes_no_time(address: str, free: int, monkeypatch: pytest.MonkeyPatch) -> None:
    message = f"no cluster answers at {address} .*; start it, or leave the setting out"
    with pytest.raises(WorkerError, match=message % free), connected(address % free):
        ...
    monkeypatch.setattr(nodes, "REACH_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(WorkerError, match=message % port), connected(address % port):
            ...


@pytest.mark.parametrize("kind", ["ray", "dask"])
def test_a_package_that_is_missing_is_named(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, f"prefect_{kind}", None)
    monkeypatch.setitem(__import__("sys").modules, f"prefect_{kind}.task_runners", None)
    with pytest.raises(WorkerError, match=rf"pip install 'tracemill\[{kind}\]'"), connected(f"{kind}:127.0.0.1:1"):
        ...


@pytest.mark.parametrize("address", ["host:6379", "ray://host", "dask:", "http://host:80", "ray://user:secret@host:1"])
def test_an_address_of_no_known_kind_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="cluster"):
        MachinesConfig(cluster=address)


def test_a_run_whose_cluster_is_missing_ends_before_it_begins(recipe: str, lake: Lake, free: int, server: str) -> None:
    with pytest.raises(WorkerError, match="no cluster answers"):
        curate(recipe, lake.url, [f"machines.cluster=dask:tcp://127.0.0.1:{free}"])
    with pytest.raises(RecipeError, match=r"machines\.cluster"):
        curate(recipe, lake.url, ["machines.cluster=somewhere"])
    assert [one.path for one in lake.storage.files()] == []
