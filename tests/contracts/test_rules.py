"""Every pair rule goes through the same cases."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import plugins
from tasks.preferences.contract import Candidate, Rule
from tasks.preferences.pairs import PACKAGE

NAMES = plugins.names(PACKAGE)

candidates = st.lists(
    st.tuples(st.booleans(), st.integers(0, 5), st.sampled_from([None, 0.0, 0.5, 1.0])), max_size=14
).map(lambda rows: [Candidate(row, *values) for row, values in enumerate(rows)])


def build(name: str, **settings_: object) -> Rule:
    plugin = plugins.load(PACKAGE, name)
    rule: Rule = plugin.build(plugin.Config.model_validate(settings_))
    return rule


def test_both_rules_are_found() -> None:
    assert NAMES == ["correct_vs_incorrect", "shortest_vs_longest"]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=100)
@given(given=candidates)
def test_pairs_are_sound(name: str, given: list[Candidate]) -> None:
    before = list(given)
    result = build(name)(given)
    assert result == build(name)(tuple(given))
    assert given == before
    assert result  # pairs, or the reason why there are none
    if not isinstance(result, str):
        assert all(choice.chosen.correct for choice in result)
        assert all(choice.chosen.row != choice.rejected.row for choice in result)
        assert all(choice.chosen in given and choice.rejected in given for choice in result)
        assert len({(choice.chosen.row, choice.rejected.row) for choice in result}) == len(result)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("correct", [[], [True], [False], [False, False]])
def test_an_empty_side_gives_a_reason(name: str, correct: list[bool]) -> None:
    assert isinstance(build(name)([Candidate(row, one, 5 + row, None) for row, one in enumerate(correct)]), str)


@settings(max_examples=200)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 30), st.randoms(use_true_random=False))
def test_winners_and_losers_are_used_evenly(wins: int, losses: int, most: int, rng: random.Random) -> None:
    given = [Candidate(row, row < wins, 1, None) for row in range(wins + losses)]
    result = build("correct_vs_incorrect", pairs_per_problem=most)(rng.sample(given, len(given)))
    assert not isinstance(result, str)
    assert len(result) == min(most, wins * losses)
    for side, count in (([one.chosen for one in result], wins), ([one.rejected for one in result], losses)):
        used = [*Counter(one.row for one in side).values()]
        used += [0] * (count - len(used))
        assert max(used) - min(used) <= 1


def test_ten_pairs_unless_told() -> None:
    given = [Candidate(row, row % 2 == 0, 1, None) for row in range(30)]
    assert len(build("correct_vs_incorrect")(given)) == 10


@pytest.mark.parametrize(
    ("scores", "margin"), [((0.9, 0.2), pytest.approx(0.7)), ((None, 0.2), None), ((0.9, None), None)]
)
def test_margin_of_scores(scores: tuple[float | None, float | None], margin: float | None) -> None:
    right, wrong = Candidate(0, True, 1, scores[0]), Candidate(1, False, 1, scores[1])
    result = build("correct_vs_incorrect")([right, wrong])
    assert not isinstance(result, str)
    assert result[0].margin == margin


def lengths(*given: int) -> list[Candidate]:
    return [Candidate(row, True, length, None) for row, length in enumerate(given)]


def test_shortest_over_longest() -> None:
    wrong = Candidate(9, False, 1, None)
    result = build("shortest_vs_longest")([wrong, *lengths(7, 3, 12, 5)])
    assert not isinstance(result, str)
    assert [(one.chosen.length, one.rejected.length, one.margin) for one in result] == [(3, 12, 9.0)]


@pytest.mark.parametrize(
    ("given", "ratio", "reason"),
    [
        (lengths(4), 1, "fewer than two correct traces"),
        (lengths(4, 4, 4), 1, "correct traces of one length"),
        (lengths(4, 7), 2, "correct traces of almost one length"),
        (lengths(0, 0), 2, "correct traces of one length"),
    ],
)
def test_lengths_that_do_not_differ_enough(given: list[Candidate], ratio: float, reason: str) -> None:
    assert build("shortest_vs_longest", min_ratio=ratio)(given) == reason


def test_a_ratio_that_is_just_enough() -> None:
    assert not isinstance(build("shortest_vs_longest", min_ratio=2)(lengths(4, 8)), str)
