"""What pairs are like, rule by rule."""

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.summary import PairReport
from tasks.tally.pairing import pairing, reports


def pairs(lengths: list[tuple[int, int]], on_policy: list[bool | None]) -> pa.Table:
    return pa.table(
        {
            "rule": pa.array(["irpo"] * len(lengths), pa.string()),
            "on_policy": pa.array(on_policy, pa.bool_()),
            "chosen_length": pa.array([one for one, _ in lengths], pa.int32()),
            "rejected_length": pa.array([one for _, one in lengths], pa.int32()),
        }
    )


def test_a_report() -> None:
    table = pairs([(10, 90), (20, 20), (3456, 100), (30, 5)], [True, False, None, True])
    assert reports(pairing(table)) == (
        PairReport(
            rule="irpo",
            pairs=4,
            on_policy=2,
            off_policy=1,
            chosen_length=20,
            rejected_length=20,
            chosen_longer=2,
            rejected_longer=1,
        ),
    )


def test_no_pairs() -> None:
    assert reports(pairing(pairs([], []))) == ()
    assert reports({}) == ()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 200_000), min_size=1, max_size=30))
def test_the_median_is_right_to_two_digits(lengths: list[int]) -> None:
    (report,) = reports(pairing(pairs([(one, 1) for one in lengths], [None] * len(lengths))))
    median = sorted(lengths)[(len(lengths) - 1) // 2]
    assert report.chosen_length <= median <= report.chosen_length * 1.1 + 1
