"""Every pair rule goes through the same cases; then each one's own, by hand from its paper."""

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks import plugins
from tasks.preferences.contract import Candidate, Choice, Need, Of, Rule
from tasks.preferences.pairs import PACKAGE

NAMES = plugins.names(PACKAGE)
NEEDED: Final[Mapping[str, dict[str, Any]]] = {
    "aspects": {"judge": "j"},
    "judge_pairwise": {"judge": "j"},
    "meta_rewarding": {"judge": "j"},
    "self_rewarding": {"judge": "j"},
}
"""Settings without which a rule cannot be built."""


def build(name: str, **settings_: object) -> Rule:
    plugin = plugins.load(PACKAGE, name)
    rule: Rule = plugin.build(plugin.Config.model_validate(NEEDED.get(name, {}) | settings_))
    return rule


def choose(name: str, those: list[Candidate], **settings_: object) -> list[Choice]:
    result = build(name, **settings_).choose(those)
    assert not isinstance(result, str), result
    return result


def rows(choices: list[Choice]) -> list[tuple[int, int, Any]]:
    return [(one.chosen.row, one.rejected.row, one.margin) for one in choices]


def rated(row: int, rating: float | None, correct: bool | None = None, *, length: int = 1) -> Candidate:
    """A candidate with a rating by judge j, who is the model that sampled it."""
    ratings = {} if rating is None else {"j": rating}
    return Candidate(row, correct, length, None, ratings=ratings, own=frozenset({"j"}))


@st.composite
def groups(draw: st.DrawFn) -> list[Candidate]:
    """Candidates of whom everything is known."""
    count = draw(st.integers(0, 12))
    correct = draw(st.lists(st.sampled_from([True, False, None]), min_size=count, max_size=count))
    seed = random.Random(draw(st.integers(0, 1_000)))
    wins = {(one, other): seed.choice([-1.0, 0.0, 0.5, 1.0]) for one in range(count) for other in range(one)}
    beats = [
        {other: won for (one, other), won in wins.items() if one == row and won > 0}
        | {one: -won for (one, other), won in wins.items() if other == row and won < 0}
        for row in range(count)
    ]
    return [
        Candidate(
            row,
            one,
            seed.randint(0, 5),
            seed.choice([None, 0.0, 0.5, 1.0]),
            gold=seed.random() < 0.2,
            parent=seed.choice([None, *range(count)]),
            steps=tuple(seed.randint(0, 1) for _ in range(seed.randint(1, 4))),
            answer=seed.choice([None, "1", "2"]),
            ratings={"j": seed.choice([0.0, 0.25, 1.0])} if seed.random() < 0.8 else {},
            own=frozenset({"j"}) if seed.random() < 0.8 else frozenset(),
            beats={"j": beats[row]},
        )
        for row, one in enumerate(correct)
    ]


def test_all_rules_are_found() -> None:
    assert NAMES == [
        "aspects",
        "correct_vs_incorrect",
        "hard_negatives",
        "judge_pairwise",
        "meta_rewarding",
        "self_rewarding",
        "shared_prefix",
        "shortest_vs_longest",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_checked(name: str) -> None:
    with pytest.raises(ValidationError):
        build(name, judg="j")
    if name in NEEDED:
        with pytest.raises(ValidationError):
            plugins.load(PACKAGE, name).Config.model_validate({})
        assert (build(name).judge, bool(build(name).kinds), build(name).rated) == ("j", True, True)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=80, deadline=None)
@given(those=groups())
def test_pairs_are_sound(name: str, those: list[Candidate]) -> None:
    rule = build(name)
    if rule.of == Of.TRACES and Need.UNJUDGED not in rule.needs:
        those = [one for one in those if one.correct is not None]
    before = list(those)
    result = rule.choose(those)
    assert result == build(name).choose(tuple(those))
    assert those == before
    assert result  # pairs, or the reason why there are none
    if not isinstance(result, str):
        assert rule.of == Of.JUDGEMENTS or all(one.chosen.correct is not False for one in result)
        assert all(one.chosen.row != one.rejected.row for one in result)
        assert all(one.chosen in those and one.rejected in those for one in result)
        assert len({(one.chosen.row, one.rejected.row) for one in result}) == len(result)
        assert not rule.rated or all(one.margin is not None and one.margin > 0 for one in result)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=50, deadline=None)
@given(those=groups())
def test_rules_on_correctness_never_use_what_nobody_judged(name: str, those: list[Candidate]) -> None:
    rule = build(name)
    if rule.of == Of.TRACES and Need.UNJUDGED not in rule.needs:
        assert rule.choose(those) == rule.choose([one for one in those if one.correct is not None])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("correct", [[], [True], [False], [False, False]])
def test_an_empty_side_gives_a_reason(name: str, correct: list[bool]) -> None:
    those = [Candidate(row, one, 5 + row, None) for row, one in enumerate(correct)]
    assert isinstance(build(name).choose(those), str)


# Right over wrong


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 30), st.randoms(use_true_random=False))
def test_winners_and_losers_are_used_evenly(wins: int, losses: int, most: int, rng: random.Random) -> None:
    those = [Candidate(row, row < wins, 1, None) for row in range(wins + losses)]
    result = choose("correct_vs_incorrect", rng.sample(those, len(those)), pairs_per_problem=most)
    assert len(result) == min(most, wins * losses)
    for side, count in (([one.chosen for one in result], wins), ([one.rejected for one in result], losses)):
        used = [*Counter(one.row for one in side).values()]
        used += [0] * (count - len(used))
        assert max(used) - min(used) <= 1


def test_ten_pairs_unless_told() -> None:
    assert len(choose("correct_vs_incorrect", [Candidate(row, row % 2 == 0, 1, None) for row in range(30)])) == 10


@pytest.mark.parametrize(
    ("scores", "margin"), [((0.9, 0.2), pytest.approx(0.7)), ((None, 0.2), None), ((0.9, None), None)]
)
def test_margin_of_scores(scores: tuple[float | None, float | None], margin: float | None) -> None:
    right, wrong = Candidate(0, True, 1, scores[0]), Candidate(1, False, 1, scores[1])
    assert choose("correct_vs_incorrect", [right, wrong])[0].margin == margin


def test_gold_wins_and_never_loses() -> None:
    """Pang et al., § 2: the reference solution is one of the winners."""
    gold, bad_gold = Candidate(0, True, 1, None, gold=True), Candidate(1, False, 1, None, gold=True)
    wrong = [Candidate(row, False, 1, None) for row in (2, 3)]
    assert rows(choose("correct_vs_incorrect", [gold, bad_gold, *wrong])) == [(0, 2, None), (0, 3, None)]
    assert build("correct_vs_incorrect", gold=False).choose([gold, *wrong]) == "no correct trace"
    assert build("correct_vs_incorrect").choose([gold, bad_gold]) == "no incorrect trace"


# Short over long


def lengths(*given: int) -> list[Candidate]:
    return [Candidate(row, True, length, None) for row, length in enumerate(given)]


def test_shortest_over_longest() -> None:
    wrong = Candidate(9, False, 1, None)
    result = choose("shortest_vs_longest", [wrong, *lengths(7, 3, 12, 5)])
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
    assert build("shortest_vs_longest", min_ratio=ratio).choose(given) == reason


def test_a_ratio_that_is_just_enough() -> None:
    assert choose("shortest_vs_longest", lengths(4, 8), min_ratio=2)


# By ratings


def test_the_best_mean_over_one_of_the_lower() -> None:
    """Tülu 3, § 5.1: four answers with mean ratings; the rejected one is any with a lower mean, not the lowest."""
    four = [rated(0, 0.5), rated(1, 0.75), rated(2, 0.25), rated(3, 0.75)]
    assert rows(choose("aspects", four)) == [(1, 0, 0.25)]
    drawn = {choose("aspects", random.Random(seed).sample(four, 4))[0].rejected.row for seed in range(20)}
    assert drawn == {0, 2}


@pytest.mark.parametrize(
    ("those", "reason"),
    [
        ([rated(0, 0.5), rated(1, None)], "fewer than two traces that j rates"),
        ([rated(0, 0.5), rated(1, 0.5)], "no trace rated lower than the best"),
        ([rated(0, 0.5, correct=False), rated(1, 0.2, correct=False)], "all rated traces are incorrect"),
        ([rated(0, 0.9, correct=False), rated(1, 0.5, correct=True)], "no trace rated lower than the best"),
    ],
)
def test_ratings_that_give_no_pair(those: list[Candidate], reason: str) -> None:
    assert build("aspects").choose(those) == reason


def test_a_wrong_answer_is_not_chosen_however_it_is_rated() -> None:
    those = [rated(0, 0.9, correct=False), rated(1, 0.5, correct=True), rated(2, 0.25, correct=False)]
    for name in ("aspects", "self_rewarding"):
        assert rows(choose(name, those)) == [(1, 2, 0.25)]


def test_highest_over_lowest_by_the_model_itself() -> None:
    """Yuan et al., § 2.3: N answers scored by the model; the highest and the lowest, none where scores are equal."""
    four = [rated(0, 0.4), rated(1, 0.8), rated(2, 0.0), rated(3, 0.6)]
    assert rows(choose("self_rewarding", four)) == [(1, 2, 0.8)]
    assert build("self_rewarding").choose([rated(0, 0.4), rated(1, 0.4)]) == "the highest rating is the lowest"
    others = [one._replace(own=frozenset()) for one in four]
    assert build("self_rewarding").choose(others) == "fewer than two traces that their own model rates"
    assert rows(choose("self_rewarding", [four[0], *others[1:3], four[3]])) == [(3, 0, pytest.approx(0.2))]


def test_the_better_judgement_and_of_near_equals_the_shorter() -> None:
    """Wu et al.: highest over lowest; where ratings are close, the shorter is chosen, and the longer rejected."""
    those = [rated(0, 1.0, length=90), rated(1, 0.95, length=30), rated(2, 0.5, length=1), rated(3, 0.0, length=40)]
    assert rows(choose("meta_rewarding", those, near=0)) == [(0, 3, 1.0)]
    assert rows(choose("meta_rewarding", those)) == [(1, 3, 0.95)]
    assert rows(choose("meta_rewarding", [*those, rated(4, 0.05, length=50)])) == [(1, 4, pytest.approx(0.9))]
    assert build("meta_rewarding").choose([rated(0, 0.5), rated(1, 0.5)]) == "judgements rated alike"
    assert build("meta_rewarding").of == Of.JUDGEMENTS


def duellist(row: int, rating: float, beats: dict[int, float], correct: bool | None = None) -> Candidate:
    return rated(row, rating, correct)._replace(beats={"j": beats})


def test_matches_that_both_orders_agree_on() -> None:
    """Zheng et al., § 3.4: a win is a win in both orders; what is unclear gives no pair."""
    three = [duellist(0, 1.0, {1: 1.0, 2: 0.5}), duellist(1, 0.25, {}), duellist(2, 0.25, {1: 1.0})]
    assert rows(choose("judge_pairwise", three)) == [(0, 1, 1.0), (2, 1, 1.0), (0, 2, 0.5)]
    assert rows(choose("judge_pairwise", three, pairs_per_problem=1)) == [(0, 1, 1.0)]
    assert rows(choose("judge_pairwise", three, pairs="best_vs_worst")) == [(0, 1, 0.75)]
    wrong = [three[0]._replace(correct=False), *three[1:]]
    assert rows(choose("judge_pairwise", wrong)) == [(2, 1, 1.0)]
    assert rows(choose("judge_pairwise", three[:1] + three[2:])) == [(0, 2, 0.5)]


def test_matches_that_give_no_pair() -> None:
    drawn = [duellist(0, 0.5, {}), duellist(1, 0.5, {})]
    assert build("judge_pairwise").choose(drawn) == "no match that both orders give to the same trace"
    assert build("judge_pairwise", pairs="best_vs_worst").choose(drawn) == "all win rates are equal"
    assert build("judge_pairwise", judge="another").choose([duellist(0, 1.0, {1: 1.0}), drawn[1]]) == (
        "no match that both orders give to the same trace"
    )


# By steps


def stepped(row: int, correct: bool, steps: str, parent: int | None = None) -> Candidate:
    return Candidate(row, correct, 1, float(correct), steps=tuple(map(ord, steps)), parent=parent)


def test_traces_part_after_what_they_share() -> None:
    """Step-DPO, § 3: the same first steps, then a right one and a wrong one."""
    those = [stepped(0, True, "abcd"), stepped(1, False, "abx"), stepped(2, False, "axx"), stepped(3, False, "yyy")]
    assert rows(choose("shared_prefix", those)) == [(0, 1, 1.0), (0, 2, 1.0)]
    assert rows(choose("shared_prefix", those, least_shared=2)) == [(0, 1, 1.0)]
    assert rows(choose("shared_prefix", those, pairs_per_problem=1)) == [(0, 1, 1.0)]
    reason = "no correct and incorrect trace share their first steps"
    assert build("shared_prefix", least_shared=3).choose(those) == reason
    assert build("shared_prefix").choose([stepped(0, True, "ab"), stepped(1, False, "a")]) == reason
    assert build("shared_prefix").choose([those[0]]) == "no incorrect trace"
    assert build("shared_prefix").choose(those[1:]) == "no correct trace"


def test_a_rewritten_trace_against_its_parent_comes_first() -> None:
    those = [stepped(0, False, "abx"), stepped(1, False, "acx"), stepped(2, True, "acd", parent=0)]
    assert rows(choose("shared_prefix", those)) == [(2, 0, 1.0), (2, 1, 1.0)]


# By what convinces


def answered(row: int, answer: str | None) -> Candidate:
    return Candidate(row, False, 1, 0.0, answer=answer)


def test_the_most_common_wrong_answer_convinces() -> None:
    right = [Candidate(row, True, 1, 1.0, answer="7") for row in (8, 9)]
    wrong = [answered(0, "5"), answered(1, "6"), answered(2, "6"), answered(3, None), answered(4, None)]
    assert rows(choose("hard_negatives", [*right, *wrong])) == [(8, 1, 1.0)]
    assert rows(choose("hard_negatives", [*right, *wrong], pairs_per_problem=3)) == [(8, 1, 1.0), (9, 2, 1.0)]
    assert build("hard_negatives", least_votes=3).choose([*right, *wrong]) == "no wrong answer given 3 times"


def test_the_highest_rated_wrong_trace_convinces() -> None:
    """Lightman et al., § 4.2: wrong answers that are rated high."""
    those = [rated(0, 0.2, correct=True), rated(1, 0.3, correct=False), rated(2, 0.9, correct=False)]
    assert rows(choose("hard_negatives", those, judge="j")) == [(0, 2, None)]
    unrated = [those[0], rated(1, None, correct=False)]
    assert build("hard_negatives", judge="j").choose(unrated) == "no incorrect trace that j rates"
    assert (build("hard_negatives", judge="j").judge, build("hard_negatives").judge) == ("j", None)
