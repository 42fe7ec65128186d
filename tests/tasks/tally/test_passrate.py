"""pass@k against its definition."""

from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.tally.passrate import Sampled, coverage, histogram, pass_at_k, sampled


def problems(*counts: tuple[int, int]) -> Sampled:
    judged, correct = np.array(counts, np.int64).reshape(-1, 2).T
    return Sampled(judged, correct)


def test_counts_only_what_is_right_or_wrong() -> None:
    traces = pa.table({"trace_id": list("abcdef"), "problem_id": ["p", "p", "p", "q", "q", "r"]})
    statuses = ["correct", "incorrect", "error", "correct", "correct", "unverifiable"]
    found = sampled(traces, pa.table({"trace_id": list("abcdef"), "status": statuses}))
    assert sorted(zip(found.judged.tolist(), found.correct.tolist(), strict=True)) == [(2, 1), (2, 2)]
    assert histogram(found) == (0, 0, 0, 0, 0, 1, 0, 0, 0, 1)


@given(st.integers(1, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_is_the_share_of_k_subsets_with_a_correct_one(case: tuple[int, int, int]) -> None:
    n, c, k = case
    subsets = list(combinations([True] * c + [False] * (n - c), k))
    assert pass_at_k(problems((n, c)), k) == pytest.approx(sum(map(any, subsets)) / len(subsets))


def test_a_large_case_does_not_overflow() -> None:
    # numpy.prod form of the paper's listing: 1 - prod(1 - k / arange(n - c + 1, n + 1)).
    expected = 1 - np.prod(1 - 100 / np.arange(10_000 - 30 + 1, 10_001))
    assert pass_at_k(problems((10_000, 30)), 100) == pytest.approx(expected)


def test_problems_with_too_few_samples_are_left_out() -> None:
    assert pass_at_k(problems((1, 0), (4, 2)), 2) == pytest.approx(1 - 1 / 6)
    assert pass_at_k(problems((1, 0)), 2) is None


def test_coverage_goes_as_far_as_half_of_the_problems_have_samples() -> None:
    assert list(coverage(problems((8, 1), (8, 2), (4, 4), (16, 0)))) == [1, 2, 4, 8]
    assert coverage(problems()) == {}


def test_counts_of_problems_are_problems() -> None:
    found = Sampled.of({(8, 3): 2, (4, 4): 1})
    assert sorted(zip(*(one.tolist() for one in found), strict=True)) == [(4, 4), (8, 3), (8, 3)]
    assert coverage(Sampled.of({})) == {}
    assert sum(histogram(Sampled.of({}))) == 0
