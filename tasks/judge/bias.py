"""How far judgements follow what should not matter: the place of a text, and its length.

Position and verbosity bias: Zheng et al. 2023 (arXiv 2306.05685, § 3.3).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.judge.contract import Judgement, Reading
from tasks.judge.rating import matches, mean_scores

LOOKED_AT: Final = ["judge", "kind", "shown", "number", "status", "score", "choice"]
"""Columns of JUDGEMENTS that tell of leanings."""
_BLANK: Final = Judgement("", "", "", "", (), 0, "", None, None, None, "", None, "", "")


class Share(NamedTuple):
    """So many of so many."""

    some: int
    of: int


class Bias(NamedTuple):
    """One judge's judgements, and what they lean to."""

    judge: str
    kind: str
    judgements: int
    repaired: int
    unreadable: int
    swayed: Share
    """Pairs of which the two orders do not give the same."""
    first: Share
    """Choices that fell on what was shown first."""
    first_by_chance: float | None
    """The share of these that chance would give; None without choices."""
    longer: Share
    """Won matches that the longer text won, where one is longer."""
    length_correlation: float | None
    """Spearman's, of score and length; None where texts are not rated by themselves, or do not differ in both."""


def biases(judgements: pa.Table, lengths: Mapping[str, int]) -> tuple[Bias, ...]:
    """What each judge in `judgements` (the columns LOOKED_AT) leans to, by name.

    `lengths` are those of all texts that were shown, by id, in characters; what has none is left out.
    """
    by_judge: defaultdict[str, list[Judgement]] = defaultdict(list)
    for row in judgements.select(LOOKED_AT).to_pylist():
        by_judge[row["judge"]].append(_BLANK._replace(**row))
    return tuple(_bias(by_judge[name], lengths) for name in sorted(by_judge))


def _bias(those: Sequence[Judgement], lengths: Mapping[str, int]) -> Bias:
    chosen = [one for one in those if one.choice is not None]
    played = list(matches(those))
    rated = {name: score for name, score in mean_scores(those).items() if name in lengths}
    return Bias(
        judge=those[0].judge,
        kind=those[0].kind,
        judgements=len(those),
        repaired=sum(one.status == Reading.REPAIRED for one in those),
        unreadable=sum(one.status == Reading.ERROR for one in those),
        swayed=Share(sum(not match.agreed for match in played), len(played)),
        first=Share(sum(one.choice == 0 for one in chosen), len(chosen)),
        first_by_chance=fmean(1 / len(one.shown) for one in chosen) if chosen else None,
        longer=_longer(((match.winner, (match.one, match.other)) for match in played), lengths),
        length_correlation=spearman(list(rated.values()), [lengths[name] for name in rated]),
    )


def _longer(played: Iterable[tuple[str | None, tuple[str, str]]], lengths: Mapping[str, int]) -> Share:
    won = [
        lengths[winner] == max(lengths[name] for name in both)
        for winner, both in played
        if winner and all(name in lengths for name in both) and len({lengths[name] for name in both}) == 2
    ]
    return Share(sum(won), len(won))


def spearman(one: Sequence[float], other: Sequence[float]) -> float | None:
    """The correlation of two series' ranks, equal values at their mean rank; None where one does not vary."""
    if len(set(one)) < 2 or len(set(other)) < 2:
        return None
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(values: Sequence[float]) -> NDArray[np.float64]:
    _, place, count = np.unique(np.asarray(values, np.float64), return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    ranks: NDArray[np.float64] = (last - (count - 1) / 2)[place]
    return ranks
