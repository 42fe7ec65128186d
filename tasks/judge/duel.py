"""Two texts at a time, each pair in both orders, for a judge may prefer the first place."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

from pydantic import Field

from schemas.base import ConfigBase
from tasks.ids import content_id
from tasks.judge.contract import Finding, KindConfig, Shown

FORM: Final = '{"reason": "<how they compare, in a few sentences>", "better": "A" or "B" or "tie"}'
_PLACES: Final = {"A": 0, "B": 1, "tie": None}


class DuelConfig(KindConfig):
    """How many pairs there are."""

    rivals: int = Field(
        default=2,
        ge=1,
        description="each text is compared with so many that come after it in a circle, and before it: twice as many "
        "pairs in all, or fewer where there are not so many texts",
    )


class Better(ConfigBase):
    """What a reply holds."""

    reason: str
    better: Literal["A", "B", "tie"]


def duels(shown: Sequence[Shown], rivals: int) -> Iterator[tuple[Shown, Shown]]:
    """Pairs of different texts, each in both orders; the circle is drawn by hashes of the ids."""
    circle = sorted(shown, key=lambda one: content_id("circle", one.id))
    for at, other in in_circle(len(circle), rivals):
        one, two = circle[at], circle[other]
        if one.text != two.text:
            yield from ((one, two), (two, one))


def in_circle(count: int, rivals: int) -> list[tuple[int, int]]:
    """Pairs of places in a circle: each with the `rivals` after it, so that all are in as many pairs.

    A further place parts only pairs that it comes between.
    """
    pairs: dict[frozenset[int], tuple[int, int]] = {}
    for step in range(1, rivals + 1):
        for at in range(count):
            pair = (at, (at + step) % count)
            if pair[0] != pair[1]:
                pairs.setdefault(frozenset(pair), pair)
    return list(pairs.values())


def better_of(reply: Any) -> Finding:
    """What a reply says of two texts."""
    return Finding(reply.reason, choice=_PLACES[reply.better])
