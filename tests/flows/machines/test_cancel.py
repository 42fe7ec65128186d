"""Cancelled from the page, a run ends in time, leaves no process, keeps what it made, and can be gone on with."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psutil
import pyarrow.parquet as pq
import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import State
from prefect.states import Cancelling

from flows.curate import curate
from flows.refresh import refresh
from tasks.lake import Lake
from tasks.places import DATA

ROOT: Final = Path(__file__).parents[3]
START_S: Final = 150
GRACE_S: Final = 30
"""Prefect kills a run that takes longer."""
IGNORING = """import signal
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
while True:
    pass
"""


pytestmark = pytest.mark.xdist_group("worker")


class Run:
    """A run of a deployment, and its processes."""

    def __init__(self, client: SyncPrefectClient, deployment: str, parameters: dict[str, Any]) -> None:
        self._client = client
        found = client.read_deployment_by_name(deployment)
        self.id: UUID = client.create_flow_run_from_deployment(found.id, parameters=parameters).id

    def state(self) -> State[Any]:
        state = self._client.read_flow_run(self.id).state
        assert state is not None
        return state

    def family(self) -> list[psutil.Process]:
        """The processes that work for the run, by the environment that they inherit, and all that they started."""
        bearing = [one for one in psutil.process_iter() if str(self.id) in _environment(one)]
        return list({*bearing, *(child for one in bearing for child in _children(one))})

    def wait_for(self, there: Callable[[], bool]) -> None:
        until = time.monotonic() + START_S
        while not there():
            state = self.state()
            assert not state.is_final(), f"it ended before: {state.name}: {state.message}"
            assert time.monotonic() < until
            time.sleep(0.1)

    def cancel(self) -> State[Any]:
        """As the page does; gives the state in which the run ends."""
        family = self.family()
        assert family
        began = time.monotonic()
        self._client.set_flow_run_state(self.id, Cancelling())
        while not (state := self.state()).is_final():
            assert time.monotonic() - began < 2 * GRACE_S
            time.sleep(0.2)
        _, left = psutil.wait_procs([*family, *self.family()], timeout=5)
        assert [one for one in left if one.status() != psutil.STATUS_ZOMBIE] == []
        return state

    def overview(self) -> str:
        """What the page tells of the run."""
        mine = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[self.id]))
        (text,) = (str(one.data) for one in self._client.read_artifacts(artifact_filter=mine) if one.key == "overview")
        return text


def _environment(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return process.environ().get("PREFECT__FLOW_RUN_ID", "")
    return ""


def _children(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return process.children(recursive=True)
    return []


Start = Callable[[str, Path, Path], Run]


@pytest.fixture
def start(worker: Any) -> Iterator[Start]:
    """Start runs of the deployments `refresh` and `curate`, of a recipe, into a lake."""
    with get_client(sync_client=True) as client:

        def started(flow: str, recipe: Path, lake: Path) -> Run:
            (worker.recipes / recipe.name).write_text(recipe.read_text())
            worker.deploy(flow)
            return Run(client, f"{flow}/{flow}", {"recipe": recipe.stem, "lake": str(lake)})

        yield started


@pytest.fixture
def generating(tmp_path: Path) -> Path:
    """A recipe that samples for some seconds."""
    recipe = yaml.safe_load((DATA / "recipes/demo.yaml").read_text())
    recipe["name"] = "small"
    recipe["models"]["tiny"]["engine"] = {
        "transformers": {"batch": 1}
    }  # what is decoded together with others may differ in a bit
    del recipe["problems"]
    recipe["ingest"] = {
        "source": {"format": "jsonl", "path": str(DATA / "samples/demo-problems.jsonl")},
        "problem": {"question": "question", "reference": "answer"},
    }
    recipe["ingest"]["limit"] = 3
    recipe["verify"]["majority"] = None
    recipe["decontaminate"] = {"benchmarks": {}}
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


@pytest.mark.timeout(400)
def test_cancelled_while_it_samples(start: Start, generating: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    run = start("refresh", generating, lake)
    run.wait_for(lambda: any(lake.glob("traces/*/journal-*")))
    assert run.cancel().is_cancelled()
    stored = {
        str(name)
        for path in lake.glob("traces/*/journal-*")
        for name in pq.read_table(path, columns=["trace_id"])["trace_id"].to_pylist()
    }
    assert stored
    assert f"Stopped in generate ({len(stored):,} of " in run.overview()
    assert "goes on from here" in run.overview()

    release = refresh(str(generating), str(lake))
    undisturbed = refresh(str(generating), str(tmp_path / "undisturbed"))
    assert stored <= set(map(str, Lake(str(lake)).rows(release.tables, "traces")["trace_id"].to_pylist()))
    assert release.summary == undisturbed.summary
    assert release.formats == undisturbed.formats


@pytest.mark.timeout(300)
def test_cancelled_while_a_program_runs_that_hears_no_signal(start: Start, tmp_path: Path) -> None:
    source = tmp_path / "programs.jsonl"
    tests = "assert square(3) == 9"
    texts = [f"```python\n{IGNORING}\n```", "```python\ndef square(x):\n    return x * x\n```"]
    source.write_text(json.dumps({"q": "Write square(x).", "tests": tests, "texts": texts}))
    recipe = tmp_path / "programs.yaml"
    verify = {"verifiers": {"code": {"time_s": 100, "isolation": "best_effort"}}, "deadline_s": 120}
    ingest = {
        "source": {"format": "jsonl", "path": str(source)},
        "problem": {"domain": "code", "question": "q", "tests": "tests"},
        "completions": [{"text": "texts[]"}],
    }
    recipe.write_text(
        yaml.safe_dump({"name": "programs", "ingest": ingest, "verify": verify, "export": {"formats": {"sft": {}}}})
    )
    lake = tmp_path / "lake"
    run = start("curate", recipe, lake)
    run.wait_for(lambda: any(lake.glob("traces/*/manifest.json")) and any(map(_ignores, run.family())))
    assert run.cancel().is_cancelled()
    assert "Stopped in verify" in run.overview()
    hurried = "verify.verifiers.code={time_s: 0.5, isolation: best_effort}"
    assert curate(str(recipe), str(lake), [hurried]).summary.verdicts == {"correct": 1, "incorrect": 1}


def _ignores(process: psutil.Process) -> bool:
    """Whether a process ignores SIGTERM, as the kernel tells."""
    with suppress(OSError):
        status = Path(f"/proc/{process.pid}/status").read_text()
        ignored = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigIgn")), 16)
        return bool(ignored & (1 << 14)) and process.cpu_times().user > 0.5
    return False
