"""Forms: every field sets what it says, one that a recipe has nothing for is refused, and pages get flat schemas."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from flows.config import CurationConfig
from flows.export import export
from flows.fields import Sets, Settings
from flows.forms import AnyRecipe, CurateSettings, ExportSettings, MixSettings, RefreshSettings
from flows.kinds import configured
from flows.recipes import BUNDLED
from schemas.errors import RecipeError

FORMS: list[type[Settings]] = [RefreshSettings, CurateSettings, MixSettings, ExportSettings]
FIELDS = [(form, name) for form in FORMS for name in form.model_fields]
VALUES: dict[str, Any] = {
    "model": "org/model",
    "new_problems": 7,
    "samples": 3,
    "until_accepted": 2,
    "temperatures": [0.3, 0.9],
    "max_tokens": 77,
    "deadline_s": 2.5,
    "problem_threshold": 0.55,
    "trace_threshold": 0.65,
    "formats": ["kto", "sft"],
    "release": "tonight",
    "validation": 0.25,
    "tokenizer": "tiny",
    "license": "mit",
    "cluster": "ray://host:10001",
    "workers": 2,
    "count": 70,
}
PLAIN = {"formats": {"kto": {}, "sft": {}}, "temperatures": (0.3, 0.9)}
"""What the recipe says then, where that is another form of it."""


def said(config: Any, keys: list[str]) -> list[Any]:
    """What a recipe says at a key, in each place that `*` stands for."""
    if not keys:
        return [config]
    if keys[0] == "*":
        return [found for one in config.values() for found in said(one, keys[1:])]
    return said(config[keys[0]] if isinstance(config, dict) else getattr(config, keys[0]), keys[1:])


def key(form: type[Settings], name: str) -> list[str]:
    (sets,) = (one for one in form.model_fields[name].metadata if isinstance(one, Sets))
    return sets.key.split(".")


def resolved(recipe: str, settings: Settings) -> CurationConfig:
    return configured(recipe, settings.overrides(recipe))


@pytest.mark.parametrize(("form", "name"), FIELDS, ids=lambda one: getattr(one, "__name__", one))
def test_a_field_sets_its_key_and_nothing_else(form: type[Settings], name: str) -> None:
    recipe = "demo-mix" if form is MixSettings else "demo"
    changed = resolved(recipe, form.model_validate({name: VALUES[name]}))
    found = said(changed, key(form, name))
    assert found
    assert found == [PLAIN.get(name, VALUES[name])] * len(found)
    before = resolved(recipe, form()).model_dump()
    (outermost,) = {one for one, value in changed.model_dump().items() if value != before[one]}
    assert outermost == key(form, name)[0]


@pytest.mark.parametrize("form", FORMS)
def test_a_form_that_nobody_filled_in_changes_nothing(form: type[Settings]) -> None:
    for emptied in ({}, {"release": "", "formats": []}, {"release": None}):
        settings = form.model_validate(emptied)
        assert settings == form()
        assert settings.overrides("demo") == []
        assert settings.model_dump() == {}


@pytest.mark.parametrize("form", FORMS)
def test_a_page_gets_one_labelled_input_a_field(form: type[Settings]) -> None:
    schema = form.model_json_schema()
    assert schema["additionalProperties"] is False
    assert "$defs" not in schema
    for one in schema["properties"].values():
        assert one["title"]
        assert one["description"]
        assert one["type"] in {"string", "integer", "number", "array"}
        assert "default" not in one
    assert "sft" in schema["properties"]["formats"]["items"]["enum"]


def test_a_model_of_another_name_has_no_revision_of_the_old_one(tmp_path: Path) -> None:
    recipe = own(tmp_path, "irpo", models={"policy": {"model": "org/old", "revision": "abc"}})
    model = resolved(recipe, RefreshSettings(model="org/new")).models["policy"]
    assert (model.model, model.revision) == ("org/new", None)


def test_chosen_formats_keep_what_the_recipe_says_of_them(tmp_path: Path) -> None:
    recipe = own(tmp_path, "irpo", export={"formats": {"dpo": {"instructions": "asked"}, "kto": None}})
    assert resolved(recipe, ExportSettings(formats=("verl", "dpo", "kto"))).export.formats == {
        "verl": {},
        "dpo": {"instructions": "asked"},
        "kto": {},
    }


def test_a_recipe_that_is_no_good_says_so_itself(tmp_path: Path) -> None:
    recipe = own(tmp_path, "irpo", export=["sft"])
    with pytest.raises(RecipeError, match="formats is no position in a list"):
        resolved(recipe, ExportSettings(formats=("sft",)))


@pytest.mark.parametrize(
    ("recipe", "changes", "settings", "lacking"),
    [
        ("irpo", {}, RefreshSettings(new_problems=5), "problems"),
        ("demo-traces", {}, CurateSettings(model="m"), "models"),
        ("demo-traces", {"models": {}}, CurateSettings(model="m"), "models"),
        ("demo-traces", {}, RefreshSettings(samples=5), "generate"),
        ("demo", {"dedupe": {"problems": None}}, RefreshSettings(problem_threshold=0.5), "dedupe.problems"),
        ("demo", {"dedupe": {"traces": None}}, RefreshSettings(trace_threshold=0.5), "dedupe.traces"),
    ],
)
def test_a_setting_that_a_recipe_has_nothing_for_is_refused(
    tmp_path: Path, recipe: str, changes: dict[str, Any], settings: Settings, lacking: str
) -> None:
    name = own(tmp_path, recipe, **changes)
    with pytest.raises(RecipeError, match=rf"{name}: has no `{lacking}`, so the setting \w+ changes nothing"):
        settings.overrides(name)


@pytest.mark.parametrize(
    "wrong",
    [
        {"samples": 0},
        {"temperatures": [-1]},
        {"problem_threshold": 1.5},
        {"release": "a/b"},
        {"sampels": 3},
        {"workers": 0},
    ],
)
def test_a_wrong_value_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        RefreshSettings.model_validate(wrong)


def test_a_choice_is_one_of_the_recipes_on_the_page_and_any_path_in_python() -> None:
    class Form(BaseModel):
        recipe: AnyRecipe

    assert {"demo", "demo-traces"} <= set(Form.model_json_schema()["properties"]["recipe"]["enum"])
    assert Form(recipe="some/path.yaml").recipe == "some/path.yaml"
    assert export.validate_parameters({"recipe": "some/path.yaml"})["recipe"] == "some/path.yaml"


def own(folder: Path, recipe: str, **changes: Any) -> str:
    """A bundled recipe with other sections, by its path."""
    content = yaml.safe_load((BUNDLED / f"{recipe}.yaml").read_text())
    path = folder / f"{recipe}.yaml"
    path.write_text(yaml.safe_dump(content | changes))
    return str(path)
