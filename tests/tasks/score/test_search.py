"""Which steps are looked at, and what they tell: on traces whose first wrong step is known."""

from math import ceil, log2

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.score.search import METHODS, Found, Score, every_step, halving

HARD = 0.0


def ask(method: str, steps: int, wrong: int) -> tuple[Found, int, int]:
    """Score as the method wants, where continuations reach the answer up to the wrong step; how many steps, waves."""
    scores: dict[int, Score] = {}
    waves = 0
    while look := (found := METHODS[method](steps, wrong < 0, scores, HARD)).look:
        waves += 1
        assert not set(look) & set(scores)
        scores |= {step: Score(0 if 0 <= wrong <= step else 2, 8) for step in look}
    return found, len(scores), waves


@settings(deadline=None)
@given(st.integers(1, 60), st.data())
def test_both_find_the_wrong_step(steps: int, data: st.DataObject) -> None:
    wrong = data.draw(st.integers(-1, steps - 1))
    found, looks, waves = ask("math_shepherd", steps, wrong)
    assert found.first_wrong == wrong
    assert (looks, waves) == (steps - 1, min(steps - 1, 1))
    found, looks, waves = ask("omega", steps, wrong)
    assert found.first_wrong == wrong
    assert looks == waves <= (ceil(log2(steps)) if wrong >= 0 else 0)


def test_a_right_trace_may_have_a_wrong_step() -> None:
    """Math-Shepherd looks at steps whatever the answer; OmegaPRM searches traces with a wrong answer only."""
    scores = {0: Score(3, 4), 1: Score(0, 4)}
    assert every_step(3, True, scores, HARD) == Found(1)
    assert halving(3, True, scores, HARD) == Found(-1)


@pytest.mark.parametrize(("threshold", "wrong"), [(0.0, 3), (0.25, 1), (0.5, 1), (0.75, 0)])
def test_the_threshold(threshold: float, wrong: int) -> None:
    scores = {0: Score(3, 4), 1: Score(1, 4), 2: Score(1, 4)}
    assert every_step(4, False, scores, threshold).first_wrong == wrong
    assert halving(4, False, scores, threshold).first_wrong == wrong


def test_nothing_is_said_past_a_step_that_could_not_be_sampled() -> None:
    lost = {0: Score(4, 4), 1: Score(0, 0), 2: Score(0, 4)}
    assert every_step(4, False, lost, HARD) == halving(4, False, lost, HARD) == Found(None)
    assert every_step(4, False, lost | {0: Score(0, 4)}, HARD) == Found(0)
