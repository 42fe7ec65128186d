"""What a run took: seconds, tokens and money."""

from collections.abc import Mapping
from typing import NamedTuple

from flows.pace import Took
from tasks import report
from tasks.engines.models import ModelConfig
from tasks.engines.usage import Usage


class Spent(NamedTuple):
    """What one run took, as clocks and engines tell; nothing of it is part of its outcome."""

    stages: Mapping[str, Took]
    models: Mapping[str, Usage]
    """What was asked of each model that was started."""

    @property
    def tokens(self) -> int:
        """All that were sampled."""
        return sum(one.completion_tokens for one in self.models.values())

    @property
    def engine_s(self) -> float:
        """Seconds that engines were up, of all together."""
        return sum(one.seconds for one in self.models.values())

    def money(self, models: Mapping[str, ModelConfig]) -> dict[str, float]:
        """What it cost, by currency; of models without a price nothing is known."""
        amounts: dict[str, float] = {}
        for name, used in self.models.items():
            if price := models[name].price:
                amounts[price.currency] = amounts.get(price.currency, 0.0) + used.cost(price)
        return amounts


def amount(value: float, currency: str) -> str:
    """An amount of money, the smaller the more digits."""
    return f"{value:,.2f} {currency}" if value >= 1 else f"{value:.3g} {currency}"


def in_short(spent: Spent, models: Mapping[str, ModelConfig], accepted: int) -> str:
    """Tokens, engine time and money in one line, and what each of the newly accepted traces cost."""
    if not spent.models:
        return "no model was asked"
    each = f" ({spent.tokens / accepted:,.0f} for each new accepted trace)" if accepted else ""
    said = [f"{spent.tokens:,} tokens sampled{each}", f"engines up for {duration(spent.engine_s)}"]
    for currency, value in spent.money(models).items():
        one = f" ({amount(value / accepted, currency)} for each new accepted trace)" if accepted else ""
        said.append(f"{amount(value, currency)}{one}")
    return "; ".join(said)


def duration(seconds: float) -> str:
    """`1 h 02 min`, `3 min 20 s`, `4.2 s`."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60:,} h {minutes % 60:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{seconds:.1f} s"


def costs(spent: Spent, models: Mapping[str, ModelConfig], accepted: int) -> str:
    """Each stage and each model of a run; `accepted` counts the traces that it added to those accepted."""
    sections = [f"In all {in_short(spent, models, accepted)}.", f"### By stage\n\n{_by_stage(spent)}"]
    if spent.models:
        sections.append(f"### By model\n\n{_by_model(spent, models)}")
    return "\n\n".join(sections)


def _by_stage(spent: Spent) -> str:
    slowest = sorted(spent.stages.items(), key=lambda one: -one[1].seconds)
    rows = [
        (name, duration(one.seconds), one.rows or "", one.tokens or "", round(one.tokens / one.seconds) or "")
        if one.rows
        else (name, duration(one.seconds), "done before", "", "")
        for name, one in slowest
    ]
    return report.table(["stage", "time", "rows", "tokens", "tokens/s"], rows)


def _by_model(spent: Spent, models: Mapping[str, ModelConfig]) -> str:
    rows = [
        (name, one.requests, one.prompt_tokens, one.completion_tokens, duration(one.seconds), _cost(models[name], one))
        for name, one in spent.models.items()
    ]
    return report.table(["model", "requests", "prompt tokens", "sampled tokens", "engine up", "cost"], rows)


def _cost(model: ModelConfig, used: Usage) -> str:
    return amount(used.cost(model.price), model.price.currency) if model.price else "no `price` in the recipe"
