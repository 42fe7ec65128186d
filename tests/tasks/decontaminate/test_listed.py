"""`data/benchmarks.yaml`, every entry of it, and what a recipe makes of a name."""

import pytest

from schemas.errors import RecipeError
from tasks.columns import parse
from tasks.decontaminate.config import DecontaminateConfig
from tasks.decontaminate.listed import Listed, listed

NAMED = {
    *("gsm8k", "math-500", "aime24", "aime25", "amc", "olympiadbench", "svamp", "minerva"),
    *("humaneval", "humaneval-plus", "mbpp", "mbpp-plus", "livecodebench"),
    *("gpqa", "mmlu", "mmlu-pro", "bbh", "arc-easy", "arc-challenge", "ifeval", "drop", "truthfulqa", "agieval"),
}


def test_the_usual_benchmarks_are_listed() -> None:
    assert listed().keys() >= NAMED
    assert len(listed()) >= 30


@pytest.mark.parametrize("name", sorted(listed()))
def test_a_name_is_all_that_a_recipe_needs(name: str) -> None:
    entry = listed()[name]
    config = DecontaminateConfig.model_validate({"benchmarks": {name: {}}}).benchmarks[name]
    assert len(config.source) == len(entry.hub) * len(entry.subsets)
    assert len({(one.path, one.subset) for one in config.source}) == len(config.source)
    for source in config.source:
        owner, _, repository = source.path.removeprefix("hf://datasets/").partition("/")
        assert owner
        assert repository
        assert source.revision is None
        assert source.format == ("jsonl" if entry.files else "datasets")
    assert config.text == entry.text
    assert all(parse(path).root for path in (*entry.text, *filter(None, [entry.item])))
    assert name == name.lower()
    assert not any(sign in name for sign in "_/ ")


def test_settings_of_a_recipe_come_first() -> None:
    own = {"source": {"format": "jsonl", "path": "x"}, "text": "q"}
    settings = {"gsm8k": {"item": "id", "folder": "/data"}, "own": own}
    config = DecontaminateConfig.model_validate({"benchmarks": settings, "folder": "/copies"})
    assert (config.benchmarks["gsm8k"].item, config.benchmarks["gsm8k"].folder) == ("id", "/data")
    assert config.benchmarks["own"].folder is None
    bare = DecontaminateConfig.model_validate({"benchmarks": {"gsm8k": None}, "folder": "/copies"})
    assert bare.benchmarks["gsm8k"].folder == "/copies"
    # A dump is what keys are made of, and has no licences.
    assert DecontaminateConfig.model_validate(bare.model_dump()).model_dump() == bare.model_dump()


def test_a_name_that_is_not_listed_needs_a_source() -> None:
    with pytest.raises(RecipeError, match=r"'gsm9k' is not listed; .*one of agieval, aime24.*gsm8k"):
        DecontaminateConfig.model_validate({"benchmarks": {"gsm9k": {"text": "question"}}})


def test_an_entry_of_another_form_is_refused() -> None:
    entry = {"title": "T", "hub": ["a/b"], "split": "test", "text": ["q"], "items": 1, "license": "mit"}
    assert Listed.model_validate(entry).settings == {
        "source": [{"format": "datasets", "path": "a/b", "split": "test", "license": "mit"}],
        "text": ("q",),
        "item": None,
    }
    faults: list[dict[str, object]] = [{"hub": []}, {"text": []}, {"items": 0}, {"colour": "red"}]
    for fault in faults:
        with pytest.raises(ValueError, match=next(iter(fault))):
            Listed.model_validate(entry | fault)
