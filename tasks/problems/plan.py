"""Which problems to ask for next: every persona once, then every persona a second time, and so on."""

import math
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple, cast

import pyarrow as pa

from tasks.ids import content_id
from tasks.problems.config import ProblemsConfig

STAGE: Final = "problems"
SOURCE: Final = "persona:"
"""What the column `source` of a written problem begins with; the template's name follows."""


class Ask(NamedTuple):
    """One problem to be written: for a persona, from a template, its `number`th from 0 for this persona."""

    ask_id: str
    persona_id: str
    persona: str
    template: str
    number: int


def plan(personas: pa.Table, asked: Collection[str], config: ProblemsConfig) -> list[Ask]:
    """The next `config.count` asks that are not in `asked` (ask ids).

    The order of personas and the template of each ask are drawn from hashes of the seed and the persona's id, so that
    further personas or a higher `per_persona` change no ask that was there before. `personas`: persona_id, persona.
    """
    described = zip(_strings(personas, "persona_id"), _strings(personas, "persona"), strict=True)
    order = sorted(described, key=lambda one: content_id("order", config.seed, one[0]))
    weights = {name: settings.weight for name, settings in config.template_configs().items()}
    asks: list[Ask] = []
    for number in range(config.per_persona):
        for persona_id, persona in order:
            if len(asks) >= config.count:
                return asks
            template = _drawn(weights, config.seed, persona_id, number)
            ask_id = content_id(persona_id, template, number)
            if ask_id not in asked:
                asks.append(Ask(ask_id, persona_id, persona, template, number))
    return asks


def _strings(table: pa.Table, column: str) -> list[str]:
    return cast("list[str]", table[column].to_pylist())


def _drawn(weights: Mapping[str, float], seed: int, persona_id: str, number: int) -> str:
    """One name by weight: the first to come of exponential waiting times, one for each name.

    So a changed weight, or a further template, moves no ask between the others.
    """
    waits = {name: -math.log(_uniform(seed, persona_id, number, name)) / weight for name, weight in weights.items()}
    return min(waits, key=lambda name: (waits[name], name))


def _uniform(*parts: str | int) -> float:
    """A number in (0, 1] from a hash."""
    return (int(content_id("template", *parts)[:13], 16) + 1) / 16**13
