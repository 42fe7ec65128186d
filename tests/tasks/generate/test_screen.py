"""Completions that are no traces."""

import json

import pytest

from tasks.engines.contract import Finish
from tasks.generate.config import GenerateConfig, Sampler
from tasks.generate.screen import fault

CONFIG = GenerateConfig(samplers={"plain": Sampler(model="m"), "deep": Sampler(model="m", think=True)})


@pytest.mark.parametrize(
    ("text", "finish", "reason"),
    [
        ("2 + 2 = 4\nThe answer is 4.", Finish.STOP, None),
        ("", Finish.STOP, "empty completion"),
        (" \n\t", Finish.STOP, "empty completion"),
        ("", Finish.OVERFLOW, "context overflow"),
        ("", Finish.REFUSED, "refused"),
        ("So we add 2 and get", Finish.LENGTH, "ran into max_tokens"),
        ("We add.\n" + "Then we add 2 again.\n" * 200, Finish.LENGTH, "goes in circles"),
        ("<think>a</think>4", Finish.STOP, None),
        ("<think>a", Finish.STOP, "broken <think>"),
    ],
)
def test_faults(text: str, finish: Finish, reason: str | None) -> None:
    assert fault(text, finish, CONFIG.samplers["plain"], CONFIG) == reason


def test_an_unfinished_trace_may_be_kept() -> None:
    keeping = CONFIG.model_copy(update={"keep_unfinished": True})
    assert fault("So we add 2 and get", Finish.LENGTH, None, keeping) is None


def test_a_recipe_that_cannot_be_meant_is_refused() -> None:
    with pytest.raises(ValueError, match="think: true"):
        Sampler.model_validate({"model": "m", "budget": {"least": 5}})
    with pytest.raises(ValueError, match="question"):
        Sampler(model="m", prompt="Solve it.")
    assert json.loads(CONFIG.model_dump_json())["samplers"]["deep"]["think"] is True
