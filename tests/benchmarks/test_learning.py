import numpy as np
import pytest

from benchmarks.learning import gain


def test_the_gain_is_the_mean_rise_in_points() -> None:
    before = np.zeros(50)
    mean, low, high = gain([before + 0.1, before + 0.3], [before, before])
    assert mean == pytest.approx(20)
    assert low == pytest.approx(10)
    assert high == pytest.approx(30)


def test_the_interval_holds_what_problems_differ_by() -> None:
    rng = np.random.default_rng(1)
    before, noise = rng.random(400), rng.normal(0, 0.2, (3, 400))
    mean, low, high = gain([before + 0.1 + one for one in noise], [before] * 3)
    assert low < 10 < high
    assert low < mean < high
    assert high - low < 8


def test_the_same_scores_gain_nothing() -> None:
    scores = np.linspace(0, 1, 20)
    assert gain([scores] * 3, [scores] * 3) == (0, 0, 0)
