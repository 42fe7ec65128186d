"""Which models are reward models, and what becomes of a reply's scores."""

from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import PluginError
from tasks.engines.models import ModelConfig
from tasks.engines.rewards import Reduction, reduced, scores

SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("kind", "rewards"),
    [("reward", True), ("vllm_reward", True), ("transformers", False), ("vllm", False), ("openai", False)],
)
def test_an_engine_says_whether_it_scores(kind: str, rewards: bool) -> None:
    assert scores(ModelConfig(model="m", engine={kind: {}})) == rewards


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(PluginError, match="rewards"):
        scores(ModelConfig(model="m", engine={"rewards": {}}))


@given(SCORES)
def test_one_number_of_many(found: list[float]) -> None:
    ways: dict[Reduction, float] = {"last": found[-1], "min": min(found), "prod": prod(found)}
    assert {how: reduced(found, how) for how in ways} == ways
    mean = reduced(found, "mean")
    assert mean is not None
    assert min(found) - 1e-9 <= mean <= max(found) + 1e-9
    assert prod(found) <= min(found)


def test_of_no_scores_there_is_none() -> None:
    assert [reduced((), how) for how in ("last", "min", "prod", "mean")] == [None] * 4
