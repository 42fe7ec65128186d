import json
import random
from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import SchemaError
from schemas.tables import CONTAMINATION, DROPPED
from tasks.decontaminate.config import DecontaminateConfig, Mode
from tasks.decontaminate.decontaminate import BenchmarkOverlap, Decontaminated, benchmark_overlap, decontaminate
from tasks.decontaminate.overlap import overlap
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


def benchmark(*texts: str) -> pa.Table:
    return pa.table({"item": [f"i{n}" for n in range(len(texts))], "text": pa.array(texts, pa.string())})


def run(
    questions: Sequence[str], benchmarks: dict[str, pa.Table], config: DecontaminateConfig | None = None
) -> Decontaminated:
    return decontaminate(problems(*questions), traces(), benchmarks, config or DecontaminateConfig())


@pytest.mark.parametrize("mode", Mode)
def test_a_leak_is_found_with_its_span_and_its_traces_go_too(mode: Mode) -> None:
    leak = f"Solve this, please: {ITEM.upper()} Thank you."
    found = decontaminate(
        problems(CLEAN, leak),
        traces("p1", "p0", "p1"),
        {"trains": benchmark("no such thing", ITEM)},
        DecontaminateConfig(mode=mode),
    )
    assert found.contamination.schema.equals(CONTAMINATION, check_metadata=True)
    assert found.contamination.to_pylist() == [
        {
            "problem_id": "p1",
            "benchmark": "trains",
            "item": "i1",
            "mode": mode.value,
            "coverage": 1.0,
            "spans": [{"start": 20, "end": 19 + len(ITEM), "text": ITEM.upper()[:-1]}],
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
    assert len(run([question], {"b": benchmark(other)}).dropped) == 1
    assert len(run([question], {"b": benchmark(other)}, DecontaminateConfig(mode=Mode.COVERAGE)).contamination) == 0


def test_only_runs_shared_with_the_same_problem_add_up() -> None:
    words_ = ITEM.split()
    halves = [" ".join(words_[:9]), " ".join(words_[9:])]
    config = DecontaminateConfig(mode=Mode.COVERAGE, threshold=0.6)
    assert len(run([f"{half} {CLEAN}" for half in halves], {"b": benchmark(ITEM)}, config).dropped) == 0
    assert len(run([f"{halves[0]} {CLEAN} {halves[1]}"], {"b": benchmark(ITEM)}, config).dropped) == 1


def test_what_is_to_be_kept_stays_with_its_evidence() -> None:
    found = run([ITEM, ITEM], {"b": benchmark(ITEM)}, DecontaminateConfig(keep=("p0",)))
    assert found.contamination["problem_id"].to_pylist() == ["p0", "p1"]
    assert found.dropped["row_id"].to_pylist() == ["p1"]


def test_the_best_items_are_stored_and_the_best_benchmark_is_named() -> None:
    half = " ".join(ITEM.split()[:10]) + " and then it stops for a long while at some other place"
    benchmarks = {"aaa": benchmark(half), "bbb": benchmark(half, ITEM, ITEM + " Why?")}
    found = run([ITEM], benchmarks)
    assert json.loads(found.dropped["evidence"][0].as_py())["item"] == "i1"
    assert found.dropped["reason"].to_pylist() == ["overlaps bbb"]
    # Every item has this problem as its best one, so all stand in the evidence.
    assert len(found.contamination) == 4
    two = run([ITEM, ITEM], benchmarks, DecontaminateConfig(max_items=2))
    stored = [(row["benchmark"], row["item"]) for row in two.contamination.to_pylist() if row["problem_id"] == "p1"]
    assert stored == [("aaa", "i0"), ("bbb", "i1"), ("bbb", "i2")]


def test_each_benchmark_s_share_is_reported() -> None:
    benchmarks = {"b": benchmark(ITEM, CLEAN, "x", "y"), "none": benchmark()}
    found = run([ITEM, ITEM], benchmarks)
    assert benchmark_overlap(found.contamination, benchmarks) == [
        BenchmarkOverlap("b", 4, 1, 0.25),
        BenchmarkOverlap("none", 0, 0, 0.0),
    ]


def test_nothing_to_compare_is_no_overlap() -> None:
    assert len(run([ITEM], {}).contamination) == 0
    assert len(run([], {"b": benchmark(ITEM)}).contamination) == 0
    with pytest.raises(SchemaError, match="1 of 1 values are null"):
        decontaminate(
            pa.table({"problem_id": ["p"], "question": pa.array([None], pa.string())}),
            traces(),
            {"b": benchmark(ITEM)},
            DecontaminateConfig(),
        )


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(Mode), st.integers(1, 5), st.integers(1, 4))
def test_the_look_up_finds_what_comparing_every_pair_finds(
    draw: random.Random, mode: Mode, ngram: int, whole_min: int
) -> None:
    def some(count: int) -> list[str]:
        return [" ".join(draw.choices("abc", k=draw.randint(0, 9))) for _ in range(count)]

    questions, items = some(6), some(6)
    config = DecontaminateConfig(mode=mode, ngram=ngram, whole_min=whole_min, max_items=10, threshold=0.4)
    expected = set()
    for at, question in enumerate(questions):
        for number, item in enumerate(items):
            parts = (locate_words(question, config.splitting), locate_words(item, config.splitting))
            shared = overlap(question, parts, ngram, whole_min)
            if shared and (mode is Mode.ANY_NGRAM or shared.coverage > 0.4):
                expected.add((f"p{at}", f"i{number}", round(shared.coverage, 5)))
    found = run(questions, {"b": benchmark(*items)}, config).contamination.to_pylist()
    assert {(row["problem_id"], row["item"], round(row["coverage"], 5)) for row in found} == expected
