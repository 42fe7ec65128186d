"""Releases become one: across them nothing is there twice, nothing leaks, shares hold, and the card says it all."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from datasets import load_dataset

from flows.curate import curate
from flows.export import export
from flows.kinds import configured
from flows.mix import mix
from flows.mix_config import MixConfig
from flows.query import query
from flows.recipes import resolve
from schemas.errors import DamagedError, EmptyError, LakeError, RecipeError
from schemas.refs import ReleaseManifest
from schemas.summary import Mixture
from tasks.lake import Lake
from tasks.retention import Keeping, clear

pytestmark = pytest.mark.usefixtures("prefect_server")

THINGS = ("apples", "boats", "clocks", "drums")


def problem(number: int, reworded: str = "", wrong: bool = True) -> dict[str, object]:
    thing = THINGS[number % len(THINGS)]
    first = f"Basket {number} of {thing * (number % 3 + 1)} holds {number} red {thing} and {number + 3} green {thing}"
    right = f"{reworded}There are {number} red {thing}.\nIn all {number} + {number + 3} = {2 * number + 3}.\nIt is so."
    texts = [f"{right}\nThe answer is {2 * number + 3}."]
    texts += [f"I count only the red {thing}, and one more.\nThe answer is {number + 1}."] * wrong
    return {"question": f"{first}; how many {thing} are in it?", "answer": str(2 * number + 3), "texts": texts}


def recipe(folder: Path, name: str, rows: list[dict[str, object]], **more: Any) -> str:
    source = folder / f"{name}.jsonl"
    source.write_text("\n".join(map(json.dumps, rows)))
    columns = {"problem": {"question": "question", "reference": "answer"}, "completions": [{"text": "texts[]"}]}
    content = {"name": name, "ingest": {"source": {"format": "jsonl", "path": str(source)}, **columns}}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content | more))
    return str(path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Path:
    """A lake with the releases `own`, of problems 1 to 20, and `other`, of 16 to 29, of which an exam has two, and
    of 1 in other words. Of problems 16 to 20 they have the same right trace for two, and different ones for three.
    """
    folder = tmp_path_factory.mktemp("made")
    own = recipe(folder, "own", [problem(at) for at in range(1, 21)], export={"license": "mit"})
    theirs = [
        problem(at, "" if at < 18 else "Let me see, step by step, and slowly. First of all: ") for at in range(16, 30)
    ]
    twin = problem(1, wrong=False)
    theirs.append(twin | {"question": f"{twin['question']} Count them."})
    other = recipe(folder, "other", theirs, export={"license": "cc-by-nc-4.0"})
    for one in (own, other):
        curate(one, str(folder / "lake"))
    (folder / "exam.jsonl").write_text("\n".join(json.dumps(problem(at)) for at in (28, 29)))
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


def mixing(folder: Path, **said: Any) -> str:
    entries = [{"release": "own"}, {"release": "other"}]
    exam = {"source": {"format": "jsonl", "path": str(folder / "exam.jsonl"), "license": "mit"}, "text": "question"}
    content = {
        "name": "both",
        "mix": {"releases": entries, **said},
        "decontaminate": {"mode": "coverage", "benchmarks": {"exam": exam}},
        "export": {"license": "apache-2.0", "formats": {"sft": {}, "dpo": {}, "verl": {}}},
    }
    path = folder / "both.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def place(folder: Path, release: ReleaseManifest) -> Path:
    return folder / "lake/releases" / release.name / release.version


def mixture(release: ReleaseManifest) -> Mixture:
    assert release.summary.mixture
    return release.summary.mixture


def exported(folder: Path, release: ReleaseManifest, name: str) -> list[dict[str, Any]]:
    files = str(place(folder, release) / name / "train/*.parquet")
    return list(load_dataset("parquet", data_files=files, split="train", cache_dir=str(folder / "cache")))


def test_what_two_releases_share_is_there_once(folder: Path, page: Callable[[], dict[str, str]]) -> None:
    lake = str(folder / "lake")
    release = mix(mixing(folder), lake)
    own, twin, other = mixture(release).cells
    assert (own.release, own.difficulty, own.offered, own.kept) == ("own/v1", "medium", 20, 20)
    assert (twin.release, twin.difficulty, twin.offered, twin.kept) == ("other/v1", "easy", 1, 0)
    assert twin.duplicates == {"own/v1": 1}
    assert (other.offered, other.same, other.leaks, other.kept) == (14, {"own/v1": 2}, 2, 10)
    rows = exported(folder, release, "sft")
    assert len(rows) == len({row["trace_id"] for row in rows}) == 30
    traces = Counter(row["problem_id"] for row in rows)
    assert sorted(traces.values()) == [1] * 24 + [2] * 3
    assert len(exported(folder, release, "verl")) == 27
    funnel = {(step.stage, step.table): step.before - step.after for step in release.summary.funnel}
    assert (funnel["dedupe", "problems"], funnel["decontaminate", "problems"]) == (1, 2)
    assert mixture(release).exported["other/v1"]["sft/train"] == 10

    card = (place(folder, release) / "README.md").read_text()
    assert "| other/v1 | math | medium | 14 | 10 | 10 | also in own/v1 2; leaks 2 |" in card
    for licence in ("own/v1 | mit", "own/v1: own.jsonl | not stated", "other/v1 | cc-by-nc-4.0", "exam.jsonl | mit"):
        assert f"| {licence} |" in card
    assert "release other/v1" in (place(folder, release) / "lineage.json").read_text()
    assert "own/v1 2" in page()["mixture"]
    assert "- the licence of other/v1 is cc-by-nc-4.0, which apache-2.0 (export.license) may not keep" in card
    assert "- the licence of own/v1: own.jsonl is not stated; say it in its recipe" in card
    counted = query(Lake(lake), "select outcome, count(*)::int n from mixture where counted group by 1 order by 1")
    numbers = {str(row["outcome"]): row["n"] for row in counted.to_pylist()}
    assert numbers == {"decontaminate": 2, "dedupe": 1, "kept": 30, "same": 2}

    tables = release.tables
    again = mix(mixing(folder), lake)
    assert (again.version, again.tables) == ("v1", tables)
    assert export(mixing(folder), lake, ["export.formats={kto: {}}"]).summary.mixture is not None


def test_weights_repeat_and_a_new_version_of_a_source_is_a_new_version(folder: Path) -> None:
    lake = str(folder / "lake")
    entries = [{"release": "own", "weight": 1}, {"release": "other", "weight": 2, "up": 3}]
    first = mix(mixing(folder, releases=entries, count=30), lake)
    rows = Counter(row["trace_id"] for row in exported(folder, first, "sft"))
    assert sorted(rows.values()) == [1] * 10 + [2] * 10
    assert [(one.group, one.rows) for one in mixture(first).shares] == [(("own/v1",), 10), (("other/v1",), 20)]
    assert first.summary.exported["sft/train"] == 30
    pairs = Counter((row["chosen_trace_id"], row["rejected_trace_id"]) for row in exported(folder, first, "dpo"))
    assert {one: times for (one, _), times in pairs.items()} == {one: rows[one] for one, _ in pairs}
    assert set(pairs.values()) == {1, 2}

    more = mix(mixing(folder, releases=entries, count=45), lake)
    now = Counter(row["trace_id"] for row in exported(folder, more, "sft"))
    assert (more.version, sum(now.values())) == ("v2", 45)
    assert all(now[one] >= times for one, times in rows.items())
    assert more.changes["sft/train added"] == 5
    assert more.changes["sft/train changed"] == 10
    diff = pq.read_table(place(folder, more) / "diff.parquet").to_pylist()
    assert {row["reason"] for row in diff if row["change"] == "changed"} >= {"3 rows, 2 before"}

    recipe(folder, "other", [problem(at) for at in range(16, 40)])
    curate(str(folder / "other.yaml"), lake)
    grown = mix(mixing(folder, releases=entries, count=45), lake)
    assert (grown.version, grown.previous) == ("v3", "v2")
    assert {one.release for one in mixture(grown).cells} == {"own/v1", "other/v2"}
    pinned = [entries[0], entries[1] | {"version": "v1"}]
    assert mix(mixing(folder, releases=pinned, count=45), lake).version == "v2"


def test_versions_of_one_set_share_their_rows_and_a_mixture_can_be_mixed(folder: Path) -> None:
    lake = str(folder / "lake")
    recipe(folder, "own", [problem(at) for at in range(1, 24)], export={"license": "mit"})
    curate(str(folder / "own.yaml"), lake)
    entries = [{"release": "own", "version": "v1"}, {"release": "own"}]
    both = mix(mixing(folder, releases=entries), lake)
    found = {one.release: one for one in mixture(both).cells}
    assert (found["own/v1"].kept, found["own/v2"].same, found["own/v2"].kept) == (20, {"own/v1": 20}, 3)
    recipe_of = mixing(folder, releases=[{"release": "both"}, {"release": "other"}])
    twice = mix(recipe_of, lake, ["name=twice"])
    again = {one.release: one for one in mixture(twice).cells}
    assert (again["both/v1"].kept, again["both/v1"].offered) == (23, 23)
    assert again["other/v1"].same == {"both/v1": 2}


def test_gc_keeps_what_a_mixture_is_made_of(folder: Path) -> None:
    lake = Lake(str(folder / "lake"))
    first = mix(mixing(folder), lake.url)
    now = datetime.now(UTC) + timedelta(days=3)
    shutil.rmtree(folder / "lake/releases/own")
    shutil.rmtree(folder / "lake/releases/other")
    shutil.rmtree(folder / "lake/snapshots")
    gone = clear(lake, Keeping(older_than=timedelta(0)), now)
    assert not [one for one in gone.goes if one.what in ("traces", "problems", "standings", "mixture")]
    assert all(lake.whole(ref) for refs in first.tables.values() for ref in refs)


def test_a_release_of_another_lake_is_copied(folder: Path, tmp_path: Path) -> None:
    entries = [{"release": "own"}, {"release": "other", "lake": str(folder / "lake")}]
    here = tmp_path / "here"
    curate(str(folder / "own.yaml"), str(here / "lake"))
    release = mix(mixing(folder, releases=entries), str(here / "lake"))
    assert {one.release for one in mixture(release).cells} == {"own/v1", "other/v1"}
    ours = Lake(str(here / "lake"))
    theirs = Lake(str(folder / "lake"))
    (ref,) = theirs.newest()["standings"]
    assert ours.manifest(ref) is not None


def test_a_damaged_table_is_named(folder: Path, tmp_path: Path) -> None:
    lake = folder / "lake"
    (ref,) = Lake(str(lake)).last("other").tables["traces"]  # type: ignore[union-attr]
    (part,) = (lake / ref.path).glob("part-*")
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(DamagedError, match=f"{ref.path}, of which release other/v1 is made, is missing or damaged"):
        mix(mixing(folder), str(lake))
    entries = [{"release": "other", "lake": str(lake)}]
    with pytest.raises(DamagedError, match="of release other/v1, is missing or damaged"):
        mix(mixing(folder, releases=entries), str(tmp_path / "elsewhere"))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"release": "mine"}], r"mix.releases\[0\].release: lake .*: no release mine; there are: other, own"),
        ([{"release": "own"}, {"release": "own", "version": "v7"}], r"\[1\].release: .* no release own/v7; .*: own/v1"),
        (
            [{"release": "own"}, {"release": "own", "version": "v1"}],
            r"\[1\].release: own/v1 is there twice; give it one entry",
        ),
        ([{"release": "both"}], r"both is what this recipe publishes; give the mixture another name"),
    ],
)
def test_a_release_that_cannot_be_is_named(made: Path, entries: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        mix(mixing(made, releases=entries), str(made / "lake"))


def test_nothing_left_is_told(folder: Path) -> None:
    leaking = mixing(folder, releases=[{"release": "other"}])
    with pytest.raises(EmptyError, match=r"nothing is left to publish .* traces by mix"):
        mix(leaking, str(folder / "lake"), ["mix.statuses=[error]"])


def test_a_table_with_other_content_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    shutil.copytree(folder / "lake", here)
    (ref,) = Lake(str(here)).last("other").tables["standings"]  # type: ignore[union-attr]
    stage = Lake(str(here)).manifest(ref).stage  # type: ignore[union-attr]
    shutil.rmtree(here / ref.path)
    store = Lake(str(here))
    store.run(stage, lambda: [lambda: {"standings": store.rows({}, "standings")}])
    with pytest.raises(LakeError, match=f"{ref.path} is here with other content"):
        mix(mixing(folder, releases=[{"release": "other", "lake": str(folder / "lake")}]), str(here))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("verify.verifiers={math: {}}", "verify: a mixture takes its releases as they are"),
        ("generate={}", "generate: a mixture takes"),
        ("mix.releases=[]", "mix.releases: Tuple should have at least 1 item"),
        ("mix.counts=3", "mix.counts: is not a known key"),
    ],
)
def test_a_setting_that_a_mixture_has_no_use_for_is_refused(made: Path, setting: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        resolve(mixing(made), [setting], MixConfig)


def test_recipes_of_other_flows_say_so(made: Path) -> None:
    assert isinstance(configured("demo-mix", []), MixConfig)
    with pytest.raises(RecipeError, match="tracemill mix"):
        curate("demo-mix", str(made / "lake"))
    with pytest.raises(RecipeError, match="tracemill curate"):
        mix("demo-traces", str(made / "lake"))
