"""What a run took, in tables."""

import pytest

from flows.pace import Took
from flows.page.costs import Spent, amount, costs, duration, in_short
from tasks.engines.models import ModelConfig
from tasks.engines.usage import Price, Usage

MODELS = {
    "big": ModelConfig(model="b", price=Price(prompt=1.0, completion=3.0)),
    "own": ModelConfig(model="o", price=Price(hour=2.0, currency="EUR")),
    "free": ModelConfig(model="f"),
}
SPENT = Spent(
    {"generate": Took(100.0, 50, 2_000_000), "verify": Took(200.0, 50), "personas": Took()},
    {
        "big": Usage(10, 1_000_000, 2_000_000, 90.0),
        "own": Usage(5, 7, 9, 1_800.0),
        "free": Usage(1, 1, 1, 1.0),
    },
)


def test_money_is_told_by_currency_and_for_each_new_accepted_trace() -> None:
    assert SPENT.money(MODELS) == pytest.approx({"USD": 7.0, "EUR": 1.0})
    told = in_short(SPENT, MODELS, 100)
    assert "2,000,010 tokens sampled (20,000 for each new accepted trace)" in told
    assert "7.00 USD (0.07 USD for each new accepted trace)" in told
    assert "each new" not in in_short(SPENT, MODELS, 0)
    assert in_short(Spent({}, {}), MODELS, 5) == "no model was asked"


def test_stages_and_models_are_listed_the_slowest_stage_first() -> None:
    told = costs(SPENT, MODELS, 100)
    assert told.index("| verify | 3 min 20 s | 50 |") < told.index(
        "| generate | 1 min 40 s | 50 | 2,000,000 | 20,000 |"
    )
    assert "| personas | 0.0 s | done before |" in told
    assert "| big | 10 | 1,000,000 | 2,000,000 | 1 min 30 s | 7.00 USD |" in told
    assert "no `price` in the recipe" in told
    assert "### By model" not in costs(Spent({}, {}), MODELS, 0)


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.04, "0.0 s"), (59.2, "59.2 s"), (60, "1 min 00 s"), (3720, "1 h 02 min")]
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(("value", "said"), [(0.000311, "0.000311 USD"), (1234.5, "1,234.50 USD"), (0, "0 USD")])
def test_amounts(value: float, said: str) -> None:
    assert amount(value, "USD") == said
