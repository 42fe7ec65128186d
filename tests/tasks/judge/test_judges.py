"""What a recipe says of its judges, and the kinds' own settings."""

from typing import Any

import pytest

from schemas.errors import PluginError, RecipeError
from schemas.tables import Status
from tasks.engines.contract import Identity
from tasks.judge.contract import Case, Group, Shown, UnreadableError
from tasks.judge.judges import Judge, judges

PROBLEM = {"problem_id": "p", "domain": "math", "question": "What is 2 + 2?", "reference": "4"}
CASE = Case(("t",), ())


def judge(kind: str, **settings: Any) -> Judge:
    return judges({"one": {kind: {"model": "m"} | settings}})["one"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "judges.j: takes exactly one kind with its settings, not 0"),
        ({"grade": {"model": "m"}, "pairwise": {"model": "m"}}, "takes exactly one kind with its settings, not 2"),
        (
            {"grades": {}},
            "judges.j: unknown name 'grades' in kinds: use one of aspects, consistent, grade, meta, pairwise",
        ),
        ({"grade": None}, "judges.j.grade.model: Field required"),
        ({"grade": {"model": "m", "twice": 1}}, "judges.j.grade.twice: is not a known key"),
        ({"grade": {"model": "m", "when": ["wrong"]}}, "judges.j.grade.when.0: Input should be"),
        ({"grade": {"model": "m", "samples": 2}}, "more than one of `samples` needs a sampling.temperature"),
        ({"aspects": {"model": "m", "aspects": {"no good": "?"}}}, "'no good' cannot name an aspect"),
        ({"aspects": {"model": "m", "aspects": {"copy": "?"}}}, "'copy' cannot name an aspect"),
        ({"aspects": {"model": "m", "aspects": {}}}, "judges.j.aspects.aspects: Dictionary should have at least 1"),
        ({"aspects": {"model": "m", "least": 6}}, "`least` is 6.0, not above 1 and at most 5"),
        ({"meta": {"model": "m", "of": "nobody"}}, "judges.j.meta.of: nobody is no judge before it"),
        ({"meta": {"model": "m", "of": "once"}}, "such are twice"),
        ({"meta": {"model": "m", "of": "pairs"}}, "such are twice"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], words: str) -> None:
    before: dict[str, dict[str, Any]] = {
        "once": {"grade": {"model": "m"}},
        "twice": {"aspects": {"model": "m", "samples": 2, "sampling": {"temperature": 1}}},
        "pairs": {"pairwise": {"model": "m", "samples": 2, "sampling": {"temperature": 1}}},
    }
    with pytest.raises(RecipeError) as caught:
        judges(before | {"j": settings})
    assert words in str(caught.value)
    assert isinstance(caught.value, PluginError) is ("unknown name" in words)


def test_a_judge_of_judgements_knows_whose() -> None:
    twice = {"grade": {"model": "m", "samples": 2, "sampling": {"temperature": 1}}}
    made = judges({"twice": twice, "over": {"meta": {"model": "m", "of": "twice"}}})
    assert made["over"].over == made["twice"]
    assert not made["over"].decides
    assert made["twice"].decides


def test_the_version_names_the_model() -> None:
    assert judge("grade").version(Identity("m", "r1", "e", None)) == "grade 1, m r1"
    assert judge("grade").version(Identity("m", None, "e", None)) == "grade 1, m"


def test_a_judge_that_is_asked_about_some() -> None:
    assert not judge("grade").choosy
    some = judge("grade", when=["incorrect", "error"])
    assert some.choosy
    assert some.among([Status.ERROR]).config.when == (Status.ERROR,)
    with pytest.raises(RecipeError, match=r"judges\.one\.grade\.when: .*unverifiable; name one of these"):
        some.among([Status.UNVERIFIABLE])


def asked(one: Judge, *texts: str, **problem: Any) -> list[str]:
    shown = tuple(Shown(f"t{number}", text) for number, text in enumerate(texts))
    return [case.messages[0].content for case in one.kind.cases(Group(PROBLEM | problem, shown), 0)]


def test_a_grade_is_by_the_reference_where_there_is_one() -> None:
    (held,) = asked(judge("grade"), "It is 4.")
    assert "the reference answer\n4\n" in held
    for other in (
        asked(judge("grade"), "It is 4.", reference=None),
        asked(judge("grade"), "It is 4.", reference=" "),
        asked(judge("grade", with_reference=False), "It is 4."),
    ):
        assert "reference" not in other[0]
        assert "Solve the problem yourself" in other[0]


def test_as_many_grades_of_either_sort_are_no_verdict() -> None:
    verdict = judge("grade").kind.verdict
    assert verdict is not None
    assert [verdict(score) for score in (0, 0.4, 0.5, 0.6, 1)] == [
        Status.INCORRECT,
        Status.INCORRECT,
        Status.UNVERIFIABLE,
        Status.CORRECT,
        Status.CORRECT,
    ]


def test_ratings_on_another_scale() -> None:
    one = judge("aspects", aspects={"depth": "it goes deep", "tone": "it is kind"}, scale=10, least=7)
    (content,) = asked(one, "It is 4.")
    assert "- depth: it goes deep\n- tone: it is kind" in content
    assert '"rating": <1 to 10>' in content
    reply = one.kind.reply.model_validate(
        {"depth": {"reason": "d", "rating": 10}, "tone": {"reason": "t", "rating": 4}}
    )
    found = one.kind.finding(reply, CASE)
    assert found.score == pytest.approx((7 - 1) / 9)
    assert found.aspects == (("depth", 10), ("tone", 4))
    assert found.reason == "depth 10: d; tone 4: t"
    assert one.kind.verdict is not None
    assert [one.kind.verdict(found.score or 0), one.kind.verdict(0.6)] == [Status.CORRECT, Status.INCORRECT]
    assert judge("aspects").kind.verdict is None


def test_pairs_are_asked_about_in_both_orders() -> None:
    contents = asked(judge("pairwise", rivals=1), "one", "two", "three")
    assert len(contents) == 6
    assert asked(judge("pairwise"), "one") == []
    assert (
        sum(
            content.index("\none\n") < content.index("\ntwo\n")
            for content in contents
            if "two\n" in content and "one\n" in content
        )
        == 1
    )


def test_the_most_consistent_is_one_of_those_shown() -> None:
    one = judge("consistent", most=3, samples=4)
    shown = tuple(Shown(f"t{number}", f"text {number}") for number in range(6))
    cases = [case for number in range(4) for case in one.kind.cases(Group(PROBLEM, shown), number)]
    assert {len(case.shown) for case in cases} == {3}
    assert len({frozenset(case.shown) for case in cases}) == 1
    assert len({case.shown for case in cases}) > 1
    assert "the reference answer" not in cases[0].messages[0].content
    found = one.kind.finding(one.kind.reply.model_validate({"reason": "r", "choice": 3}), cases[0])
    assert found.choice == 2
    with pytest.raises(UnreadableError, match="4 is none of the answers 1 to 3"):
        one.kind.finding(one.kind.reply.model_validate({"reason": "r", "choice": 4}), cases[0])
    assert list(one.kind.cases(Group(PROBLEM, shown[:1]), 0)) == []


def test_a_judge_of_judgements_sees_what_the_judges_saw() -> None:
    twice = {"grade": {"model": "m", "samples": 2, "sampling": {"temperature": 1}}}
    over = judges({"twice": twice, "over": {"meta": {"model": "m", "of": "twice"}}})["over"]
    group = Group(PROBLEM, (Shown("j1", "says yes"), Shown("j2", "says no")), Shown("t", "It is 4."), "Check it.")
    one, other = (case.messages[0].content for case in over.kind.cases(group, 0))
    for content in (one, other):
        assert all(text in content for text in ("Check it.", "What is 2 + 2?", "It is 4.", "says yes", "says no"))
    assert (one.index("says yes") < one.index("says no")) is not (other.index("says yes") < other.index("says no"))
