"""A run that yields little is told from those that sampled nothing, and from those that have nothing before them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.yields import AlarmConfig, LowYield, low_yield
from schemas.refs import Snapshot
from schemas.summary import Summary


def summary(tokens: int, accepted: int) -> Summary:
    return Summary(
        recipe="r",
        funnel=(),
        verdicts={},
        kept_verdicts={"correct": accepted},
        tokens=tokens,
    )


def history(*counts: tuple[int, int]) -> list[Snapshot]:
    began = datetime(2030, 1, 1, tzinfo=UTC)
    return [
        Snapshot(recipe="r", tables={}, created=began + timedelta(days=night), summary=summary(*one))
        for night, one in enumerate(counts)
    ]


@pytest.mark.parametrize(
    ("before", "now", "low"),
    [
        ([(10, 100), (20, 200), (30, 300)], (40, 320), LowYield(20, 100, 3)),
        ([(10, 100), (20, 200), (30, 300)], (40, 350), None),
        # The note of a release is no run of its own; nor is a run that only curates again what is there.
        ([(10, 100), (10, 100), (20, 200), (20, 190), (30, 290)], (40, 300), LowYield(10, 100, 3)),
        ([(10, 100), (20, 200)], (20, 110), None),
        ([(10, 100)], (20, 100), None),
        ([], (20, 0), None),
        ([(10, 100), (20, 200)], (30, 150), LowYield(0, 100, 2)),
    ],
)
def test_what_is_low(before: list[tuple[int, int]], now: tuple[int, int], low: LowYield | None) -> None:
    assert low_yield(history(*before), summary(*now), AlarmConfig()) == low


def test_only_so_many_runs_are_looked_back_at() -> None:
    before = [(10, 1_000), (20, 2_000), (30, 2_010), (40, 2_020)]
    assert low_yield(history(*before), summary(50, 2_030), AlarmConfig(runs=2)) is None
    assert low_yield(history(*before), summary(50, 2_030), AlarmConfig(runs=4)) == LowYield(10, 505, 4)


@given(st.lists(st.integers(0, 1_000), min_size=2, max_size=9), st.integers(0, 1_000))
def test_a_run_as_good_as_the_best_before_is_never_low(yields: Sequence[int], more: int) -> None:
    total = [sum(yields[: number + 1]) for number in range(len(yields))]
    before = history(*((10 * (night + 1), accepted) for night, accepted in enumerate(total)))
    assert low_yield(before, summary(1_000, total[-1] + max(yields) + more), AlarmConfig()) is None


def test_it_says_what_was_kept() -> None:
    said = str(LowYield(20, 1_000.5, 3))
    assert said == "20 new correct traces were kept; the median of the 3 runs before is 1,000"
