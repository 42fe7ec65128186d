"""What the benchmark of the reward model counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.prm import Judged, Trace, auc, by_answer, by_step, interval, random_rows, true_rows
from data.tiny_reasoner.train_prm import Row
from tasks.engines.contract import Scores

PAIRS = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40)


@given(PAIRS)
def test_the_area_is_the_share_of_pairs_in_order(pairs: list[tuple[int, bool]]) -> None:
    good = [score for score, right in pairs if right]
    bad = [score for score, right in pairs if not right]
    found = auc(np.array([score for score, _ in pairs], float), np.array([right for _, right in pairs]))
    if good and bad:
        ordered = [1.0 if a > b else 0.5 if a == b else 0.0 for a in good for b in bad]
        assert found == pytest.approx(np.mean(ordered))
    else:
        assert np.isnan(found)


def test_the_interval_holds_the_area() -> None:
    rng = np.random.default_rng(3)
    right = rng.random(400) < 0.5
    judged = Judged(right + rng.normal(0, 1, 400), right, np.arange(400) // 4)
    low, high = interval(judged)
    assert low < auc(judged.scores, right) < high
    assert high - low < 0.15


def test_steps_count_up_to_the_first_wrong_one() -> None:
    traces = [Trace(0, "?", ("a", "b", "c"), 1, right=False), Trace(1, "?", ("a",), -1, right=True)]
    told = [Scores("", (0.9, 0.1, 0.5), 1), Scores("", (0.7,), 1)]
    judged = by_step(traces, told)
    assert list(zip(judged.scores, judged.right, judged.problem, strict=True)) == [
        (0.9, True, 0),
        (0.1, False, 0),
        (0.7, True, 1),
    ]
    assert list(by_answer(traces, told, "last").scores) == [0.5, 0.7]
    assert list(by_answer(traces, told, "min").right) == [False, True]


def test_labels_for_comparison() -> None:
    traces = {"t": Trace(0, "?", ("a", "b", "c"), 1, right=False), "u": Trace(1, "?", ("a",), -1, right=True)}
    rows = true_rows(traces)
    assert rows == [Row("?", ("a", "b"), (True, False)), Row("?", ("a",), (True,))]
    shuffled = random_rows(rows * 20)
    assert [len(one.labels) for one in shuffled] == [2, 1] * 20
    assert sum(map(sum, (one.labels for one in shuffled))) == 40
    assert shuffled != rows * 20
