"""Searches in whole runs, with the bundled model: trees in the lake, labels of steps, and nothing is asked twice."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from flows.refresh import refresh
from flows.terminal import show
from schemas.refs import Ref, ReleaseManifest
from tasks.engines.models import Models
from tasks.generate.config import Sampler
from tasks.lake import Lake
from tasks.places import DATA

Run = Callable[..., subprocess.CompletedProcess[str]]
Rows = dict[str, dict[str, Any]]

pytestmark = pytest.mark.usefixtures("prefect_server")

BEAM = {"beam": {"n": 2, "width": 2, "step": {"end": "\n", "max_tokens": 50}, "worth": {"rollouts": 1}}}
BY_SEARCH = ("stepwise", "prm800k", "math_shepherd", "processbench")
MORE = ["generate.samplers.tree.n=2"]


def written(folder: Path, **sampler: Any) -> str:
    """A recipe for two sums; each request is decoded alone, so that its text does not depend on the others."""
    problems = (DATA / "samples/demo-problems.jsonl").read_text().splitlines(keepends=True)[:5:4]
    (folder / "problems.jsonl").write_text("".join(problems))
    common = {"model": "tiny", "n": 1, "temperatures": [1.0], "sampling": {"max_tokens": 120}, "strategy": BEAM}
    engine = {"transformers": {"batch": 1, "threads": 1}}
    recipe = {
        "name": "searched",
        "models": {"tiny": {"model": "${TRACEMILL_DATA}/models/tiny-reasoner", "engine": engine}},
        "ingest": {
            "source": {"format": "jsonl", "path": str(folder / "problems.jsonl")},
            "problem": {"question": "question", "reference": "answer"},
        },
        "generate": {"samplers": {"tree": common | sampler}},
        "export": {"formats": {"sft": {}} | {name: {"verifier": "search"} for name in BY_SEARCH}},
    }
    (folder / "searched.yaml").write_text(yaml.safe_dump(recipe))
    return str(folder / "searched.yaml")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(tmp_path_factory.mktemp("recipe"))


@pytest.fixture(scope="module")
def first(prefect_server: str, recipe: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ReleaseManifest]:
    """A lake after a run, and its release."""
    lake = tmp_path_factory.mktemp("first") / "lake"
    return lake, refresh(recipe, str(lake))


@pytest.fixture(scope="module")
def grown(
    first: tuple[Path, ReleaseManifest], recipe: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, ReleaseManifest]:
    """The same with one more sample of each problem."""
    lake = Path(shutil.copytree(first[0], tmp_path_factory.mktemp("grown") / "lake"))
    return lake, refresh(recipe, str(lake), MORE)


def rows(lake: Path | str, table: str, key: str) -> Rows:
    store = Lake(str(lake))
    return {str(row[key]): row for row in store.rows(store.newest(), table).to_pylist()}


def traces(lake: Path | str) -> Rows:
    return rows(lake, "traces", "trace_id")


def own(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What each search came to."""
    return [row for row in found.values() if row["search"]["note"]]


def never(*_: object) -> None:
    raise AssertionError("a model was asked")


def test_trees_verdicts_and_labels_of_steps(first: tuple[Path, ReleaseManifest]) -> None:
    lake, release = first
    found, said = traces(lake), Lake(str(lake))
    assert len(own(found)) == 2
    parents = [row for row in found.values() if row["parent_trace_id"]]
    assert parents
    for row in parents:
        parent = found[row["parent_trace_id"]]
        assert row["text"].startswith(parent["text"])
        assert row["step_offsets"][: row["fork_step"]] == parent["step_offsets"]
    steps = {(step.stage, step.table): step for step in release.summary.funnel}
    left = [row for row in found.values() if row["finish_reason"] == "step"]
    assert steps["generate", "traces"].reasons["a branch that its search left"] == len(left) > 0
    told = said.rows(said.newest(), "verdicts").to_pylist()
    by_search = {row["trace_id"]: row for row in told if row["verifier"] == "search"}
    assert set(by_search) == {name for name, row in found.items() if row["search"]["step_scores"]}
    assert by_search
    # They say nothing of answers: each trace stands as its answer does.
    stands = {row["trace_id"]: row["status"] for row in said.rows(said.newest(), "standings").to_pylist()}
    assert stands == {row["trace_id"]: row["status"] for row in told if row["verifier"] == "math"}
    for name in BY_SEARCH:
        assert release.summary.exported[f"{name}/train"] > 0
    for row in said.dataset("verdicts", said.newest()["verdicts"]).to_table().to_pylist():
        assert row["verifier"] in ("math", "search")


def test_labels_are_those_of_the_tree(first: tuple[Path, ReleaseManifest]) -> None:
    import pyarrow.parquet as pq

    lake, release = first
    scores = {row["text"]: row["search"]["step_scores"] for row in traces(lake).values()}
    exported = [
        row
        for part in release.formats["stepwise/train"]
        for row in pq.read_table(lake / "releases/searched/v1/stepwise/train" / part.name).to_pylist()
    ]
    by_steps = {"".join(text.split()): those for text, those in scores.items()}
    for row in exported:
        fits = [
            those for text, those in by_steps.items() if text.startswith("".join("".join(row["completions"]).split()))
        ]
        labels = row["labels"]
        assert any(labels == [one > 0 for one in (those or [])[: len(labels)] if one is not None] for those in fits)


def test_people_see_what_searches_came_to(
    first: tuple[Path, ReleaseManifest], page: Callable[[], dict[str, str]]
) -> None:
    lake, release = first
    (told,) = release.summary.searches
    found = traces(lake)
    assert (told.strategy, told.searches, told.branches) == ("beam", 2, len(found))
    assert told.tokens == sum(row["completion_tokens"] for row in rows(lake, "completions", "completion_id").values())
    out = StringIO()
    show(Console(file=out, width=200), release.summary)
    assert f"beam: 2 searches, {len(found) / 2:.1f} branches each; {told.right} came to a right trace" in out.getvalue()
    card = page()["searches"]
    assert "| beam | 2 |" in card
    assert card.count("Oksana the mechanic") >= 1
    assert "▶" in card.split("```text")[-1]
    assert all(len(line) <= 90 for block in card.split("```text")[1:] for line in block.split("```")[0].splitlines())


def test_a_second_run_asks_nothing(
    first: tuple[Path, ReleaseManifest], recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Path(shutil.copytree(first[0], tmp_path / "lake"))
    monkeypatch.setattr(Models, "complete", never)
    assert refresh(recipe, str(lake)).version == "v1"
    assert traces(lake) == traces(first[0])


def test_more_searches_leave_those_that_are_there(
    first: tuple[Path, ReleaseManifest], grown: tuple[Path, ReleaseManifest]
) -> None:
    old, new = traces(first[0]), traces(grown[0])
    assert old.items() <= new.items()
    assert Counter(row["sample_index"] for row in own(new)) == {0: 2, 1: 2}
    assert {row["sample_index"] for name, row in new.items() if name not in old} == {1}
    asked = rows(grown[0], "completions", "completion_id")
    assert {row["number"] for row in asked.values()} == {0, 1}
    assert rows(first[0], "completions", "completion_id").items() <= asked.items()


def test_kill_9_and_the_same_trees_in_the_end(
    grown: tuple[Path, ReleaseManifest], recipe: str, tracemill: Run, tmp_path: Path, prefect_server: str
) -> None:
    lake = tmp_path / "lake"
    environment = os.environ | {"PREFECT_API_URL": prefect_server, "TRACEMILL_LAKE": str(lake)}
    command = [sys.executable, "-m", "flows.cli", "refresh", recipe, "--set", *MORE]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        ends = time.monotonic() + 100
        while not (stored := list(lake.glob("completions/*/journal-*"))) and child.poll() is None:
            assert time.monotonic() < ends
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
    assert stored
    done = tracemill("refresh", recipe, "--set", *MORE)
    assert done.returncode == 0, done.stderr
    assert traces(lake) == traces(grown[0])
    assert rows(lake, "completions", "completion_id") == rows(grown[0], "completions", "completion_id")


def flipped(folder: Path) -> None:
    for part in folder.glob("part-*"):
        data = bytearray(part.read_bytes())
        data[len(data) // 2] ^= 0x20
        part.write_bytes(data)


def searched(lake: Path, *names: str) -> list[Ref]:
    """The tables of the stages that sample."""
    store = Lake(str(lake))
    refs = [ref for table in ("traces", "completions") for ref in store.newest().get(table, ())]
    return [ref for ref in refs if (made := store.manifest(ref)) and made.stage.name in names]


@pytest.mark.parametrize("names", [("generate",), ("search",), ("generate", "search")])
def test_what_is_damaged_is_made_again(
    names: tuple[str, ...],
    first: tuple[Path, ReleaseManifest],
    recipe: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lake, release = Path(shutil.copytree(first[0], tmp_path / "lake")), first[1]
    damaged = searched(lake, *names)
    assert len(damaged) == len(names)
    for ref in damaged:
        flipped(lake / ref.path)
    if names == ("generate",):
        # What its searches were told is there: no model is asked.
        monkeypatch.setattr(Models, "complete", never)
    again = refresh(recipe, str(lake), sample=False)
    assert all(map(Lake(str(lake)).whole, damaged))
    assert traces(lake) == traces(first[0])
    assert rows(lake, "completions", "completion_id") == rows(first[0], "completions", "completion_id")
    assert (again.version, again.formats, again.summary) == (release.version, release.formats, release.summary)


def test_no_search_is_begun_where_enough_are_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, lake = written(tmp_path, n=2, until_accepted=1), str(tmp_path / "lake")
    refresh(recipe, lake)
    stands = {name: row["status"] for name, row in rows(lake, "standings", "trace_id").items()}
    by_problem: dict[str, list[dict[str, Any]]] = {}
    for row in own(traces(lake)):
        by_problem.setdefault(row["problem_id"], []).append(row)
    assert len(by_problem) == 2
    for those in by_problem.values():
        right = [stands.get(row["trace_id"]) == "correct" for row in sorted(those, key=lambda one: one["sample_index"])]
        assert right in ([True], [False, True], [False, False])
    monkeypatch.setattr(Models, "complete", never)
    assert refresh(recipe, lake).version == "v1"


def test_a_target_is_reached_by_searches(
    first: tuple[Path, ReleaseManifest], recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, wanted = str(shutil.copytree(first[0], tmp_path / "lake")), first[1].summary.accepted + 1
    release = refresh(recipe, lake, MORE, target_accepted=wanted)
    assert release.summary.accepted >= wanted
    before = traces(lake)
    monkeypatch.setattr(Models, "complete", never)
    assert refresh(recipe, lake, MORE, target_accepted=wanted).version == release.version
    assert traces(lake) == before


def test_a_lake_from_before_there_were_strategies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, lake = written(tmp_path, strategy="sample", n=2), tmp_path / "lake"
    dumped = Sampler.model_dump

    def then(self: Sampler, **how: Any) -> dict[str, Any]:
        return {name: value for name, value in dumped(self, **how).items() if name != "strategy"} | {"budget": None}

    with monkeypatch.context() as before:
        before.setattr(Sampler, "model_dump", then)
        before.setattr("tasks.generate.task._settled", lambda *_: False)
        content = yaml.safe_load(Path(recipe).read_text())
        content["export"]["formats"] = {"sft": {}}
        Path(recipe).write_text(yaml.safe_dump(content))
        made = refresh(recipe, str(lake))
    (ref,) = searched(lake, "generate")
    assert (
        "strategy"
        not in json.loads((lake / ref.path / "manifest.json").read_text())["stage"]["config"]["samplers"]["tree"]
    )
    old = traces(lake)
    with monkeypatch.context() as now:
        now.setattr(Models, "complete", never)
        assert refresh(recipe, str(lake)).version == made.version
    flipped(lake / ref.path)
    assert refresh(recipe, str(lake), sample=False).version == made.version
    assert traces(lake) == old
    searching = [f"generate.samplers.tree.strategy={json.dumps(BEAM)}", "generate.samplers.tree.n=3"]
    refresh(recipe, str(lake), searching)
    assert old.items() <= traces(lake).items()
    assert {row["search"]["strategy"] for row in traces(lake).values() if row["search"]} == {"beam"}
