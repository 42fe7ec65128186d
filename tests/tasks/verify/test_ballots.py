from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.tables import Domain
from tasks.verify.ballots import Group, Vote, ranked, vote_of
from tasks.verify.contract import ProblemView
from tasks.verify.settle import Court
from tasks.verify.verify import VerifyConfig, build
from tasks.workers import WorkerPool

PROBLEM = ProblemView(Domain.MATH, "How many?", None, None, None)


@pytest.fixture(scope="module")
def rank(pool: WorkerPool) -> Callable[[dict[str, int]], list[dict[str, int]]]:
    """The groups of one problem's answers, each with its forms."""
    court = Court(build(VerifyConfig()), pool, 5.0)

    def made(answers: dict[str, int]) -> list[dict[str, int]]:
        votes = Counter({Vote("math", answer): count for answer, count in answers.items()})
        return [forms(group) for group in ranked({"p": votes}, court)["p"]]

    return made


def forms(group: Group) -> dict[str, int]:
    return {vote.answer: count for vote, count in group.forms.items()}


@pytest.mark.parametrize(
    "equal",
    [
        ("1/2", "0.5", r"\frac{1}{2}", r"\dfrac12"),
        ("1000", "1,000", "1000.00", "$1000$"),
        ("x+1", "1+x", "1 + x"),
        ("18", "18 dollars", "$18", r"18\text{ dollars}"),
        ("50%", "50 percent"),
    ],
)
def test_equal_answers_count_together(rank: Any, equal: tuple[str, ...]) -> None:
    groups = rank(dict.fromkeys(equal, 1) | {"7": 1})
    assert [set(group) for group in groups] == [set(equal), {"7"}]


def test_close_and_unreadable_answers_are_different(rank: Any) -> None:
    groups = rank({"0.5": 3, "0.51": 2, "x+1": 2, "x-1": 1, "none at all": 1, "12:00": 1})
    assert len(groups) == 6


def test_most_votes_first_then_the_shortest(rank: Any) -> None:
    groups = rank({"20": 2, "3": 2, "18.0": 1, "18": 2, "4": 2})
    assert groups == [{"18": 2, "18.0": 1}, {"3": 2}, {"4": 2}, {"20": 2}]


def test_the_chosen_form_is_the_most_common() -> None:
    assert (
        Group(Counter({Vote("math", "0.50"): 2, Vote("math", "1/2"): 2, Vote("math", ".5"): 1})).chosen.answer == "1/2"
    )


def test_a_check_that_hangs_finds_them_different(pool: WorkerPool) -> None:
    court = Court(build(VerifyConfig()), pool, 0.5)
    hanging = r"\int_0^\infty \sin(x^3) \cos(x) / (x + \ln(x + 2)) \, dx"
    votes = Counter([Vote("math", "7"), Vote("math", hanging), Vote("math", "x+1"), Vote("math", "1+x")])
    assert sorted(group.votes for group in ranked({"p": votes}, court)["p"]) == [1, 1, 2]


def test_votes_of_different_verifiers_are_never_compared(pool: WorkerPool) -> None:
    (verifier,) = build(VerifyConfig()).values()
    court = Court({"math": verifier, "other": verifier}, pool, 5.0)
    votes = Counter([Vote("math", "18"), Vote("other", "18"), Vote("math", "18.0")])
    assert sorted(group.votes for group in ranked({"p": votes}, court)["p"]) == [1, 2]


def test_the_first_verifier_that_finds_an_answer_has_the_vote() -> None:
    numbers = build(VerifyConfig(verifiers={"math": {"markers": ["=>"], "phrases": []}}))["math"]
    boxed = build(VerifyConfig())["math"]
    verifiers = {"a": numbers, "b": boxed}
    assert vote_of(PROBLEM, "=> 3\n", verifiers) == Vote("a", "3")
    assert vote_of(PROBLEM, "A: 4", verifiers) == Vote("b", "4")
    assert vote_of(PROBLEM, "no idea", verifiers) is None


answers = st.dictionaries(
    st.sampled_from(["1", "1.0", "01", "2", "4/2", "2.0", "1/2", "0.5", "3", "-3", "yes", "Yes"]), st.integers(1, 5)
)


@settings(max_examples=100, deadline=None)
@given(answers, st.randoms(use_true_random=False))
def test_every_vote_counts_once_whatever_the_order(rank: Any, votes: dict[str, int], random: Any) -> None:
    groups = rank(votes)
    assert sum((Counter(group) for group in groups), Counter()) == Counter(votes)
    sizes = [sum(group.values()) for group in groups]
    assert sizes == sorted(sizes, reverse=True)
    assert rank(dict(random.sample(sorted(votes.items()), len(votes)))) == groups
