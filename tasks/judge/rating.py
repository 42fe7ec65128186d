"""What many judgements come to: mean scores, shares of choices, and matches of two, each judged in both orders."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from statistics import fmean
from typing import NamedTuple

from tasks.judge.contract import Judgement


class Match(NamedTuple):
    """Two texts that were judged in both orders; neither won where the orders disagree, or the judge says so."""

    one: str
    other: str
    winner: str | None
    agreed: bool
    """Whether both orders gave the same."""


def mean_scores(judgements: Iterable[Judgement]) -> dict[str, float]:
    """The mean score of each text that was judged by itself."""
    scores: defaultdict[str, list[float]] = defaultdict(list)
    for one in judgements:
        if one.readable and one.score is not None:
            scores[one.shown[0]].append(one.score)
    return {name: fmean(those) for name, those in scores.items()}


def choice_shares(judgements: Iterable[Judgement]) -> dict[str, float]:
    """How often each text was chosen, of the times that it was shown."""
    shown: Counter[str] = Counter()
    chosen: Counter[str] = Counter()
    for one in judgements:
        if one.readable:
            shown.update(one.shown)
            chosen.update([winner] if (winner := chosen_of(one)) else [])
    return {name: chosen[name] / times for name, times in shown.items()}


def win_rates(judgements: Iterable[Judgement]) -> dict[str, float]:
    """The share of its matches that each text won; a tie is half a win."""
    points: defaultdict[str, list[float]] = defaultdict(list)
    for match in matches(judgements):
        for name in (match.one, match.other):
            points[name].append(0.5 if match.winner is None else float(match.winner == name))
    return {name: fmean(those) for name, those in points.items()}


def matches(judgements: Iterable[Judgement]) -> Iterator[Match]:
    """The matches of which both orders could be read."""
    orders: defaultdict[tuple[int, tuple[str, ...]], list[Judgement]] = defaultdict(list)
    for one in judgements:
        if one.readable and len(one.shown) == 2:
            orders[one.number, tuple(sorted(one.shown))].append(one)
    for (_, (name, other)), those in orders.items():
        if len(those) == 2:
            first, second = map(chosen_of, those)
            yield Match(name, other, first if first == second else None, first == second)


def chosen_of(judgement: Judgement) -> str | None:
    """The id of what a judgement chose."""
    return None if judgement.choice is None else judgement.shown[judgement.choice]
