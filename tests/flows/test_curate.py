"""The whole flow, from a file of traces to a release that trainers open."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from flows.curate import curate
from flows.page.fences import fenced
from flows.query import query
from schemas.errors import EmptyError, RecipeError
from schemas.refs import ReleaseManifest
from tasks.lake import Lake

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def lake(tmp_path: Path) -> str:
    return str(tmp_path / "lake")


def folder(lake: str, release: ReleaseManifest) -> Path:
    return Path(lake) / "releases" / release.name / release.version


def steps(release: ReleaseManifest) -> dict[tuple[str, str], tuple[int, int]]:
    return {(step.stage, step.table): (step.before, step.after) for step in release.summary.funnel}


def test_traces_become_a_release(recipe: str, lake: str) -> None:
    release = curate(recipe, lake)
    assert (release.name, release.version, release.previous) == ("tiny", "v1", None)
    assert steps(release) == {
        ("ingest", "problems"): (16, 16),
        ("verify", "problems"): (16, 16),
        ("dedupe", "problems"): (16, 16),
        ("decontaminate", "problems"): (16, 15),
        ("ingest", "traces"): (48, 48),
        ("verify", "traces"): (48, 48),
        ("dedupe", "traces"): (48, 32),
        ("decontaminate", "traces"): (32, 30),
    }
    assert release.summary.verdicts == {"correct": 32, "incorrect": 16}
    assert release.summary.exported == {"dpo/train": 15, "sft/train": 15}
    assert release.summary.pass_rates == (0, 0, 0, 0, 0, 0, 16, 0, 0, 0)
    assert release.summary.pass_at_k == {1: pytest.approx(2 / 3), 2: 1.0}
    (found,) = release.summary.agreements
    assert (found.verifier, found.share) == ("math", 1.0)
    assert (found.false_positives.count, found.false_negatives.count) == (0, 0)
    assert found.false_positives.of + found.false_negatives.of == found.labelled


def test_a_gold_slice_measures_the_verifiers_and_is_not_released(recipe: str, lake: str, tmp_path: Path) -> None:
    gold = tmp_path / "gold.jsonl"
    texts = [("A: 4", "true"), ("A: 5", "false"), ("A: 4", "false"), ("It is four.", "true")]
    gold.write_text(json.dumps({"q": "2 + 2?", "a": "4", "s": [{"t": text, "l": label} for text, label in texts]}))
    source = f"{{format: jsonl, path: '{gold}'}}"
    columns = "problem: {question: q, reference: a}, completions: [{text: 's[].t', labels: {is_correct: 's[].l'}}]"
    release = curate(recipe, lake, [f"gold={{source: {source}, {columns}}}"])
    (found,) = release.summary.agreements
    assert (found.labelled, found.agreeing) == (48 + 4, 48 + 2)
    assert (found.false_positives.count, found.false_positives.of) == (1, 16 + 2)
    assert (found.false_negatives.count, found.false_negatives.of) == (1, 32 + 2)
    assert release.summary.exported == {"dpo/train": 15, "sft/train": 15}


def test_exports_open_and_hold_only_what_was_verified(recipe: str, lake: str) -> None:
    place = folder(lake, curate(recipe, lake))
    sft = load_dataset("parquet", data_files=f"{place}/sft/train/*.parquet", split="train")
    dpo = load_dataset("parquet", data_files=f"{place}/dpo/train/*.parquet", split="train")
    assert [turn["role"] for turn in sft[0]["messages"]] == ["user", "assistant"]
    verdicts = Lake(lake).read(*Lake(lake).newest()["verdicts"], columns=["trace_id", "status"]).to_pylist()
    statuses = {row["trace_id"]: row["status"] for row in verdicts}
    assert {statuses[one] for one in sft["trace_id"]} == {"correct"}
    assert {statuses[one] for one in dpo["chosen_trace_id"]} == {"correct"}
    assert {statuses[one] for one in dpo["rejected_trace_id"]} == {"incorrect"}
    assert not any(row["chosen"] == row["rejected"] for row in dpo)


def test_the_card_explains_each_number(recipe: str, lake: str) -> None:
    place = folder(lake, curate(recipe, lake))
    card = (place / "README.md").read_text()
    for words in (
        "license: apache-2.0",
        "| dedupe | traces | 48 | 16 | 32 |",
        "| exam | 1 | 1 | 100.00% | contaminated (over 2%) | 1 | 0 |",
        "| verbatim | yes | 1 of 1 (100.00%; 20.65% to 100.00%) |",
        "| words shuffled | no | 0 of 1",
        "A few sums.",
    ):
        assert words in card
    lineage = json.loads((place / "lineage.json").read_text())
    names = [stage["name"] for stage in lineage["stages"]]
    assert names[:4] == ["benchmarks", "canaries", "ingest", "contamination"]
    assert {"verify", "dedupe problems", "dedupe traces", "decontaminate", "preferences"} <= set(names)


def test_what_is_selected_is_released_and_people_look_at_what_is_wrong(recipe: str, lake: str) -> None:
    chosen = ["select=[{difficulty: {models: [m], solved: 0.7}}, {caps: {problems: {domain: 4}}}]", "queue={count: 5}"]
    release = curate(recipe, lake, chosen)
    assert steps(release)["select", "problems"] == (15, 4)
    assert steps(release)["select", "traces"] == (30, 8)
    (last,) = [step for step in release.summary.funnel if (step.stage, step.table) == ("select", "problems")]
    assert last.reasons == {"caps: more than 4 of one domain": 11}
    assert release.summary.exported == {"dpo/train": 4, "sft/train": 4}
    assert release.summary.queued == 5
    rows = query(
        Lake(lake), "select q.rank, q.reason, s.status from queue q join standings s using (trace_id)"
    ).to_pylist()
    assert [(row["rank"], row["status"]) for row in sorted(rows, key=lambda row: int(row["rank"]))] == [
        (rank, "incorrect") for rank in range(1, 6)
    ]
    assert {row["reason"] for row in rows} == {"its answer is that of 1 of 3 traces"}
    with pytest.raises(RecipeError, match=r"select\.difficulty: no trace is by 'giant'; there are m, "):
        curate(recipe, lake, ["select=[{difficulty: {models: [giant]}}]"])
    with pytest.raises(RecipeError, match=r"queue\.judge: wise is none of the recipe's judges"):
        curate(recipe, lake, ["queue={count: 5, judge: wise}"])


def test_running_again_changes_nothing(recipe: str, lake: str) -> None:
    curate(recipe, lake)
    before = files(lake)
    assert curate(recipe, lake).version == "v1"
    assert files(lake) == before


def files(lake: str) -> dict[str, tuple[int, bytes]]:
    """Every file but the notes of runs, with its inode and content."""
    return {
        str(path.relative_to(lake)): (path.stat().st_ino, path.read_bytes())
        for path in Path(lake).rglob("*")
        if path.is_file() and "snapshots" not in path.parts
    }


def test_a_new_version_says_what_changed(recipe: str, lake: str, traces: Path) -> None:
    curate(recipe, lake)
    lines = traces.read_text().splitlines()
    traces.write_text("\n".join(lines[1:]))
    release = curate(recipe, lake)
    assert (release.version, release.previous) == ("v2", "v1")
    assert release.changes == {"dpo/train removed": 1, "sft/train removed": 1}
    diff = pq.read_table(folder(lake, release) / "diff.parquet").to_pylist()
    assert [(row["format"], row["change"], row["reason"]) for row in diff] == [
        ("dpo/train", "removed", None),
        ("sft/train", "removed", None),
    ]
    third = curate(
        recipe,
        lake,
        ["dedupe.across_verdicts=true", "decontaminate.benchmarks.exam.text=question", "dedupe.traces=null"],
    )
    assert third.changes == {"dpo/train added": 14, "sft/train added": 14}
    assert curate(recipe, lake).version == "v2"


def test_a_removed_row_says_which_stage_dropped_it(recipe: str, lake: str) -> None:
    curate(recipe, lake, ["decontaminate.benchmarks={}"])
    release = curate(recipe, lake)
    diff = pq.read_table(folder(lake, release) / "diff.parquet").to_pylist()
    assert {row["reason"] for row in diff} == {"decontaminate: its problem overlaps a benchmark"}


def test_nothing_left_is_said_and_nothing_published(recipe: str, lake: str) -> None:
    with pytest.raises(EmptyError, match=r"release tiny: nothing is left to publish \(dropped: .*decontaminate"):
        curate(recipe, lake, ["decontaminate.mode=any_ngram", "decontaminate.ngram=1"])
    assert not (Path(lake) / "releases").exists()
    assert Lake(lake).snapshots()[-1].summary is not None


def test_any_fsspec_url(recipe: str) -> None:
    url = "memory://curate/lake"
    assert curate(recipe, url).version == "v1"
    assert curate(recipe, url).version == "v1"


def test_damage_is_mended_on_the_next_run(recipe: str, lake: str) -> None:
    release = curate(recipe, lake)
    before = files(lake)
    verdicts = sorted(Path(lake).glob("verdicts/*/part-*"))
    for path in (*Path(lake).glob("traces/*/part-00001-*"), *folder(lake, release).glob("sft/train/*")):
        path.write_bytes(b"damaged")
    (folder(lake, release) / "README.md").unlink()
    kept = {path: path.stat().st_ino for path in verdicts}
    assert curate(recipe, lake).version == "v1"
    after = files(lake)
    assert {name: content for name, (_, content) in after.items() if not name.endswith("manifest.json")} == {
        name: content for name, (_, content) in before.items() if not name.endswith("manifest.json")
    }
    assert {path: path.stat().st_ino for path in verdicts} == kept


def test_the_page_shows_funnel_and_samples(recipe: str, lake: str, page: Callable[[], dict[str, str]]) -> None:
    curate(recipe, lake)
    artifacts = page()
    assert {"funnel", "samples", "agreement", "contamination", "release"} <= artifacts.keys()
    assert "| dedupe | traces | 48 | 16 | 32 |" in artifacts["funnel"]
    assert artifacts["samples"].count("### correct") == artifacts["samples"].count("### incorrect") == 3


def test_what_a_model_wrote_is_shown_not_rendered() -> None:
    assert fenced("![x](http://example.org/x.png)") == "```text\n![x](http://example.org/x.png)\n```"
    assert fenced("a\n```\nb").startswith("````text\n")
    long = "    indented\n\n" + "word " * 40
    shown = fenced(long).split("\n", 1)[1].rsplit("\n", 1)[0]
    assert max(map(len, shown.split("\n"))) <= 80
    assert shown.replace("\n", "") == long.replace("\n", "")
