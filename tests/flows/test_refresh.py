"""From personas to a release with the bundled model, and on from there."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from flows.config import RefreshConfig
from flows.recipes import resolve
from flows.refresh import refresh
from schemas.errors import LakeError, TracemillError
from tasks.engines.models import Models
from tasks.lake import Lake
from tasks.places import DATA
from tasks.verify.verifiers import math

Run = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def generating(tmp_path: Path) -> str:
    """The demo's recipe with small numbers."""
    recipe = yaml.safe_load((DATA / "recipes/demo.yaml").read_text())
    recipe["name"] = "small"
    recipe["problems"]["count"] = 24
    recipe["verify"]["majority"] = {"share": 0.3, "least": 2}
    recipe["generate"]["samplers"]["tiny"] |= {"n": 4, "temperatures": [0.7]}
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return str(path)


def traces(lake: str) -> dict[str, dict[str, object]]:
    store = Lake(lake)
    return {str(row["trace_id"]): row for row in store.rows(store.newest(), "traces").to_pylist()}


def problems(lake: str) -> pa.Table:
    store = Lake(lake)
    return store.rows(store.newest(), "problems")


def test_a_run_makes_a_release_and_the_next_adds_only_new_rows(generating: str, tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    first = refresh(generating, lake)
    steps = {(step.stage, step.table): step for step in first.summary.funnel}
    assert steps["personas", "personas"].after == 1_200
    assert steps["problems", "problems"].before == 24
    assert steps["generate", "traces"].before == 4 * steps["decontaminate", "problems"].after
    assert first.summary.tokens
    assert first.summary.exported["sft/train"] == first.summary.accepted > 0
    assert {"funnel.png", "pass_rates.png", "README.md"} <= set(first.files)
    card = (Path(lake) / "releases/small/v1/README.md").read_text()
    assert re.search(r"\| tiny \| tiny-reasoner \| \w{20} \| transformers \| 0\.7 \| 1\.0 \| 300 \| 4 \|", card)
    assert "| personas (bundled) | apache-2.0 |" in card
    old_traces, old_problems = traces(lake), problems(lake)
    row = next(iter(old_traces.values()))
    assert row["on_policy"] is True
    assert row["model_revision"]
    assert row["template_hash"]

    first_tables = Lake(lake).newest()
    second = refresh(generating, lake)
    assert (second.version, second.previous) == ("v2", "v1")
    # Nothing of the first round was made again, nor were its files.
    name = first.formats["sft/train"][0].name
    assert second.formats["sft/train"][0].name == name
    assert len(second.formats["sft/train"]) == 2
    versions = [Path(lake) / "releases/small" / version / "sft/train" / name for version in ("v1", "v2")]
    assert versions[0].samefile(versions[1])
    assert set(second.changes) == {"sft/train added", "dpo/train added"}
    assert all(set(refs) <= set(Lake(lake).newest()[name]) for name, refs in first_tables.items())
    new_traces = traces(lake)
    assert old_traces.items() <= new_traces.items()
    assert len(new_traces) > len(old_traces)
    both = problems(lake)
    assert both.slice(0, old_problems.num_rows).equals(old_problems)
    assert set(both["round"].to_pylist()) == {0, 1}
    asked = Lake(lake).rows(Lake(lake).newest(), "completions", ["subject_id"])["subject_id"].to_pylist()
    assert len(asked) == len(set(asked)) == 48


def test_a_target_that_is_reached_stops_the_run_and_the_next(generating: str, tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    release = refresh(generating, lake, target_accepted=10)
    assert release.summary.accepted >= 10
    found = traces(lake)
    again = refresh(generating, lake, target_accepted=10)
    assert again.version == release.version
    assert traces(lake) == found


def test_a_target_out_of_reach_ends_when_nothing_is_left_to_ask(generating: str, tmp_path: Path) -> None:
    overrides = ["personas.limit=20"]
    release = refresh(generating, str(tmp_path / "lake"), overrides, target_accepted=5_000)
    entered = {step.table: step.before for step in reversed(release.summary.funnel)}
    assert entered["problems"] == 20
    assert release.summary.accepted < 5_000


def test_a_run_of_which_nothing_is_left_says_what_was_dropped(generating: str, tmp_path: Path) -> None:
    overrides = ["problems.count=4", "problems.gate.max_chars=10"]
    with pytest.raises(TracemillError, match=r"nothing is left to publish \(dropped: 4 problems by problems\)"):
        refresh(generating, str(tmp_path / "lake"), overrides)


GIVEN = """
name: given
models: {tiny: {model: "${TRACEMILL_DATA}/models/tiny-reasoner"}}
ingest:
  source: {format: jsonl, path: "%s"}
  problem: {question: question, reference: answer}
  completions: [{text: solution, source: gold, on_policy: false}]
generate:
  samplers: {tiny: {model: tiny, on_policy: true, n: 4, sampling: {max_tokens: 200}}}
"""


def test_problems_that_are_there_are_sampled_and_new_ones_of_the_source_join_them(tmp_path: Path) -> None:
    samples = (DATA / "samples/demo-problems.jsonl").read_text().splitlines(keepends=True)
    source, recipe, lake = tmp_path / "problems.jsonl", tmp_path / "given.yaml", str(tmp_path / "lake")
    source.write_text("".join(samples[:6]))
    recipe.write_text(GIVEN % source)
    first = refresh(str(recipe), lake)
    assert first.summary.kept_verdicts["correct"] > 6  # the gold solutions, and some of the model's
    old = traces(lake)
    assert Counter(row["source"] for row in old.values()) == {"gold": 6, "tiny": 24}
    assert refresh(str(recipe), lake).version == first.version
    assert traces(lake) == old

    source.write_text("".join(samples[:9]))
    assert refresh(str(recipe), lake).version == "v2"
    new = traces(lake)
    assert old.items() <= new.items()
    assert Counter(row["source"] for row in new.values()) == {"gold": 9, "tiny": 36}
    assert problems(lake)["round"].to_pylist() == [0] * 6 + [1] * 3


def test_a_recipe_without_problems_says_so(tmp_path: Path) -> None:
    recipe = tmp_path / "none.yaml"
    recipe.write_text("name: none\nmodels: {m: {model: x}}\ngenerate: {samplers: {m: {model: m}}}\n")
    with pytest.raises(TracemillError, match="no model writes any, and `ingest` brings none"):
        refresh(str(recipe), str(tmp_path / "lake"))


def test_without_sampling_what_is_there_is_verified_again(
    generating: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = str(tmp_path / "lake")
    with pytest.raises(LakeError, match="nothing of it to curate again"):
        refresh(generating, lake, sample=False)
    refresh(generating, lake)
    old = traces(lake)

    def never(*_: object) -> None:
        raise AssertionError("a model was asked")

    monkeypatch.setattr(Models, "complete", never)
    monkeypatch.setattr(math, "build", lambda config: math.MathVerifier(config, version="next"))
    again = refresh(generating, lake, sample=False)
    assert again.version == "v2"
    assert traces(lake) == old
    store = Lake(lake)
    versions = store.rows(store.newest(), "verdicts", ["verifier_version"])["verifier_version"]
    assert set(versions.to_pylist()) == {"next"}


def test_more_samples_are_taken_of_problems_that_are_there(generating: str, tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    refresh(generating, lake)
    old = traces(lake)
    refresh(generating, lake, ["problems.count=0", "generate.samplers.tiny.n=6"])
    new = traces(lake)
    assert old.items() <= new.items()
    assert len(new) * 4 == len(old) * 6


def test_kill_9_loses_nothing_and_the_run_goes_on(
    generating: str, tracemill: Run, tmp_path: Path, prefect_server: str
) -> None:
    environment = os.environ | {"PREFECT_API_URL": prefect_server, "TRACEMILL_LAKE": str(tmp_path / "lake")}
    command = [sys.executable, "-m", "flows.cli", "refresh", generating, "--set", "generate.samplers.tiny.n=48"]
    journal = tmp_path / "lake/traces"
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        ends = time.monotonic() + 100
        while not (stored := list(journal.glob("*/journal-*"))) and child.poll() is None and time.monotonic() < ends:
            time.sleep(0.05)
        child.send_signal(signal.SIGKILL)
    assert stored
    import pyarrow.parquet as pq

    before = {str(row["trace_id"]): row["text"] for path in stored for row in pq.read_table(path).to_pylist()}
    done = tracemill("refresh", generating, "--set", "generate.samplers.tiny.n=48")
    assert done.returncode == 0, done.stderr
    after = traces(str(tmp_path / "lake"))
    assert {one: after[one]["text"] for one in before} == before
    assert len(after) % 48 == 0


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("models.tiny.model=/no/such/model", "/no/such/model"),
        ("models.tiny.engine=abacus", "unknown name 'abacus' in kinds"),
        ("problems.model=huge", r"problems\.model: huge is none of the recipe's models, which are tiny"),
        ("generate.samplers.tiny.n=0", "generate.samplers.tiny.n"),
        ("verify.majority.witness=agrees", "witness"),
    ],
)
def test_mistakes_are_named(generating: str, tmp_path: Path, setting: str, words: str) -> None:
    with pytest.raises(TracemillError, match=words):
        refresh(generating, str(tmp_path / "lake"), [setting, "problems.count=1"])


def test_the_bundled_recipe_says_by_which_line_the_engine_is_chosen() -> None:
    text = (DATA / "recipes/demo.yaml").read_text()
    (line,) = (line for line in text.splitlines() if line.strip().startswith("engine:"))
    for engine in ("vllm", 'openai: {base_url: "http://127.0.0.1:8000/v1"}'):
        assert engine in line
    config = resolve("demo", ['models.tiny.engine={openai: {base_url: "http://127.0.0.1:1/v1"}}'], RefreshConfig)
    assert json.loads(config.model_dump_json())["models"]["tiny"]["engine"]["openai"]["base_url"].endswith(":1/v1")
