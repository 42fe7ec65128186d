"""A mixture that cannot be is refused in one sentence that names the setting."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.errors import RecipeError
from tasks.mix.config import MixtureConfig
from tasks.plugins import explain

TWO = [{"release": "a", "weight": 1}, {"release": "b", "weight": 1}]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"releases": []}, "releases: Tuple should have at least 1 item"),
        ({"releases": [{"release": "a"}, {"release": "a"}]}, "mix.releases: a is there twice"),
        ({"releases": [{"release": "a", "weight": 0}, {"release": "b", "weight": 0}]}, "every weight is 0"),
        (
            {"releases": [{"release": "a", "weight": -1}]},
            "releases.0.weight: Input should be greater than or equal to 0",
        ),
        (
            {"releases": [{"release": "a", "weight": float("inf")}]},
            "releases.0.weight: Input should be a finite number",
        ),
        ({"releases": [{"release": "a", "up": 0}]}, "releases.0.up: Input should be greater than or equal to 1"),
        ({"releases": [{"release": "a", "most": 0}]}, "releases.0.most: Input should be greater than or equal to 1"),
        ({"releases": [{"release": "a", "version": "3"}]}, "releases.0.version: String should match pattern"),
        ({"count": 0}, "count: Input should be greater than or equal to 1"),
        ({"within": [{"by": "domain"}, {"by": "domain"}]}, "mix.within: domain is there twice"),
        ({"within": [{"by": "domain", "weights": {"maths": 1}}]}, "(domain).weights: there is no domain maths"),
        ({"within": [{"by": "domain", "weights": {"math": 0}}]}, "(domain).weights: every weight is 0"),
        ({"within": [{"by": "domain", "most": {"math": 0}}]}, "within.0.most.math: Input should be greater"),
        ({"within": [{"by": "release", "weights": {"a": 2}}]}, "(release): weights, most and up of releases stand"),
        ({"within": [{"by": "difficulty", "up": {"harder": 2}}]}, "there is no difficulty harder; give one of *, hard"),
        ({"difficulty": {"hard": [0.5, 0.2]}}, "mix.difficulty.hard: give two pass rates"),
        ({"difficulty": {"hard": [0, 0.5], "easy": [0.4, 1]}}, "mix.difficulty.easy: overlaps another one"),
        ({"difficulty": {"unknown": [0, 1]}}, "mix.difficulty.unknown: is the name for problems without"),
    ],
)
def test_what_is_refused(said: dict[str, Any], message: str) -> None:
    with pytest.raises((RecipeError, ValidationError)) as raised:
        MixtureConfig.model_validate({"releases": TWO} | said)
    shown = explain(raised.value) if isinstance(raised.value, ValidationError) else str(raised.value)
    assert message in shown
    assert "\n" not in shown


def test_releases_come_first_unless_they_are_listed() -> None:
    domain, release = {"by": "domain"}, {"by": "release"}
    assert [one.by for one in MixtureConfig.model_validate({"releases": TWO}).levels] == ["release"]
    both = MixtureConfig.model_validate({"releases": TWO, "within": [domain, release]})
    assert [one.by for one in both.levels] == ["domain", "release"]
    one = MixtureConfig.model_validate({"releases": TWO, "within": [domain]})
    assert [each.by for each in one.levels] == ["release", "domain"]
