"""What becomes of each trace that releases offer: once in the mixture, or dropped with the reason."""

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.conform import rows
from schemas.tables import DROPPED
from tasks.mix.config import MixtureConfig
from tasks.mix.mix import Mixed, Pool, mixed
from tasks.mix.told import told

Trace = tuple[str, str, str, str, str]
"""release, trace, problem, reference, status."""


def pool(
    traces: list[Trace], dropped: list[dict[str, Any]] | None = None, rates: dict[str, float] | None = None
) -> Pool:
    """Problems whose names begin with c are code."""
    names = ["release", "trace_id", "problem_id", "reference"]
    problems = sorted({one[2] for one in traces})
    by_trace = {one[1]: one[4] for one in reversed(traces)}
    offers = {name: pa.array([one[at] or None for one in traces], pa.string()) for at, name in enumerate(names)}
    strings = {
        "problem_id": problems,
        "domain": ["code" if one[0] == "c" else "math" for one in problems],
        "source": ["s"] * len(problems),
    }
    rated = rates or {}
    return Pool(
        offers=pa.table(offers),
        problems=pa.table({name: pa.array(values, pa.string()) for name, values in strings.items()}),
        traces=table(trace_id=list(by_trace), model=["m"] * len(by_trace)),
        standings=table(trace_id=list(by_trace), status=list(by_trace.values())),
        rates=pa.table(
            {"problem_id": pa.array(list(rated), pa.string()), "rate": pa.array(rated.values(), pa.float64())}
        ),
        dropped=rows(dropped or [], DROPPED, at="test"),
    )


def table(**columns: list[str]) -> pa.Table:
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def gone(table: str, row_id: str, stage: str, duplicate_of: str | None = None) -> dict[str, Any]:
    told = {"table": table, "row_id": row_id, "stage": stage, "reason": f"of {stage}", "evidence": None}
    return told | {"duplicate_of": duplicate_of}


def config(releases: list[dict[str, Any]], **more: Any) -> MixtureConfig:
    return MixtureConfig.model_validate({"releases": releases, **more})


TWO = [{"release": "a"}, {"release": "b"}]
NAMES = ["a/v1", "b/v1"]


def outcomes(found: Mixed) -> dict[tuple[str, str], tuple[Any, ...]]:
    return {
        (row["release"], row["trace_id"]): (row["outcome"], row["reason"], row["other"], row["repeats"])
        for row in found.mixture.to_pylist()
    }


def test_each_trace_has_an_outcome() -> None:
    traces: list[Trace] = [
        ("a/v1", "t1", "p1", "4", "correct"),
        ("a/v1", "t2", "p1", "4", "incorrect"),
        ("a/v1", "t3", "p2", "5", "incorrect"),
        ("b/v1", "t1", "p1", "4", "correct"),
        ("b/v1", "t4", "p1", "4", "correct"),
        ("b/v1", "t5", "p1", "7", "correct"),
        ("b/v1", "t6", "p3", "6", "correct"),
        ("b/v1", "t7", "p4", "", "correct"),
        ("b/v1", "t8", "p5", "1", "correct"),
    ]
    dropped = [
        gone("traces", "t4", "dedupe", "t1"),
        gone("problems", "p3", "dedupe", "p1"),
        gone("traces", "t6", "dedupe"),
        gone("traces", "t8", "decontaminate"),
        gone("traces", "t8", "select"),
    ]
    found = mixed(pool(traces, dropped), config(TWO), NAMES)
    assert outcomes(found) == {
        ("a/v1", "t1"): ("kept", None, None, 1),
        ("a/v1", "t2"): ("kept", None, None, 1),
        ("a/v1", "t3"): ("mix", "no counted trace of its problem is taken", None, 0),
        ("b/v1", "t1"): ("same", None, "a/v1", 0),
        ("b/v1", "t4"): ("dedupe", "of dedupe", "a/v1", 0),
        ("b/v1", "t5"): ("mix", "its problem has another reference in an earlier release", None, 0),
        ("b/v1", "t6"): ("dedupe", "of dedupe", "a/v1", 0),
        ("b/v1", "t7"): ("kept", None, None, 1),
        ("b/v1", "t8"): ("decontaminate", "of decontaminate", None, 0),
    }
    assert [(row["table"], row["row_id"], row["stage"]) for row in found.dropped.to_pylist()] == [
        *(("problems", one, "mix") for one in ("p2", "p5")),
        *(("traces", one, "mix") for one in ("t3", "t5")),
    ]

    numbers = told(found.mixture, config(TWO), NAMES, {})
    first, second = numbers.cells
    assert (first.release, first.offered, first.kept, first.rows) == ("a/v1", 1, 1, 1)
    assert (second.same, second.duplicates, second.leaks, second.unfit) == ({"a/v1": 1}, {"a/v1": 2}, 1, 1)
    assert (second.offered, second.over, second.kept) == (6, 0, 1)


def many(release: str, problem: str, count: int, status: str = "correct") -> list[Trace]:
    return [(release, f"{release[0]}{problem}{at:03}", problem, "4", status) for at in range(count)]


def test_weights_caps_and_repeats() -> None:
    both = [*many("a/v1", "p", 30), *many("b/v1", "q", 5), *many("b/v1", "q", 2, "incorrect")]
    both[-2:] = [(*one[:1], f"x{at}", *one[2:]) for at, one in enumerate(both[-2:])]
    entries = [{"release": "a", "weight": 2, "most": 18}, {"release": "b", "weight": 1, "up": 4}]
    found = mixed(pool(both), config(entries, count=30), NAMES)
    told_of = outcomes(found)
    assert sum(one[3] for (release, _), one in told_of.items() if release == "a/v1") == 18
    taken = [told_of["b/v1", f"bq{at:03}"][3] for at in range(5)]
    assert taken == [2] * 5
    assert [told_of["b/v1", f"x{at}"][3] for at in range(2)] == [2, 2]
    over = [row for row in found.dropped.to_pylist() if row["table"] == "traces"]
    assert {row["reason"] for row in over} == {"over its cap"}
    assert json.loads(over[0]["evidence"]) == {"group": ["a/v1"], "has": 30, "gives": 18}


def test_groups_within_releases() -> None:
    traces = [*many("a/v1", "p", 10), *many("a/v1", "q", 10), *many("b/v1", "c", 10)]
    rates = {"p": 0.1, "q": 0.7}
    entries = [{"release": "a", "weight": 1}, {"release": "b", "weight": 1}]
    by = [{"by": "difficulty", "weights": {"hard": 3, "easy": 1}}]
    found = mixed(pool(traces, rates=rates), config(entries, count=8, within=by), NAMES)
    taken = [(row["difficulty"], row["outcome"]) for row in found.mixture.to_pylist() if row["outcome"] == "kept"]
    assert sorted(taken) == [("easy", "kept")] * 2 + [("hard", "kept")] * 6
    reasons = {row["reason"] for row in found.dropped.to_pylist() if row["row_id"].startswith("bc")}
    assert reasons == {"its group has no weight"}

    first = [{"by": "domain", "most": {"*": 6}}, {"by": "release"}]
    shares = told(
        mixed(pool(traces), config(entries, within=first), NAMES).mixture, config(entries, within=first), NAMES, {}
    ).shares
    assert [(one.group, one.rows) for one in shares if one.rows] == [(("code", "b/v1"), 6), (("math", "a/v1"), 6)]


TRACES = st.lists(
    st.tuples(st.sampled_from(NAMES), st.integers(0, 30), st.sampled_from(["correct", "incorrect"])),
    unique_by=lambda one: one[:2],
    max_size=40,
).map(
    lambda some: [
        (release, f"t{number}", f"{'pc'[number % 2]}{number % 5}", "4", status)
        for release, number, status in sorted(some, key=lambda one: one[0])
    ]
)


@given(
    traces=TRACES,
    count=st.none() | st.integers(1, 60),
    weights=st.none() | st.lists(st.floats(0.1, 9), min_size=2, max_size=2),
    up=st.integers(1, 3),
    lost=st.sets(st.integers(0, 30), max_size=6),
)
@settings(max_examples=30, deadline=None)
def test_nothing_is_lost_or_counted_twice(
    traces: list[Trace], count: int | None, weights: list[float] | None, up: int, lost: set[int]
) -> None:
    entries = [{"release": name, "up": up, "weight": weights and weights[at]} for at, name in enumerate(("a", "b"))]
    said = config(entries, count=count, within=[{"by": "domain"}])
    dropped = [gone("traces", f"t{one}", "select") for one in sorted(lost)]
    some = pool(traces, dropped)
    found = mixed(some, said, NAMES)
    rows = found.mixture.to_pylist()
    own = [row for row in rows if row["outcome"] != "same"]
    assert len(rows) == len(traces)
    assert len({row["trace_id"] for row in own}) == len(own) == len({one[1] for one in traces})
    assert all((row["repeats"] > 0) == (row["outcome"] == "kept") for row in rows)
    assert all(row["repeats"] <= up for row in rows)
    left_out = {row["row_id"] for row in found.dropped.to_pylist() if row["table"] == "traces"}
    assert left_out == {row["trace_id"] for row in own if row["outcome"] == "mix"}
    numbers = told(found.mixture, said, NAMES, {})
    assert sum(one.offered for one in numbers.cells) == sum(row["counted"] for row in rows)
    assert sum(one.rows for one in numbers.cells) == numbers.rows <= (count or len(traces) * up)
    for one in numbers.cells:
        gone_of_it = sum(one.same.values()) + sum(one.duplicates.values()) + one.leaks + one.unfit + one.over
        assert one.offered == gone_of_it + one.kept

    back = [*reversed([one for one in traces if one[0] == "a/v1"]), *(one for one in traces if one[0] == "b/v1")]
    assert outcomes(mixed(pool(back, dropped), said, NAMES)) == outcomes(found)
    if count:
        more = outcomes(mixed(some, config(entries, count=count + 7, within=[{"by": "domain"}]), NAMES))
        assert all(more[key][3] >= one[3] for key, one in outcomes(found).items())


@pytest.mark.parametrize(("rate", "name"), [(0.0, "hard"), (0.3, "medium"), (0.7, "easy"), (1.0, "easy")])
def test_difficulty(rate: float, name: str) -> None:
    found = mixed(pool(many("a/v1", "p", 1), rates={"p": rate}), config([{"release": "a"}]), ["a/v1"])
    assert found.mixture["difficulty"].to_pylist() == [name]
