"""Recipes: found, overridden, expanded, validated."""

import os
import traceback
from pathlib import Path

import pytest

from flows.config import CurateConfig, RefreshConfig
from flows.kinds import configured
from flows.recipes import OWN, choices, known, lasting, names, resolve
from schemas.errors import RecipeError

RECIPE = """
name: tiny
ingest:
  source: {format: jsonl, path: "${WHERE:-here}/rows.jsonl"}
  problem: {question: q}
  completions:
    - {text: a}
    - {text: b}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE)
    return str(path)


@pytest.mark.parametrize("name", sorted(names()))
def test_every_bundled_recipe_is_valid(name: str) -> None:
    config = configured(name, [])
    assert config.name == name
    assert config.description


def test_a_recipe_of_the_other_flow_says_which() -> None:
    with pytest.raises(RecipeError, match="tracemill refresh"):
        resolve("demo", [], CurateConfig)
    with pytest.raises(RecipeError, match="tracemill curate"):
        resolve("demo-traces", [], RefreshConfig)


def test_variables(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve(recipe, [], CurateConfig).ingest.source.path == "here/rows.jsonl"
    monkeypatch.setenv("WHERE", "there")
    assert resolve(recipe, [], CurateConfig).ingest.source.path == "there/rows.jsonl"
    with pytest.raises(RecipeError, match="environment variable NOWHERE_SET is not set"):
        resolve(recipe, ["ingest.source.path=${NOWHERE_SET}/x"], CurateConfig)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("ingest.source.path=${PLANTED_TOKEN}/x", r"\$\{PLANTED_TOKEN\} would put a key into manifests"),
        ("ingest.source.path=${PLACE}/x", r"ingest.source.path: holds a login"),
        ("models.m={model: x, engine: {openai: {api_key: planted}}}", r"models.m.engine.openai.api_key: is a key"),
        ("models.m={model: x, engine: {openai: {extra: {user: hf_planted0123456789abc}}}}", "extra.user: holds a key"),
        ("name.of=planted", "--set name.of: name holds a value"),
        ("sesame=planted", "sesame: is not a known key"),
    ],
)
def test_keys_are_refused_and_not_shown(recipe: str, monkeypatch: pytest.MonkeyPatch, setting: str, said: str) -> None:
    monkeypatch.setenv("PLANTED_TOKEN", "planted")
    monkeypatch.setenv("PLACE", "s3://planted:planted@bucket")
    with pytest.raises(RecipeError, match=said) as raised:
        resolve(recipe, [setting], CurateConfig)
    shown = "".join(traceback.format_exception(raised.value, limit=0)).replace("PLANTED", "")
    assert "planted" not in shown


def test_a_default_may_hold_a_variable(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    setting = ["ingest.source.path=${WHERE:-${ROOT:-/data}/x}/y"]
    assert resolve(recipe, setting, CurateConfig).ingest.source.path == "/data/x/y"
    monkeypatch.setenv("ROOT", "${ROOT}")
    assert resolve(recipe, setting, CurateConfig).ingest.source.path == "${ROOT}/x/y"
    monkeypatch.setenv("WHERE", "there")
    assert resolve(recipe, setting, CurateConfig).ingest.source.path == "there/y"


def test_overrides(recipe: str) -> None:
    settings = [
        "dedupe.traces.threshold=0.9",
        "ingest.completions.1.model=m",
        "decontaminate.benchmarks.x={source: {format: jsonl, path: f}, text: t}",
        "export.formats={sft: {}}",
    ]
    config = resolve(recipe, settings, CurateConfig)
    assert config.dedupe.traces is not None
    assert config.dedupe.traces.threshold == 0.9
    assert config.ingest.completions[1].model == "m"
    assert config.decontaminate.benchmarks["x"].text == ("t",)
    assert config.export.formats == {"sft": {}}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("verify.deadline=3", "verify.deadline: is not a known key"),
        ("dedupe.traces.threshold=2", "dedupe.traces.threshold: Input should be less than or equal to 1"),
        ("ingest.part_rows=many", "ingest.part_rows: Input should be a valid integer"),
        (
            "verify.verifiers.maths={}",
            "unknown name 'maths' in verifiers: use one of choice, code, constraints, exact, math, reasoning_gym",
        ),
        ("preferences.rules.best={}", "unknown name 'best' in rules: use one of aspects, correct_vs_incorrect"),
        ("export.formats.csv={}", "unknown name 'csv' in exporters: use one of dpo, dpo_tools, judge_dpo, kto"),
        ("verify.verifiers.math.marker=x", "math.marker: is not a known key"),
        ("ingest.problem.question=a..b", "column path 'a..b' is not of the form"),
        ("name", "--set name: give it as key.key=value"),
        ("name.x=1", "name holds a value, not keys"),
        ("ingest.completions.7.text=a", "7 is no position in a list of 2"),
        ("name={", "the value is not YAML"),
    ],
)
def test_a_wrong_setting_is_named(recipe: str, setting: str, message: str) -> None:
    with pytest.raises(RecipeError, match=r"tiny\.yaml|--set") as caught:
        resolve(recipe, [setting], CurateConfig)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name: [", r"tiny.yaml:\d+: not YAML"),
        ("- a", "a recipe is a mapping"),
        ("name: x", "ingest: Field required"),
        ("name: x\nname: y\n", "name is given twice"),
        (RECIPE + "extra: 1\n", "extra: is not a known key"),
        ("name: \ud800", "cannot be read"),
    ],
)
def test_a_broken_recipe_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_bytes(content.encode(errors="surrogatepass"))
    with pytest.raises(RecipeError, match=message):
        resolve(str(path), [], CurateConfig)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own recipes, in a working directory without `recipes/`."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(OWN, str(folder))
    return folder


def test_a_recipe_of_your_own_goes_by_its_name(own: Path) -> None:
    (own / "mine.yaml").write_text(RECIPE.replace("name: tiny", "name: mine\ndescription: My traces."))
    assert resolve("mine", [], CurateConfig).name == "mine"
    assert names()["mine"] == "My traces."
    assert lasting("mine") == str(own / "mine.yaml")
    (mine,) = (one for one in known() if one.own)
    assert (mine.name, mine.hides) == ("mine", False)


def test_of_two_of_one_name_your_own_counts(own: Path) -> None:
    assert resolve("demo-traces", [], CurateConfig).name == "demo-traces"
    assert lasting("demo-traces") == "demo-traces"
    (own / "demo-traces.yaml").write_text(RECIPE)
    assert resolve("demo-traces", [], CurateConfig).name == "tiny"
    assert lasting("demo-traces") == str(own / "demo-traces.yaml")
    assert [one.name for one in known() if one.hides] == ["demo-traces"]


def test_your_recipes_lie_in_the_working_directory_unless_said_otherwise(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own.parent / "recipes").mkdir()
    (own.parent / "recipes/here.yaml").write_text(RECIPE)
    assert "here" not in names()
    monkeypatch.delenv(OWN)
    assert "here" in names()
    monkeypatch.setenv(OWN, str(own / "gone"))
    with pytest.raises(RecipeError, match=r"TRACEMILL_RECIPES: .*gone is no folder; make it, or unset the variable"):
        names()


def test_choices_are_the_recipes_that_fit_a_flow(own: Path) -> None:
    (own / "curates.yaml").write_text(RECIPE)
    (own / "generates.yaml").write_text("name: x\ngenerate: {}\n")
    (own / "broken.yaml").write_text("name: [")
    assert {"generates", "demo", "irpo"} <= set(choices("generate"))
    assert not {"curates", "broken", "demo-traces"} & set(choices("generate"))
    assert {"curates", "demo-traces"} <= set(choices("ingest", lacking="generate"))
    assert not {"generates", "irpo", "broken"} & set(choices("ingest", lacking="generate"))
    assert "not YAML" in names()["broken"]


def test_a_recipe_that_changes_is_read_again(own: Path) -> None:
    path = own / "mine.yaml"
    path.write_text(RECIPE)
    assert "mine" not in choices("generate")
    path.write_text(RECIPE + "generate: {}\n")
    os.utime(path, ns=(1, 1))
    assert "mine" in choices("generate")


def test_an_unknown_recipe_lists_the_known() -> None:
    with pytest.raises(RecipeError, match=r"none of this name; give a path, or one of .*gsm8k-model-solutions"):
        resolve("nothing", [], CurateConfig)
    with pytest.raises(RecipeError, match=r"nowhere/x.yaml: no such file"):
        resolve("nowhere/x.yaml", [], CurateConfig)
