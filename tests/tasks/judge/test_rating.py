"""Mean scores, shares of choices, matches in both orders, and what they lean to."""

from collections import Counter
from itertools import combinations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.conform import rows
from schemas.tables import JUDGEMENTS
from tasks.judge.bias import biases, spearman
from tasks.judge.contract import Judgement, Shown
from tasks.judge.duel import duels, in_circle
from tasks.judge.rating import choice_shares, matches, mean_scores, win_rates


def judgement(
    *shown: str, choice: int | None = None, score: float | None = None, number: int = 0, **own: str
) -> Judgement:
    facts = {"judge": "j", "kind": "k", "problem_id": "p", "status": "read", "reason": "r", "reply": "{}", "model": "m"}
    ids = {"judgement_id": f"{shown} {number}", "completion_id": "c"}
    return Judgement(
        **facts | ids | own,
        messages=None,
        shown=list(shown),
        number=number,
        score=score,
        choice=choice,
        aspects=None,
    )


def duel(one: str, other: str, first: int | None, second: int | None) -> list[Judgement]:
    return [judgement(one, other, choice=first), judgement(other, one, choice=second)]


def test_scores_are_averaged_over_what_could_be_read() -> None:
    made = [judgement("a", score=1), judgement("a", score=0.5), judgement("b", score=0), judgement("a", status="error")]
    assert mean_scores(made) == {"a": 0.75, "b": 0}


def test_choices_count_against_the_times_a_text_was_shown() -> None:
    made = [
        judgement("a", "b", "c", choice=1),
        judgement("c", "b", "a", choice=2),
        judgement("a", "b", "c", status="error"),
    ]
    assert choice_shares(made) == {"a": 0.5, "b": 0.5, "c": 0}


def test_a_match_is_won_where_both_orders_agree() -> None:
    made = duel("a", "b", 0, 1) + duel("a", "c", 0, 0) + duel("b", "c", None, None) + duel("c", "d", None, 1)
    found = {(one.one, one.other): (one.winner, one.agreed) for one in matches(made)}
    assert found == {
        ("a", "b"): ("a", True),
        ("a", "c"): (None, False),
        ("b", "c"): (None, True),
        ("c", "d"): (None, False),
    }
    assert win_rates(made) == {"a": 0.75, "b": 0.25, "c": 0.5, "d": 0.5}


def test_a_match_with_one_order_is_none() -> None:
    made = [judgement("a", "b", choice=0), judgement("b", "a", status="error")]
    assert list(matches(made)) == []
    assert win_rates(made) == {}
    again = [one._replace(number=1) for one in duel("a", "b", 1, 0)]
    assert win_rates([*made, *again]) == {"a": 0, "b": 1}


@given(st.integers(0, 12), st.integers(1, 15))
def test_all_in_a_circle_are_in_as_many_pairs(count: int, rivals: int) -> None:
    pairs = in_circle(count, rivals)
    assert len({frozenset(one) for one in pairs}) == len(pairs)
    assert all(one != other for one, other in pairs)
    times = Counter(place for pair in pairs for place in pair)
    assert set(times.values()) <= {min(2 * rivals, count - 1)}
    if 2 * rivals >= count - 1:
        assert len(pairs) == count * (count - 1) // 2


@given(st.sets(st.integers(0, 999), min_size=2, max_size=12), st.integers(1, 3))
def test_a_further_text_parts_few_pairs(names: set[int], rivals: int) -> None:
    shown = [Shown(str(name), f"text {name}") for name in names]

    def pairs(texts: list[Shown]) -> set[frozenset[str]]:
        return {frozenset((one.id, two.id)) for one, two in duels(texts, rivals)}

    lost = pairs(shown) - pairs([*shown, Shown("new", "text new")])
    assert len(lost) <= sum(range(1, rivals + 1))


def test_equal_texts_are_not_compared() -> None:
    shown = [Shown("a", "same"), Shown("b", "same"), Shown("c", "other")]
    found = [(one.id, two.id) for one, two in duels(shown, 2)]
    assert {frozenset(one) for one in found} == {frozenset("ac"), frozenset("bc")}
    assert Counter(map(frozenset, found)) == {frozenset("ac"): 2, frozenset("bc"): 2}


def table(made: list[Judgement]) -> pa.Table:
    return rows([one._asdict() for one in made], JUDGEMENTS, at="test")


def test_leanings_of_comparisons() -> None:
    made = duel("a", "b", 0, 1) + duel("a", "c", 0, 0) + duel("b", "c", 1, 0) + duel("c", "d", None, None)
    made += [judgement("a", "d", status="repaired", choice=0), judgement("d", "a", status="error")]
    (found,) = biases(table(made), {"a": 10, "b": 5, "c": 5, "d": 1})
    assert (found.judge, found.kind, found.judgements, found.repaired, found.unreadable) == ("j", "k", 10, 1, 1)
    assert found.swayed == (1, 4)
    assert found.first == (5, 7)
    assert found.first_by_chance == 0.5
    assert found.longer == (1, 1)
    assert found.length_correlation is None


def test_leanings_of_ratings_and_of_choices_among_several() -> None:
    scores = {"a": 0.2, "b": 0.4, "c": 0.4, "d": 1.0}
    made = [judgement(name, score=score) for name, score in scores.items()]
    picks = [judgement("a", "b", "c", "d", choice=0, judge="picker"), judgement("b", "a", choice=1, judge="picker")]
    rater, picker = biases(table(made + picks), {"a": 1, "b": 2, "c": 3, "d": 9})
    assert rater.length_correlation == pytest.approx(0.9487, abs=1e-4)
    assert rater.first_by_chance is None
    assert (picker.first, picker.first_by_chance) == ((1, 2), 0.375)
    assert biases(table([]), {}) == ()


def test_ranks_correlate_as_a_textbook_says() -> None:
    """The ten pairs of scipy.stats.spearmanr's and Wikipedia's example: IQ and hours of television, −29/165."""
    iq = [106, 100, 86, 101, 99, 103, 97, 113, 112, 110]
    hours = [7, 27, 2, 50, 28, 29, 20, 12, 6, 17]
    assert spearman(iq, hours) == pytest.approx(-29 / 165)
    assert spearman([1, 1, 1], [1, 2, 3]) is None
    assert spearman([], []) is None


@given(st.lists(st.integers(0, 5), min_size=2, max_size=20), st.randoms(use_true_random=False))
def test_ranks_follow_any_rising_scale(values: list[int], random: object) -> None:
    cubes = [float(value**3) for value in values]
    found = spearman(values, cubes)
    assert found is None if len(set(values)) == 1 else found == pytest.approx(1)
    assert spearman(values, [-one for one in cubes]) == (None if found is None else pytest.approx(-1))


def test_every_pair_of_three_is_compared_in_both_orders() -> None:
    shown = [Shown(name, name) for name in "abc"]
    found = {(one.id, two.id) for one, two in duels(shown, 1)}
    assert found == {pair for one, two in combinations("abc", 2) for pair in ((one, two), (two, one))}
