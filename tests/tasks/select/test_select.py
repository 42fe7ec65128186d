"""Selectors in order, on cases small enough to work out by hand."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import PluginError, RecipeError
from tasks.select.contract import Pool
from tasks.select.select import build, configured, select
from tasks.select.selectors.diversity import drawn

MakePool = Callable[..., Pool]
Outcome = Callable[..., dict[str, str]]
Record = dict[str, Any]


def problem(name: str, question: str = "Why?", **more: Any) -> Record:
    return {"problem_id": name, "question": question, "source": "s"} | more


def trace(name: str, model: str = "m", status: str | None = None, tokens: int | None = None, **more: Any) -> Record:
    """Trace `p1.0` is of the problem `p1`."""
    told = {"status": status} if status else {}
    of = name.partition(".")[0]
    return {"trace_id": name, "problem_id": of, "model": model, "completion_tokens": tokens} | told | more


S1 = [{"quality": {}}, {"difficulty": {"models": ["7b", "32b"], "drop_attempts": True}}, {"diversity": {"count": 2}}]


def s1_round() -> tuple[list[Record], list[Record]]:
    """p1 shows a picture, p2 and p3 are solved by a model, p4 to p6 by neither; q4 is p4's second trace."""
    questions = ["See the figure below.", "1 + 1?", "2 + 2?", "Prove it.", "And this.", "Or that."]
    problems = [problem(f"p{at + 1}", text) for at, text in enumerate(questions)]
    solved = {"7b": {"p1", "p2"}, "32b": {"p3"}}
    traces = [
        trace(f"{one['problem_id']}.{model}", model, "correct" if one["problem_id"] in those else "incorrect", 900)
        for one in problems
        for model, those in solved.items()
    ]
    traces += [trace(f"p{at}.teacher", "teacher", "incorrect", 100 * at) for at in range(1, 7)]
    return problems, [*traces, trace("p4.other", "teacher", "correct", 399)]


def test_s1(pool: MakePool, outcome: Outcome) -> None:
    gone = outcome(pool(*s1_round()), *S1)
    assert gone["p1"] == "quality: picture in the question"
    assert (gone["p2"], gone["p3"]) == ("difficulty: solved by 7b", "difficulty: solved by 32b")
    assert gone["p4.7b"] == "difficulty: an attempt that measures its problem"
    assert gone["p2.teacher"] == "difficulty: its problem is not taken"
    (lost,) = {"p4", "p5", "p6"} & gone.keys()
    assert gone[lost] == "diversity: not drawn among 2"
    kept = {one["trace_id"] for one in s1_round()[1]} - gone.keys()
    assert kept == {f"{one}.teacher" for one in {"p4", "p5", "p6"} - {lost}}  # p4's longer trace, though it is wrong


def test_correct_traces_first_where_asked(pool: MakePool, outcome: Outcome) -> None:
    steps = [*S1[:2], {"diversity": {"count": 3, "of": "correct"}}]
    assert outcome(pool(*s1_round()), *steps)["p4.teacher"] == "diversity: not the longest of its problem"


def test_order_matters(pool: MakePool, outcome: Outcome) -> None:
    first = outcome(pool(*s1_round()), *S1)
    other = outcome(pool(*s1_round()), *reversed(S1))
    assert {"p1", "p2", "p3"} <= first.keys()
    assert sum(reason == "diversity: not drawn among 2" for reason in first.values()) == 1
    assert sum(reason == "diversity: not drawn among 2" for reason in other.values()) == 4


def test_draws_are_those_of_the_paper() -> None:
    """A domain of two is drawn in half of all cases; of three problems the first with 4/7, 2/7, 1/7."""
    first = Counter(drawn([[0, 1, 2], [3]], 1, seed)[0] for seed in range(4_000))
    for row, share in enumerate([4 / 14, 2 / 14, 1 / 14, 1 / 2]):
        assert first[row] / 4_000 == pytest.approx(share, abs=0.03)
    second = Counter(drawn([[0, 1, 2]], 2, seed)[1] for seed in range(4_000) if drawn([[0, 1, 2]], 1, seed) == [0])
    assert second[1] / second.total() == pytest.approx(2 / 3, abs=0.03)  # ranks are those of what is left


@given(st.lists(st.integers(1, 9), max_size=5), st.integers(0, 50), st.integers(0, 9))
def test_draws_take_each_row_once(sizes: list[int], count: int, seed: int) -> None:
    queues = [[10 * at + row for row in range(size)] for at, size in enumerate(sizes)]
    found = drawn(queues, count, seed)
    assert len(found) == len(set(found)) == min(count, sum(sizes))
    assert set(found) <= {row for one in queues for row in one}


def test_a_domain_of_thousands_can_be_drawn_from() -> None:
    assert max(drawn([list(range(5_000))], 20, 0)) < 60


@pytest.mark.parametrize(
    ("right", "of", "reason"),
    [
        (1, 10, "pass_rate: not above 0.1"),
        (2, 10, None),
        (9, 10, "pass_rate: not below 0.9"),
        (8, 9, None),
        (0, 0, "pass_rate: fewer than 1 judged samples"),
    ],
)
def test_the_window_has_open_ends(pool: MakePool, outcome: Outcome, right: int, of: int, reason: str | None) -> None:
    traces = [trace(f"p1.{at}", status="correct" if at < right else "incorrect") for at in range(of)]
    more = [trace("p1.x", status="unverifiable"), trace("p1.y")]
    assert outcome(pool([problem("p1")], [*traces, *more]), {"pass_rate": {}}).get("p1") == reason


def test_a_dropped_copy_counts_in_the_pass_rate(tables: Callable[..., Any]) -> None:
    from tasks.select.select import pool_of

    round_ = tables([problem("p1")], [trace(f"p1.{at}", status="correct" if at else "incorrect") for at in range(10)])
    copies = [{"table": "traces", "row_id": f"p1.{at}", "stage": "dedupe", "reason": "r"} for at in range(2, 10)]
    round_["dropped"] = type(round_["dropped"]).from_pylist(copies, round_["dropped"].schema)
    found = select(pool_of(round_, round_["traces"]["text"]), build([{"pass_rate": {}}])).to_pylist()
    assert [one["row_id"] for one in found] == ["p1", "p1.0", "p1.1"]
    assert found[0]["evidence"] == '{"rate":0.9,"judged":10,"right":9}'


def test_rates_by_model_or_sampler(pool: MakePool, outcome: Outcome) -> None:
    traces = [trace("p1.0", "a", "correct"), trace("p1.1", "b", "incorrect", source="greedy")]
    assert "p1" not in outcome(pool([problem("p1")], traces), {"pass_rate": {}})
    assert "not below" in outcome(pool([problem("p1")], traces), {"pass_rate": {"by": ["a"]}})["p1"]
    assert "not above" in outcome(pool([problem("p1")], traces), {"pass_rate": {"by": ["greedy"]}})["p1"]


def test_a_share_that_counts_as_solved(pool: MakePool, outcome: Outcome) -> None:
    traces = [trace(f"p1.{at}", "a", "incorrect" if at else "correct") for at in range(4)]
    for solved, goes in ((None, True), (0.25, True), (0.5, False)):
        gone = outcome(pool([problem("p1")], traces), {"difficulty": {"models": ["a"], "solved": solved}})
        assert ("p1" in gone) is goes


def test_rejection_keeps_what_is_correct(pool: MakePool, outcome: Outcome) -> None:
    traces = [trace("p1.0", status="correct"), trace("p1.1", status="incorrect"), trace("p2.0", status="incorrect")]
    gone = outcome(pool([problem("p1"), problem("p2"), problem("p3")], traces), {"rejection": {}})
    assert gone == {
        "p1.1": "rejection: not correct",
        "p2.0": "rejection: not correct",
        "p2": "rejection: no trace is left",
    }


def test_fair_down_sampling_takes_first_traces_first(pool: MakePool, outcome: Outcome) -> None:
    traces = [trace(f"p{one}.{at}", tokens=at) for one in range(1, 4) for at in range(4)]
    gone = outcome(
        pool([problem(f"p{one}") for one in range(1, 4)], traces), {"caps": {"total": 4, "prefer": "longest"}}
    )
    kept = [one["trace_id"] for one in traces if one["trace_id"] not in gone]
    assert {"p1.3", "p2.3", "p3.3"} < set(kept)
    assert len(kept) == 4


def test_the_best_rated_traces_stay(pool: MakePool, outcome: Outcome) -> None:
    traces = [trace("p1.0", rated=0.2), trace("p1.1", rated=0.9), trace("p1.2")]
    steps = {"caps": {"traces": 1, "prefer": "score", "judge": "wise"}}
    assert outcome(pool([problem("p1")], traces), steps).keys() == {"p1.0", "p1.2"}


def test_a_label_is_a_group(pool: MakePool, outcome: Outcome) -> None:
    problems = [problem(f"p{at}") for at in range(4)]
    traces = [trace(f"p{at}.0", source_labels=[("topic", "sums" if at < 3 else "sets")]) for at in range(4)]
    gone = outcome(pool(problems, traces), {"caps": {"problems": {"label.topic": 1}}})
    assert {"p1", "p2"} == {one for one in gone if "." not in one}
    assert gone["p1"] == "caps: more than 1 of one label.topic"


groups = st.sampled_from(["x", "y", None])
rounds = st.lists(
    st.lists(st.tuples(groups, st.sampled_from(["math", "code"]), st.integers(0, 3)), max_size=6), max_size=3
)


@settings(max_examples=40, deadline=None)
@given(given_=rounds, persona=st.integers(1, 3), traces=st.integers(1, 2), total=st.integers(1, 9))
def test_caps_hold_over_rounds(
    pool: MakePool, given_: list[list[tuple[str | None, str, int]]], persona: int, traces: int, total: int
) -> None:
    """Whatever comes in how many rounds, no cap is exceeded."""
    steps = build([{"caps": {"problems": {"persona": persona, "domain": 4}, "traces": traces, "total": total}}])
    problems: list[Record] = []
    samples: list[Record] = []
    for number, one in enumerate(given_):
        mine = [problem(f"r{number}p{at}", persona_id=who, domain=domain) for at, (who, domain, _) in enumerate(one)]
        theirs = [trace(f"r{number}p{at}.{copy}") for at, (_, _, many) in enumerate(one) for copy in range(many)]
        gone = set(select(pool(mine, theirs, (problems, samples)), steps)["row_id"].to_pylist())
        problems += [each for each in mine if each["problem_id"] not in gone]
        samples += [each for each in theirs if each["trace_id"] not in gone]
    assert all(many <= persona for who, many in Counter(one["persona_id"] for one in problems).items() if who)
    assert all(many <= 4 for many in Counter(one["domain"] for one in problems).values())
    assert all(many <= traces for many in Counter(one["problem_id"] for one in samples).values())
    assert len(samples) <= total


def test_a_budget_counts_what_earlier_rounds_kept(pool: MakePool, outcome: Outcome) -> None:
    old = [problem(f"old{at}") for at in range(3)], [trace(f"old{at}.0") for at in range(3)]
    new = [problem(f"new{at}") for at in range(4)], [trace(f"new{at}.0") for at in range(4)]
    for count, lost in ((3, 4), (5, 2), (7, 0)):
        gone = outcome(pool(*new, old), {"diversity": {"count": count}})
        assert sum("." not in one for one in gone) == lost


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (
            [{"quality": {}, "caps": {"traces": 1}}],
            r"select\[0\]: quality, caps: give each selector an item of its own",
        ),
        ([{"quality": {}}, {}], r"select\[1\]: nothing"),
        ([{"caps": {}}], "caps: nothing is capped"),
        ([{"caps": {"traces": 1, "judge": "wise"}}], "caps.judge: .* only with `prefer: score`"),
        ([{"caps": {"problems": {"planet": 2}}}], "caps.problems.planet"),
        ([{"pass_rate": {"least": 0.9, "most": 0.1}}], "no rate is above least 0.9 and below most 0.1"),
        ([{"quality": {"trace": {"odd": "(?<!x)y"}}}], "quality.trace.odd: not a pattern that RE2 reads"),
        ([{"difficulty": {}}], "difficulty.models"),
    ],
)
def test_wrong_settings_are_named(steps: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        configured(steps)


def test_an_unknown_selector_lists_the_known_ones() -> None:
    with pytest.raises(PluginError, match="unknown name 'taste' in selectors: use one of caps, chosen, difficulty"):
        configured([{"taste": None}])
