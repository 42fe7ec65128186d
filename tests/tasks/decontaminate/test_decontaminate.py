import json
import random
from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.errors import RecipeError, SchemaError
from schemas.tables import BENCHMARKS, CONTAMINATION, DROPPED
from tasks.decontaminate.config import DecontaminateConfig, Mode
from tasks.decontaminate.decontaminate import Decontaminated, benchmark_overlaps, decontaminate
from tasks.decontaminate.overlap import Text, overlap
from tasks.text.words import locate_words

ITEM = "A train leaves the old station at nine and travels 120 miles in three hours. How fast does it go?"
CLEAN = "Ben plants seven rows of beans with eleven plants in each of them. How many plants are there?"


def problems(*questions: str) -> pa.Table:
    return pa.table(
        {"problem_id": [f"p{n}" for n in range(len(questions))], "question": pa.array(questions, pa.string())}
    )


def traces(*of: str) -> pa.Table:
    ids = pa.array([f"t{n}" for n in range(len(of))], pa.string())
    return pa.table({"trace_id": ids, "problem_id": pa.array(of, pa.string())})


def items(**benchmarks: Sequence[str]) -> pa.Table:
    rows = [
        {"benchmark": name, "item": f"i{number}", "text": text}
        for name, texts in benchmarks.items()
        for number, text in enumerate(texts)
    ]
    return pa.Table.from_pylist(rows, BENCHMARKS)


def settings_for(*benchmarks: str, **settings: object) -> DecontaminateConfig:
    source = {"source": {"format": "jsonl", "path": "x"}, "text": "t"}
    return DecontaminateConfig.model_validate({"benchmarks": dict.fromkeys(benchmarks, source), **settings})


def run(questions: Sequence[str], benchmarks: pa.Table, config: DecontaminateConfig | None = None) -> Decontaminated:
    return decontaminate(problems(*questions), traces(), benchmarks, config or DecontaminateConfig())


@pytest.mark.parametrize("mode", Mode)
def test_a_leak_is_found_with_its_span_and_its_traces_go_too(mode: Mode) -> None:
    leak = f"Solve this, please: {ITEM.upper()} Thank you."
    found = decontaminate(
        problems(CLEAN, leak),
        traces("p1", "p0", "p1"),
        items(trains=("no such thing", ITEM)),
        DecontaminateConfig(mode=mode),
    )
    assert found.contamination.schema.equals(CONTAMINATION, check_metadata=True)
    assert found.contamination.to_pylist() == [
        {
            "problem_id": "p1",
            "trace_id": None,
            "benchmark": "trains",
            "item": "i1",
            "mode": mode.value,
            "coverage": 1.0,
            "spans": [{"start": 20, "end": 19 + len(ITEM), "text": ITEM.upper()[:-1]}],
            "reason": None,
        }
    ]
    assert found.dropped.schema.equals(DROPPED, check_metadata=True)
    rows = found.dropped.to_pylist()
    assert [(row["table"], row["row_id"], row["reason"]) for row in rows] == [
        ("problems", "p1", "overlaps trains"),
        ("traces", "t0", "its problem overlaps a benchmark"),
        ("traces", "t2", "its problem overlaps a benchmark"),
    ]
    assert json.loads(rows[0]["evidence"]) == {
        "benchmark": "trains",
        "item": "i1",
        "mode": mode.value,
        "coverage": 1.0,
    }


def test_boilerplate_counts_as_any_ngram_and_not_as_coverage() -> None:
    question = "Ann bakes 40 pies in a day. How many pies does she bake in one week in total then?"
    other = (
        "Bob and his five friends run 3 miles every morning but one, and all rest on Sundays. Bob also swims. "
        "How many miles does she bake in one week in total then?"
    )
    assert len(run([question], items(b=[other])).dropped) == 1
    assert len(run([question], items(b=[other]), DecontaminateConfig(mode=Mode.COVERAGE)).contamination) == 0


def test_only_runs_shared_with_the_same_problem_add_up() -> None:
    words_ = ITEM.split()
    halves = [" ".join(words_[:9]), " ".join(words_[9:])]
    config = DecontaminateConfig(mode=Mode.COVERAGE, threshold=0.6)
    assert len(run([f"{half} {CLEAN}" for half in halves], items(b=[ITEM]), config).dropped) == 0
    assert len(run([f"{halves[0]} {CLEAN} {halves[1]}"], items(b=[ITEM]), config).dropped) == 1


def test_what_is_to_be_kept_stays_with_its_evidence() -> None:
    found = run([ITEM, ITEM], items(b=[ITEM]), DecontaminateConfig(keep=frozenset({"p0"})))
    assert found.contamination["problem_id"].to_pylist() == ["p0", "p1"]
    assert found.dropped["row_id"].to_pylist() == ["p1"]


def test_the_best_items_are_stored_and_the_best_benchmark_is_named() -> None:
    half = " ".join(ITEM.split()[:10]) + " and then it stops for a long while at some other place"
    benchmarks = items(aaa=[half], bbb=[half, ITEM, ITEM + " Why?"])
    found = run([ITEM], benchmarks)
    assert json.loads(found.dropped["evidence"][0].as_py())["item"] == "i1"
    assert found.dropped["reason"].to_pylist() == ["overlaps bbb"]
    # Every item has this problem as its best one, so all stand in the evidence.
    assert len(found.contamination) == 4
    two = run([ITEM, ITEM], benchmarks, DecontaminateConfig(max_items=2))
    stored = [(row["benchmark"], row["item"]) for row in two.contamination.to_pylist() if row["problem_id"] == "p1"]
    assert stored == [("aaa", "i0"), ("bbb", "i1"), ("bbb", "i2")]


def test_each_benchmark_s_share_is_reported() -> None:
    found = run([ITEM, ITEM], items(b=[ITEM, CLEAN, "x", "y"])).contamination
    b, none = benchmark_overlaps(found, {"b": 4, "none": 0})
    assert (b.overlapped, b.share, b.problems, b.traces, b.contaminated) == (1, 0.25, 2, 0, True)
    assert (none.overlapped, none.share, none.contaminated) == (0, 0.0, False)
    (at_most,) = benchmark_overlaps(found, {"b": 50})
    assert not at_most.contaminated


def test_traces_are_compared_where_asked() -> None:
    spoken = pa.table(
        {
            "trace_id": ["t0", "t1", "t2", "t3"],
            "problem_id": ["p0", "p0", "p1", "p2"],
            "text": [f"I recall one like it. {ITEM} So 40.", "It is 40.", f"First: {ITEM}", f"Hm: {ITEM}"],
        }
    )
    clean_but_one = problems(CLEAN, ITEM, "How many?")
    found = decontaminate(clean_but_one, spoken, items(b=[ITEM]), settings_for(traces=True, keep=["p2"]))
    overlaps = [(row["problem_id"], row["trace_id"]) for row in found.contamination.to_pylist()]
    assert overlaps == [("p1", None), ("p0", "t0"), ("p1", "t2"), ("p2", "t3")]
    dropped = [(row["row_id"], row["reason"], row["evidence"] is not None) for row in found.dropped.to_pylist()]
    assert dropped == [
        ("p1", "overlaps b", True),
        ("t0", "overlaps b", True),
        ("t2", "its problem overlaps a benchmark", False),
    ]
    (one,) = benchmark_overlaps(found.contamination, {"b": 1})
    assert (one.problems, one.traces) == (1, 3)
    without = decontaminate(clean_but_one, spoken, items(b=[ITEM]), settings_for())
    assert without.dropped["row_id"].to_pylist() == ["p1", "t2"]
    kept = decontaminate(clean_but_one, spoken, items(b=[ITEM]), settings_for(traces=True, keep=["t0", "p1", "p2"]))
    assert len(kept.dropped) == 0


def test_items_that_give_nothing_away_are_not_compared() -> None:
    benchmarks = items(b=[ITEM, ITEM + " Why is that so?"], c=[ITEM])
    found = run([ITEM], benchmarks, settings_for("b", "c", keep_items={"b": ["i0"], "c": ["i0"]}))
    assert [(row["benchmark"], row["item"]) for row in found.contamination.to_pylist()] == [("b", "i1")]
    with pytest.raises(RecipeError, match="keep_items: there is no item i7 of b"):
        run([ITEM], benchmarks, settings_for("b", "c", keep_items={"b": ["i7"]}))
    with pytest.raises(ValidationError, match="keep_items names d"):
        settings_for("b", keep_items={"d": ["i0"]})
    assert settings_for("b", keep_items={"b": [12]}).keep_items == {"b": frozenset({"12"})}


def test_nothing_to_compare_is_no_overlap() -> None:
    assert len(run([ITEM], items()).contamination) == 0
    assert len(run([], items(b=[ITEM])).contamination) == 0
    with pytest.raises(SchemaError, match="1 of 1 values are null"):
        decontaminate(
            pa.table({"problem_id": ["p"], "question": pa.array([None], pa.string())}),
            traces(),
            items(b=[ITEM]),
            DecontaminateConfig(),
        )


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(Mode), st.integers(1, 5), st.integers(1, 4))
def test_the_look_up_finds_what_comparing_every_pair_finds(
    draw: random.Random, mode: Mode, ngram: int, whole_min: int
) -> None:
    def some(count: int) -> list[str]:
        return [" ".join(draw.choices("abc", k=draw.randint(0, 9))) for _ in range(count)]

    questions, texts = some(6), some(6)
    config = DecontaminateConfig(mode=mode, ngram=ngram, whole_min=whole_min, max_items=10, threshold=0.4)
    expected = set()
    for at, question in enumerate(questions):
        for number, item in enumerate(texts):
            words = locate_words(item, config.splitting)
            shared = overlap(Text.of(question, config.splitting), words, ngram, whole_min)
            if shared and (mode is Mode.ANY_NGRAM or shared.coverage > 0.4):
                expected.add((f"p{at}", f"i{number}", round(shared.coverage, 5)))
    found = run(questions, items(b=texts), config).contamination.to_pylist()
    assert {(row["problem_id"], row["item"], round(row["coverage"], 5)) for row in found} == expected
