"""What a release holds beside its rows: splits by problem, tokens, licences, how its traces were sampled."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from datasets import load_dataset

from flows.config import CurateConfig
from flows.curate import curate
from flows.kinds import configured
from flows.licenses import licenses
from flows.publish import tokenizer
from flows.recipes import names, resolve
from schemas.errors import RecipeError
from schemas.refs import ReleaseManifest
from tasks.lake import Lake
from tasks.places import DATA

MODEL = DATA / "models/tiny-reasoner"


def folder(lake: Path, release: ReleaseManifest) -> Path:
    return lake / "releases" / release.name / release.version


def problems(place: Path, path: str) -> set[str]:
    return set(map(str, pq.read_table(place / path)["problem_id"].to_pylist()))


@pytest.mark.usefixtures("prefect_server")
def test_splits_tokens_and_the_card(recipe: str, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    settings = ["export.validation=0.4", f"export.tokenizer={MODEL}", "ingest.source.license=mit"]
    first = curate(recipe, str(lake), settings)
    place = folder(lake, first)
    assert list(first.formats) == ["dpo/train", "dpo/validation", "sft/train", "sft/validation"]
    assert first.summary.exported["sft/train"] + first.summary.exported["sft/validation"] == 15
    assert not problems(place, "sft/train") & problems(place, "sft/validation")
    for split in ("train", "validation"):
        assert problems(place, f"sft/{split}") == problems(place, f"dpo/{split}")
    columns = pq.read_schema(next((place / "dpo/train").iterdir())).names
    assert columns[-3:] == ["prompt_tokens", "chosen_tokens", "rejected_tokens"]

    card = (place / "README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    for config in head["configs"]:
        files = {one["split"]: str(place / one["path"]) for one in config["data_files"]}
        loaded = load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"))
        name = config["config_name"]
        assert {split: len(rows) for split, rows in loaded.items()} == {
            split: first.summary.exported[f"{name}/{split}"] for split in ("train", "validation")
        }
    measured = {(one.format, one.column): one for one in first.summary.tokens_by_column}
    assert set(measured) == {("sft", "messages"), *(("dpo", name) for name in ("prompt", "chosen", "rejected"))}
    longest = measured["sft", "messages"].longest
    assert f"| sft | messages | {measured['sft', 'messages'].median} |" in card
    sizes = [pq.read_table(place / f"sft/{split}")["messages_tokens"].to_pylist() for split in ("train", "validation")]
    assert longest == max(int(size or 0) for column in sizes for size in column)
    assert "| traces.jsonl | mit |" in card
    assert "| exam.jsonl | not stated |" in card

    assert curate(recipe, str(lake), settings).version == "v1"
    other = curate(recipe, str(lake), [*settings, "export.split_seed=1"])
    assert (other.version, other.summary.exported["sft/train"] + other.summary.exported["sft/validation"]) == ("v2", 15)
    assert problems(folder(lake, other), "sft/train") != problems(place, "sft/train")


@pytest.mark.usefixtures("prefect_server")
def test_a_licence_makes_a_new_card_and_nothing_else(recipe: str, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    tables = curate(recipe, str(lake)).tables
    release = curate(recipe, str(lake), ["ingest.source.license=mit", "decontaminate.benchmarks.exam.source.license=x"])
    assert (release.version, release.tables, release.changes) == ("v2", tables, {})
    parts = [folder(lake, release).parent / version / "sft/train" for version in ("v1", "v2")]
    assert [path.stat().st_ino for path in parts[0].iterdir()] == [path.stat().st_ino for path in parts[1].iterdir()]
    assert "license" not in json.dumps(
        [one.stage.config for one in map(Lake(str(lake)).manifest, tables["traces"]) if one]
    )


def test_licences_are_found_wherever_a_recipe_reads(recipe: str) -> None:
    source = "{format: parquet, path: /home/me/gold.parquet, license: cc-by-4.0}"
    gold = f"{{source: {source}, problem: {{question: q}}, completions: [{{text: t}}]}}"
    config = resolve(recipe, [f"gold={gold}", "decontaminate.benchmarks.gsm8k={}"], CurateConfig)
    assert licenses(config) == {
        "exam.jsonl": "not stated",
        "gold.parquet": "cc-by-4.0",
        "openai/gsm8k": "mit",
        "traces.jsonl": "not stated",
    }


@pytest.mark.parametrize("name", names())
def test_bundled_recipes_state_all_licences(name: str) -> None:
    found = licenses(configured(name, []))
    assert found
    assert "not stated" not in found.values()


def test_the_tokenizer_is_a_models_or_any_other(recipe: str, tmp_path: Path) -> None:
    template = tmp_path / "x.jinja"
    template.write_text("{{ messages }}")
    engine = f"{{transformers: {{chat_template: {template}}}}}"
    models = f"models={{tiny: {{model: {MODEL}, engine: {engine}}}}}"
    plain = tokenizer(resolve(recipe, [f"export.tokenizer={MODEL}"], CurateConfig))
    own = tokenizer(resolve(recipe, [models, "export.tokenizer=tiny"], CurateConfig))
    assert plain is not None
    assert own is not None
    assert (own.identity["model"], own.identity["revision"]) == ("tiny-reasoner", plain.identity["revision"])
    assert plain.identity["chat_template"] is None
    assert own.identity["chat_template"]
    assert tokenizer(resolve(recipe, [], CurateConfig)) is None
    with pytest.raises(RecipeError, match=r"export\.tokenizer: model: there is no folder"):
        resolve(recipe, ["export.tokenizer=./gone"], CurateConfig)
