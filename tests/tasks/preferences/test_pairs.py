from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.conform import rows
from schemas.errors import PluginError, RecipeError
from schemas.tables import JUDGEMENT_PAIRS, JUDGEMENTS, PAIRS, RATINGS
from tasks import plugins
from tasks.ids import content_id
from tasks.preferences.guards import GuardsConfig
from tasks.preferences.pairs import PACKAGE, PairsConfig, PairsResult, build_pairs
from tasks.preferences.pool import Opinions
from tasks.text.steps import split_column

BOTH: dict[str, dict[str, Any]] = {"correct_vs_incorrect": {}, "shortest_vs_longest": {}}
AGAINST_LENGTH: dict[str, dict[str, Any]] = {"shortest_vs_longest": {}}


class Trace(NamedTuple):
    """A trace with the statuses that its verifiers gave it."""

    trace_id: str
    text: str
    statuses: tuple[str, ...]
    problem_id: str = "p"
    tokens: int | None = None
    score: float | None = None
    on_policy: bool | None = None
    origin: str = "generated"
    model: str = "m"
    parent: str | None = None


def pairs_of(
    traces: list[Trace],
    rules: dict[str, dict[str, Any]] | None = None,
    problems: tuple[str, ...] = ("p",),
    opinions: Opinions | None = None,
    **guards: object,
) -> PairsResult:
    texts = pa.array([one.text for one in traces], pa.string())
    table = pa.table(
        {
            "trace_id": pa.array([one.trace_id for one in traces], pa.string()),
            "problem_id": pa.array([one.problem_id for one in traces], pa.string()),
            "text": texts,
            "step_offsets": split_column(texts),
            "completion_tokens": pa.array([one.tokens for one in traces], pa.int32()),
            "on_policy": pa.array([one.on_policy for one in traces], pa.bool_()),
            "origin": pa.array([one.origin for one in traces], pa.string()),
            "source": pa.array(["made"] * len(traces), pa.string()),
            "model": pa.array([one.model for one in traces], pa.string()),
            "parent_trace_id": pa.array([one.parent for one in traces], pa.string()),
        }
    )
    judged = [(one, status) for one in traces for status in one.statuses]
    verdicts = pa.table(
        {
            "trace_id": pa.array([one.trace_id for one, _ in judged], pa.string()),
            "status": pa.array([status for _, status in judged], pa.string()),
            "score": pa.array([one.score for one, _ in judged], pa.float32()),
        }
    )
    chosen = rules or {"correct_vs_incorrect": {}}
    config = PairsConfig(rules=chosen, guards=GuardsConfig.model_validate(guards))
    return build_pairs(pa.table({"problem_id": pa.array(problems, pa.string())}), table, verdicts, config, opinions)


def skipped(result: PairsResult) -> Counter[str]:
    """Problems without a pair, by reason."""
    assert set(result.dropped["table"].to_pylist()) <= {"pairs"}
    return Counter(str(reason) for reason in result.dropped["reason"].to_pylist())


def ids(result: PairsResult) -> list[tuple[str, str]]:
    columns = [result.pairs[name].to_pylist() for name in ("chosen_trace_id", "rejected_trace_id")]
    return list(zip(*columns, strict=True))


RIGHT = Trace("r", "3 + 4 = 7\n#### 7", ("correct",), score=1.0)
WRONG = Trace("w", "3 + 4 = 7\nno, 8\n#### 8", ("incorrect",), score=0.0)


def test_a_pair() -> None:
    result = pairs_of([RIGHT, WRONG])
    assert result.pairs.schema.equals(PAIRS)
    assert skipped(result) == {}
    assert result.pairs.to_pylist() == [
        {
            "pair_id": content_id("correct_vs_incorrect", "r", "w"),
            "problem_id": "p",
            "chosen_trace_id": "r",
            "rejected_trace_id": "w",
            "rule": "correct_vs_incorrect",
            "margin": 1.0,
            "on_policy": None,
            "shared_prefix": 1,
            "chosen_length": len(RIGHT.text),
            "rejected_length": len(WRONG.text),
        }
    ]


@pytest.mark.parametrize(
    ("statuses", "used"),
    [
        (("correct",), True),
        (("correct", "correct"), True),
        (("correct", "error"), True),
        (("unverifiable", "correct"), True),
        (("correct", "incorrect"), False),
        (("error",), False),
        (("unverifiable",), False),
        ((), False),
    ],
)
def test_only_undisputed_verdicts_count(statuses: tuple[str, ...], used: bool) -> None:
    result = pairs_of([RIGHT._replace(statuses=statuses), WRONG])
    assert bool(result.pairs.num_rows) == used
    assert skipped(result) == ({} if used else {"no correct trace": 1})


@pytest.mark.parametrize("statuses", [("error",), ("unverifiable",), ("incorrect", "correct"), ()])
def test_a_broken_verifier_makes_no_loser(statuses: tuple[str, ...]) -> None:
    assert skipped(pairs_of([RIGHT, WRONG._replace(statuses=statuses)])) == {"no incorrect trace": 1}


def test_why_problems_have_no_pairs() -> None:
    traces = [
        RIGHT._replace(trace_id="a", problem_id="one right"),
        WRONG._replace(trace_id="b", problem_id="one wrong"),
        RIGHT._replace(trace_id="c", problem_id="undecided", statuses=("error",)),
        *[one._replace(trace_id=f"d{one.trace_id}", problem_id="both") for one in (RIGHT, WRONG)],
        RIGHT._replace(trace_id="e", problem_id="not in the table"),
        WRONG._replace(trace_id="f", problem_id="not in the table"),
    ]
    result = pairs_of(traces, BOTH, ("one right", "one wrong", "undecided", "both", "no trace"))
    assert set(result.pairs["problem_id"].to_pylist()) == {"both"}
    assert skipped(result) == {
        "fewer than two correct traces; no incorrect trace": 1,
        "fewer than two correct traces; no correct trace": 1,
        "no trace that verifiers agree on": 2,
    }


def test_no_rows_at_all() -> None:
    assert pairs_of([], BOTH, ()).pairs.schema.equals(PAIRS)
    assert skipped(pairs_of([], BOTH, ("p", "q"))) == {"no trace that verifiers agree on": 2}


def test_identical_texts_are_one_candidate() -> None:
    copies = [RIGHT._replace(trace_id=f"r{n}", text=text) for n, text in enumerate(["a b", " a  b\n", "a\n\nb", "ab"])]
    result = pairs_of([*copies, WRONG])
    assert result.pairs.num_rows == 2
    assert {"r3"} < set(result.pairs["chosen_trace_id"].to_pylist())
    assert skipped(pairs_of(copies[:3], AGAINST_LENGTH)) == {"fewer than two correct traces": 1}


def test_one_text_judged_both_ways_is_no_candidate() -> None:
    twin = WRONG._replace(text=f"{RIGHT.text}\n")
    assert skipped(pairs_of([RIGHT, twin])) == {"no trace that verifiers agree on": 1}
    assert ids(pairs_of([RIGHT, twin, RIGHT._replace(trace_id="s", text="7"), WRONG._replace(trace_id="v")])) == [
        ("s", "v")
    ]


def test_the_same_text_under_two_problems_is_two_candidates() -> None:
    traces = [one._replace(trace_id=one.trace_id + p, problem_id=p) for p in ("p", "q") for one in (RIGHT, WRONG)]
    assert ids(pairs_of(traces, problems=("p", "q"))) == [("rp", "wp"), ("rq", "wq")]


@pytest.mark.parametrize(("tokens", "chosen"), [((5, 9), "long"), ((5, None), "short"), ((None, None), "short")])
def test_lengths_are_tokens_where_all_are_known(tokens: tuple[int | None, int | None], chosen: str) -> None:
    long = RIGHT._replace(trace_id="long", text="a longer text", tokens=tokens[0])
    short = RIGHT._replace(trace_id="short", text="short", tokens=tokens[1])
    pair = pairs_of([long, short], AGAINST_LENGTH).pairs.to_pylist()[0]
    assert pair["chosen_trace_id"] == chosen
    assert pair["margin"] == (4 if chosen == "long" else len("a longer text") - len("short"))


@pytest.mark.parametrize(
    ("chosen", "rejected", "shared"),
    [
        ("a\nb\nc", "a\nb\nd", 2),
        ("a\nb", "a\nb\nc", 1),  # the second step of the one lacks the other's line end
        ("é😀\nb", "é😀\nc", 1),
        ("a", "b", 0),
        ("a\n\nb\nc", "a\n\nb\nd", 1),
    ],
)
def test_shared_prefix_counts_whole_steps(chosen: str, rejected: str, shared: int) -> None:
    pairs = pairs_of([RIGHT._replace(text=chosen), WRONG._replace(text=rejected)]).pairs
    assert pairs["shared_prefix"].to_pylist() == [shared]


@pytest.mark.parametrize(
    ("chosen", "rejected", "pair"),
    [(True, True, True), (True, False, False), (False, False, False), (None, False, None), (True, None, None)],
)
def test_a_pair_is_on_policy_if_both_traces_are(chosen: bool | None, rejected: bool | None, pair: bool | None) -> None:
    pairs = pairs_of([RIGHT._replace(on_policy=chosen), WRONG._replace(on_policy=rejected)]).pairs
    assert pairs["on_policy"].to_pylist() == [pair]


def test_settings_are_checked() -> None:
    with pytest.raises(
        PluginError, match="use one of aspects, correct_vs_incorrect, hard_negatives, judge_pairwise, meta_rew"
    ):
        PairsConfig(rules={"best_vs_worst": {}})
    with pytest.raises(RecipeError, match=r"correct_vs_incorrect\.pairs: is not a known key"):
        PairsConfig(rules={"correct_vs_incorrect": {"pairs": 3}})


def rating(judge: str, subject: str, score: float) -> dict[str, object]:
    return {"judge": judge, "subject_id": subject, "problem_id": "p", "score": score, "judgements": 1}


def judgement(name: str, judge: str, shown: list[str], **more: object) -> dict[str, object]:
    said = {"number": 0, "status": "read", "choice": None, "reply": f"{name} says", "model": "m", "problem_id": "p"}
    blank = {"kind": "", "score": None, "aspects": None, "reason": "", "completion_id": "", "messages": None}
    return {"judgement_id": name, "judge": judge, "shown": shown} | said | blank | more


def opinions(ratings: list[dict[str, object]], judgements: list[dict[str, object]]) -> Opinions:
    return Opinions(rows(ratings, RATINGS, at="test"), rows(judgements, JUDGEMENTS, at="test"))


OPEN = [Trace(name, f"text {name}", ("unverifiable",)) for name in ("a", "b", "c")]


def test_open_traces_are_paired_by_ratings() -> None:
    said = opinions([rating("j", "a", 0.25), rating("j", "b", 1.0)], [])
    rules = {"aspects": {"judge": "j"}, "correct_vs_incorrect": {}}
    result = pairs_of(OPEN, rules, opinions=said)
    assert ids(result) == [("b", "a")]
    assert result.pairs["margin"].to_pylist() == [0.75]
    assert skipped(result) == {}
    lost = pairs_of(OPEN, rules, opinions=said, least_margin=0.8)
    assert skipped(lost) == {"margin under 0.8": 1, "every pair was refused; no correct trace": 1}
    assert set(lost.dropped["row_id"].to_pylist()) == {"p", result.pairs["pair_id"][0].as_py()}


def test_matches_become_pairs() -> None:
    duel = [judgement("1", "j", ["a", "b"], choice=0), judgement("2", "j", ["b", "a"], choice=1)]
    result = pairs_of(OPEN, {"judge_pairwise": {"judge": "j"}}, opinions=opinions([], duel))
    assert ids(result) == [("a", "b")]


def test_the_judges_own_model() -> None:
    said = opinions([rating("j", one.trace_id, at / 2) for at, one in enumerate(OPEN)], [judgement("1", "j", ["a"])])
    assert ids(pairs_of(OPEN, {"self_rewarding": {"judge": "j"}}, opinions=said)) == [("c", "a")]
    others = [one._replace(model="n") if one.trace_id == "c" else one for one in OPEN]
    assert ids(pairs_of(others, {"self_rewarding": {"judge": "j"}}, opinions=said)) == [("b", "a")]


def test_judgements_are_paired_trace_by_trace() -> None:
    made = [judgement(f"{name}{n}", "j", [name], reply="x" * n) for name in ("a", "b", "gone") for n in (1, 2, 3)]
    ratings = [rating("over", f"{name}{n}", n / 3) for name in ("a", "gone") for n in (1, 2, 3)]
    rules = {"meta_rewarding": {"judge": "over"}}
    result = pairs_of(OPEN, rules, ("p", "q"), opinions(ratings, made))
    assert result.pairs.num_rows == 0
    assert result.judgement_pairs.schema.equals(JUDGEMENT_PAIRS)
    assert result.judgement_pairs.to_pylist() == [
        {
            "pair_id": content_id("meta_rewarding", "a3", "a1"),
            "problem_id": "p",
            "trace_id": "a",
            "judge": "j",
            "chosen_judgement_id": "a3",
            "rejected_judgement_id": "a1",
            "rule": "meta_rewarding",
            "margin": pytest.approx(2 / 3),
            "chosen_length": 3,
            "rejected_length": 1,
        }
    ]
    assert skipped(result) == {"no trace that verifiers agree on": 1}
    assert pairs_of(OPEN, rules, opinions=opinions(ratings, made), max_length_ratio=2).judgement_pairs.num_rows == 0


def test_texts_that_differ_in_capitals_alone_are_refused() -> None:
    capitals = WRONG._replace(text=RIGHT.text.replace("= 7", "= seven"))
    same = RIGHT._replace(text=RIGHT.text.replace("= 7", "=  SEVEN"))
    result = pairs_of([same, capitals, WRONG._replace(trace_id="v")])
    assert ids(result) == [("r", "v")]
    assert skipped(result) == {"equal texts": 1}


def test_each_problem_has_its_share() -> None:
    many = [RIGHT._replace(trace_id=f"r{n}", text=f"right {n:0{n}}") for n in range(1, 5)]
    result = pairs_of([*many, WRONG], BOTH, per_problem=2)
    assert set(result.pairs["rule"].to_pylist()) == set(BOTH)
    assert skipped(result) == {"over 2 pairs of a problem": 3}


traces_of_two_problems = st.lists(
    st.tuples(
        st.sampled_from(["p", "q"]),
        st.sampled_from(["a", "a ", "b", "bb", "c\nd", "c\ne"]),
        st.sampled_from([("correct",), ("incorrect",), ("correct", "incorrect"), ("error",), ()]),
        st.sampled_from([None, 1, 2]),
    ),
    max_size=12,
).map(
    lambda rows: [
        Trace(f"t{n}", text, judged, problem, tokens) for n, (problem, text, judged, tokens) in enumerate(rows)
    ]
)


@settings(max_examples=150, deadline=None)
@given(traces_of_two_problems, st.randoms(use_true_random=False))
def test_pairs_are_sound_whatever_the_order(traces: list[Trace], random: Any) -> None:
    result = pairs_of(traces, BOTH, ("p", "q"))
    by_id = {one.trace_id: one for one in traces}
    for chosen_id, rejected_id in ids(result):
        chosen, rejected = by_id[chosen_id], by_id[rejected_id]
        assert chosen.statuses == ("correct",)
        assert rejected.statuses in {("correct",), ("incorrect",)}
        assert chosen.problem_id == rejected.problem_id
        assert chosen.text.split() != rejected.text.split()
    assert len(set(result.pairs["pair_id"].to_pylist())) == result.pairs.num_rows
    paired = set(result.pairs["problem_id"].to_pylist())
    assert sum(skipped(result).values()) == 2 - len(paired)
    shuffled = random.sample(traces, len(traces))
    assert pairs_of(shuffled, BOTH, ("p", "q")).pairs.equals(result.pairs)


EVERY_RULE: dict[str, dict[str, Any]] = {
    name: {"judge": "j"} if name in {"aspects", "judge_pairwise", "meta_rewarding", "self_rewarding"} else {}
    for name in plugins.names(PACKAGE)
}


@settings(max_examples=60, deadline=None)
@given(traces_of_two_problems, st.randoms(use_true_random=False))
def test_every_rule_chooses_by_ids_alone(traces: list[Trace], random: Any) -> None:
    names = [one.trace_id for one in traces]
    ratings = [rating("j", name, random.choice([0.0, 0.5, 1.0])) for name in names]
    duels = [judgement(a + b, "j", [a, b], choice=random.choice([0, 1, None])) for a in names for b in names if a != b]
    of_one = [judgement(f"{name} {n}", "k", [name], reply=f"{n}") for name in names for n in range(3)]
    ratings += [rating("j", str(one["judgement_id"]), random.random()) for one in of_one]
    result = pairs_of(traces, EVERY_RULE, ("p", "q"), opinions(ratings, duels + of_one), per_problem=5)
    several = [random.sample(those, len(those)) for those in (ratings, duels + of_one)]
    again = pairs_of(random.sample(traces, len(traces)), EVERY_RULE, ("p", "q"), opinions(*several), per_problem=5)
    assert again.pairs.equals(result.pairs)
    assert again.judgement_pairs.equals(result.judgement_pairs)
    assert again.dropped.equals(result.dropped)
    assert max(Counter(result.pairs["problem_id"].to_pylist()).values(), default=0) <= 5
    texts = {one.trace_id: "".join(one.text.split()).lower() for one in traces}
    assert all(texts[chosen] != texts[rejected] for chosen, rejected in ids(result))


@pytest.mark.timeout(60)  # work that grows with the square of the traces would not end by then
def test_a_hundred_thousand_traces_take_seconds() -> None:
    count = 100_000
    texts = pa.array([f"She has {n} hens.\nEach lays 3 eggs.\n#### {n % 7}" for n in range(count)])
    offsets = pa.ListArray.from_arrays(np.arange(0, 3 * count + 1, 3).tolist(), [0, 5, 9] * count)
    trace_ids = pa.array([f"t{n}" for n in range(count)])
    traces = pa.table(
        {
            "trace_id": trace_ids,
            "problem_id": pa.array([f"p{n // 8}" for n in range(count)]),
            "text": texts,
            "step_offsets": offsets,
            "completion_tokens": pa.nulls(count, pa.int32()),
            "on_policy": pa.nulls(count, pa.bool_()),
            "origin": pa.array(["generated"] * count),
            "source": pa.array(["made"] * count),
            "model": pa.array(["m"] * count),
        }
    )
    statuses = pa.array(["correct" if n % 3 else "incorrect" for n in range(count)])
    verdicts = pa.table({"trace_id": trace_ids, "status": statuses, "score": pa.nulls(count, pa.float32())})
    problems = pa.table({"problem_id": pa.array([f"p{n}" for n in range(count // 8)])})
    assert build_pairs(problems, traces, verdicts).pairs.num_rows == 10 * count // 8
