"""Generation by several workers: what they make together is what one run makes, whatever happens to one of them."""

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.refresh import refresh
from flows.sample import DEPLOYMENT, sample
from flows.spread import Job, send
from schemas.errors import LakeError, RecipeError, ServerError
from schemas.refs import ReleaseManifest
from tasks.lake import Lake
from tasks.places import DATA
from tasks.progress import watched_by

GIVEN = """
name: given
models: {tiny: {model: "${TRACEMILL_DATA}/models/tiny-reasoner", engine: {transformers: {batch: 1}}}}
ingest:
  source: {format: jsonl, path: "%s"}
  problem: {question: question, reference: answer}
generate:
  samplers: {tiny: {model: tiny, on_policy: true, n: 5, sampling: {max_tokens: 64}}}
machines: {patience_s: 60}
"""
pytestmark = pytest.mark.xdist_group("worker")
WORKERS = ("machines.workers=2",)
TOKENS = re.compile(r"\*\*cost\*\*: ([\d,]+) tokens sampled.*; engines up for (?:\d+ min )?[\d.]+ s")
Made = dict[str, bytes]


class Recorder:
    """Counts rows by stage, and keeps what is noted."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.notes: list[str] = []

    def started(self, stage: str, total: int | None) -> None:
        self.rows[stage] += 0

    def advanced(self, stage: str, rows: int) -> None:
        self.rows[stage] += rows

    def measured(self, stage: str, amounts: Mapping[str, int]) -> None: ...

    def noted(self, message: str) -> None:
        self.notes.append(message)

    def finished(self, stage: str) -> None: ...


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A recipe for twelve problems, each sampled five times, one after another: of rows that are decoded together one
    in some hundred depends on which those are, by the rounding of their sums."""
    folder = tmp_path_factory.mktemp("given")
    samples = (DATA / "samples/demo-problems.jsonl").read_text().splitlines(keepends=True)
    (folder / "problems.jsonl").write_text("".join(samples[:12]))
    (folder / "given.yaml").write_text(GIVEN % (folder / "problems.jsonl"))
    return str(folder / "given.yaml")


@pytest.fixture(scope="module")
def alone(given: str, prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """What one run makes by itself."""
    lake = tmp_path_factory.mktemp("alone") / "lake"
    refresh(given, str(lake))
    return made(lake)


def made(lake: Path) -> Made:
    """The bytes of a release's files and of all traces; the manifest has a time in it."""
    files = [*lake.glob("releases/**/*"), *lake.glob("traces/*/part-*")]
    return {
        str(path.relative_to(lake)): path.read_bytes()
        for path in files
        if path.is_file() and path.name != "manifest.json"
    }


def runs_of(plan_of: Path) -> list[FlowRun]:
    """The runs of the deployment `sample` over a lake, oldest first."""
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs()
    mine = [run for run in runs if run.parameters.get("lake") == str(plan_of) and "share" in run.parameters]
    return sorted(mine, key=lambda run: str(run.created))


def by_workers(recipe: str, lake: Path, *overrides: str) -> tuple[ReleaseManifest, Recorder]:
    recorder = Recorder()
    with watched_by(recorder):
        return refresh(recipe, str(lake), [*WORKERS, *overrides]), recorder


def sampled(told: str) -> int:
    """The tokens that the overview of a run tells of."""
    found = TOKENS.search(told)
    assert found, told
    return int(found[1].replace(",", ""))


@pytest.mark.timeout(500)
def test_two_shares_are_what_one_run_makes_and_cost_what_they_cost(
    given: str, alone: Made, worker: Any, tmp_path: Path, page: Callable[[], dict[str, str]]
) -> None:
    lake = tmp_path / "lake"
    release, seen = by_workers(given, lake)
    assert made(lake) == alone
    assert release.summary
    assert sampled(page()["overview"]) == release.summary.tokens
    assert (seen.rows["generate by workers"], seen.rows["generate"]) == (12 * 5, 0)
    assert not seen.notes
    runs = runs_of(lake)
    assert [run.state_name for run in runs] == ["Completed", "Completed"]
    assert {run.parameters["share"] for run in runs} == {0, 1}
    assert all(run.parent_task_run_id for run in runs)
    assert list((lake / "plans").iterdir()) == []
    assert by_workers(given, lake)[1].rows["generate by workers"] == 0
    assert len(runs_of(lake)) == 2


@pytest.mark.timeout(500)
def test_a_share_that_is_killed_is_sent_again_and_nothing_is_lost(
    given: str, alone: Made, worker: Any, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    killed: list[int] = []

    def kill() -> None:
        while not killed:
            if any(lake.glob("traces/*/journal-*")):
                for run in sharing(worker.process):
                    run.kill()
                    killed.append(run.pid)
                    return
            time.sleep(0.01)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    by_workers(given, lake)
    assert len(killed) == 1
    assert Counter(run.state_name for run in runs_of(lake)) == {"Crashed": 1, "Completed": 2}
    assert made(lake) == alone


def sharing(worker: psutil.Process) -> Iterator[psutil.Process]:
    """The processes that sample; each is the worker's grandchild at most."""
    for one in worker.children(recursive=True):
        try:
            if "PREFECT__FLOW_RUN_ID" in one.environ() and one.status() != psutil.STATUS_ZOMBIE:
                yield one
        except psutil.NoSuchProcess:
            continue


@pytest.fixture
def resting(worker: Any) -> Iterator[None]:
    """The worker takes nothing for a while."""
    with get_client(sync_client=True) as client:
        client.update_work_pool("tracemill", WorkPoolUpdate(is_paused=True))
        yield
        client.update_work_pool("tracemill", WorkPoolUpdate(is_paused=False))


def job(lake: Path, share: int) -> Job:
    parameters: dict[str, Any] = {"recipe": "demo", "lake": str(lake), "overrides": [], "plan": "none", "share": share}
    return Job(f"share {share}", parameters, lambda: None)


def test_what_no_worker_takes_is_given_up(resting: None, tmp_path: Path) -> None:
    jobs = [job(tmp_path, 0), job(tmp_path, 1)]
    assert send(DEPLOYMENT, jobs, 1, lambda: None) == ["no worker took it"] * 2
    assert [run.state_name for run in runs_of(tmp_path)] == ["Cancelled"] * 2


def test_whoever_is_stopped_takes_its_runs_along(resting: None, tmp_path: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send(DEPLOYMENT, [job(tmp_path, 0)], 60, stop)
    assert [run.state_name for run in runs_of(tmp_path)] == ["Cancelled"]


def test_open_runs_of_a_caller_that_was_killed_are_taken_over(
    resting: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("flows.spread._cancel", lambda runs: None)
        send(DEPLOYMENT, [job(tmp_path, 0)], 0.1, lambda: None)
    send(DEPLOYMENT, [job(tmp_path, 0), job(tmp_path, 1)], 0.1, lambda: None)
    assert [run.parameters["share"] for run in runs_of(tmp_path)] == [0, 1]


def test_a_run_that_shows_no_life_is_given_up(worker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when its machine went down: the server would call it running for ever."""
    monkeypatch.setattr("flows.spread.LOST_S", 0.0)
    (why,) = send(DEPLOYMENT, [job(tmp_path, 0)], 60, lambda: None)
    assert why is not None
    assert "no sign of life" in why
    assert len(runs_of(tmp_path)) == 2


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda lake: sample("demo", str(lake), [], "gone", 0), LakeError, "gone.json is not there"),
        (lambda lake: send("sample/none", [job(lake, 0)], 1, lambda: None), RecipeError, "no deployment sample/none"),
    ],
)
def test_what_is_missing_is_named(
    act: Callable[[Path], object], error: type[Exception], words: str, tmp_path: Path, prefect_server: str
) -> None:
    with pytest.raises(error, match=words):
        act(tmp_path)


def test_a_run_with_a_server_of_its_own_has_no_workers(tmp_path: Path) -> None:
    with temporary_settings(restore_defaults={PREFECT_API_URL}), pytest.raises(ServerError, match="make server"):
        send(DEPLOYMENT, [job(tmp_path, 0)], 1, lambda: None)


def test_another_recipe_than_the_runs_own_is_refused(
    given: str, tmp_path: Path, prefect_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a worker would sample by an older copy of the recipe belongs to another table."""
    lake = str(tmp_path / "lake")
    plans: list[str] = []

    def worker(deployment: str, jobs: list[Job], *_: object) -> list[str | None]:
        plans.append(str(jobs[0].parameters["plan"]))
        with pytest.raises(RecipeError, match="have the same recipe"):
            sample(given, lake, ["generate.samplers.tiny.sampling.max_tokens=9"], plans[-1], 0)
        return ["Failed: refused"] * len(jobs)

    monkeypatch.setattr("flows.sample.send", worker)
    release, seen = by_workers(given, Path(lake), "generate.samplers.tiny.n=1")
    assert len(plans) == 1
    assert any("this run takes what is missing of it" in note for note in seen.notes)
    assert Lake(lake).row_count(release.tables["traces"]) == 12
