"""How far reviewers agree: on whether a trace has an error, and on where its first one is.

Every number here is a ratio of sums over items, so one bootstrap over items serves all of them.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

ENOUGH: Final = 20
"""Items with two reviews or more, below which a number is too uncertain to go by."""
RESAMPLES: Final = 2000
_SEED: Final = 20_250_101
Floats = npt.NDArray[np.float64]


class Found(NamedTuple):
    """What one reviewer said of one trace."""

    first_wrong: int
    """From 0; -1: no step is wrong."""
    steps: int
    """How many the trace has."""


class Estimate(NamedTuple):
    """A number with its 95 % interval; None where it is not defined (nothing to compare, or nothing varies)."""

    value: float | None
    low: float | None
    high: float | None
    items: int
    """How many it rests on."""

    @property
    def enough(self) -> bool:
        """Whether these items are enough to go by."""
        return self.items >= ENOUGH


class Agreement(NamedTuple):
    """How far reviewers agree. What is expected of those who choose a step blindly stands beside what they did."""

    has_error: Estimate
    """Krippendorff's α of whether there is an error, over items with two reviews or more."""
    exact: Estimate
    """Of pairs that both found an error, the share that found the same first one."""
    within_one: Estimate
    distance: Estimate
    """Steps between the two, on average."""
    exact_by_chance: float | None
    """If each chose one of the trace's steps, all as likely."""
    within_one_by_chance: float | None
    distance_by_chance: float | None


def agreement(items: Iterable[Sequence[Found]]) -> Agreement:
    """How far the reviewers of these items agree; items with fewer than two reviews say nothing."""
    several = [one for one in items if len(one) > 1]
    errors = tallied(([each.first_wrong >= 0 for each in one] for one in several), (False, True))
    both = [[each for each in one if each.first_wrong >= 0] for one in several]
    pairs = np.array([_pairs(one) for one in both if len(one) > 1], dtype=np.float64).reshape(-1, 7)
    sums = pairs.sum(axis=0)
    chance = [float(one / sums[0]) if sums[0] else None for one in sums[4:]]
    exact, within_one, distance = (estimate(pairs, _ratio(column)) for column in (1, 2, 3))
    return Agreement(estimate(errors, alphas), exact, within_one, distance, *chance)


def alpha(units: Iterable[Sequence[Hashable | None]]) -> float | None:
    """Krippendorff's α for nominal data, any number of observers; a value of None is missing.

    Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section C. None where it is not defined: no unit
    has two values, or all values are the same.
    """
    known = [[value for value in unit if value is not None] for unit in units]
    kinds = tuple(dict.fromkeys(value for unit in known for value in unit))
    return _defined(alphas(tallied(known, kinds).sum(axis=0)))


def tallied(units: Iterable[Sequence[Hashable]], kinds: Sequence[Hashable]) -> Floats:
    """A row for each unit with two values or more: its share of disagreement, then how often each kind was said."""
    rows = []
    for unit in units:
        if (size := len(unit)) > 1:
            said = Counter(unit)
            counts = [said[kind] for kind in kinds]
            rows.append([(size * size - sum(one * one for one in counts)) / (size - 1), *counts])
    return np.array(rows, dtype=np.float64).reshape(-1, 1 + len(kinds))


def alphas(sums: Floats) -> Floats:
    """α of sums of `tallied` rows, along the last axis; NaN where it is not defined."""
    observed, counts = sums[..., 0], sums[..., 1:]
    total = counts.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = (total**2 - (counts**2).sum(axis=-1)) / (total - 1)
        found: Floats = np.where(expected > 0, 1 - observed / expected, np.nan)
    return found


def estimate(rows: Floats, statistic: Callable[[Floats], Floats]) -> Estimate:
    """A statistic of the rows' sum, with its 95 % percentile interval by a bootstrap over rows. The same each time.

    Rows that are alike are drawn together: how often each kind of row comes up is multinomial.
    """
    if not len(rows):
        return Estimate(None, None, None, 0)
    kinds, counts = np.unique(rows, axis=0, return_counts=True)
    drawn = np.random.default_rng(_SEED).multinomial(len(rows), counts / len(rows), size=RESAMPLES)
    spread = statistic(drawn @ kinds)
    spread = spread[~np.isnan(spread)]
    low, high = np.quantile(spread, [0.025, 0.975]) if len(spread) else (np.nan, np.nan)
    return Estimate(_defined(statistic(rows.sum(axis=0))), _defined(low), _defined(high), len(rows))


def _pairs(found: Sequence[Found]) -> list[float]:
    """Of all pairs: how many; the same step, within one, their distance; and each of these three by chance.

    Two that are drawn from n steps are the same with probability 1/n, within one with (3n - 2)/n², and (n² - 1)/(3n)
    apart on average.
    """
    first = np.array([one.first_wrong for one in found])
    apart = np.abs(first[:, None] - first)[np.triu_indices(len(first), 1)]
    n = max(one.steps for one in found)
    by_chance = (1 / n, (3 * n - 2) / n**2, (n**2 - 1) / (3 * n))
    told = (len(apart), (apart == 0).sum(), (apart <= 1).sum(), apart.sum(), *(len(apart) * one for one in by_chance))
    return [float(one) for one in told]


def _ratio(column: int) -> Callable[[Floats], Floats]:
    def of(sums: Floats) -> Floats:
        found: Floats = sums[..., column] / sums[..., 0]
        return found

    return of


def _defined(value: object) -> float | None:
    number = float(value)  # type: ignore[arg-type]
    return None if np.isnan(number) else number
