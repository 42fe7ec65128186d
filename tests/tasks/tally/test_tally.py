"""Counts of rounds, which add up to the counts of all."""

import random
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.columns import LABELS, SEARCH
from schemas.refs import Stage, Tables
from schemas.tables import DISAGREEMENTS, TABLES, TALLIES
from tasks.lake import Lake
from tasks.tally import store, yields
from tasks.tally.store import tallies
from tasks.tally.tally import COLUMNS, added_up, tally

STAGES: Final = {"problems": ("ingest", "dedupe"), "traces": ("dedupe", "decontaminate")}
STATUSES = ("correct", "incorrect", "unverifiable", "error")


def made(seed: int, name: str) -> dict[str, pa.Table]:
    """A round's tables with the columns that are counted, at random."""
    draw = random.Random(seed)
    problems = [f"{name}{at}" for at in range(draw.randint(1, 6))]
    traces = [f"{problem}-{at}" for problem in problems for at in range(draw.randint(0, 5))]
    labels = [draw.choice([None, [("is_correct", "true")], [("is_correct", "0.2")]]) for _ in traces]
    lost = [("traces", one, draw.choice(STAGES["traces"])) for one in traces if draw.random() < 0.3]
    lost += [("traces", one, "dedupe") for _, one, _ in lost if draw.random() < 0.3]
    lost += [("problems", f"{name} line {at}", "ingest") for at in range(draw.randint(0, 3))]
    lost += [("pairs", one, "preferences") for one in problems if draw.random() < 0.5]
    lost += [("pairs", f"{name} pair {at}", "preferences") for at in range(draw.randint(0, 3))]
    statuses = [draw.choice(STATUSES) for _ in traces]
    return {
        "problems": pa.table(
            {
                "problem_id": problems,
                "reference": ["1"] * len(problems),
                "domain": [draw.choice(["math", "code"]) for _ in problems],
                "persona_id": pa.array([draw.choice([None, "ann", "bob"]) for _ in problems], pa.string()),
            }
        ),
        "traces": pa.table(
            {
                "trace_id": pa.array(traces, pa.string()),
                "problem_id": pa.array([one.split("-")[0] for one in traces], pa.string()),
                "parent_trace_id": pa.nulls(len(traces), pa.string()),
                "sample_index": pa.array(range(len(traces)), pa.int32()),
                "fork_step": pa.nulls(len(traces), pa.int32()),
                "origin": pa.array(["generated"] * len(traces), pa.string()),
                "model": pa.array(["m"] * len(traces), pa.string()),
                "source": pa.array(["s"] * len(traces), pa.string()),
                "completion_tokens": pa.array([draw.choice([None, 7]) for _ in traces], pa.int32()),
                "source_labels": pa.array(labels, LABELS),
                "search": pa.nulls(len(traces), SEARCH),
                "conversation": pa.array([draw.choice([None, "{}"]) for _ in traces], pa.string()),
            }
        ),
        "completions": pa.table({"completion_tokens": pa.array([3, None], pa.int32())}),
        "standings": pa.table({"trace_id": pa.array(traces, pa.string()), "status": pa.array(statuses, pa.string())}),
        "verdicts": pa.table(
            {
                "trace_id": pa.array(traces, pa.string()),
                "verifier": pa.array(["math"] * len(traces), pa.string()),
                "status": pa.array(statuses, pa.string()),
                "extracted_answer": pa.nulls(len(traces), pa.string()),
                "reason": pa.array(["because"] * len(traces), pa.string()),
            }
        ),
        "dropped": pa.table(
            {
                **{at: pa.array([row[n] for row in lost], pa.string()) for n, at in enumerate(("table", "row_id"))},
                "stage": pa.array([row[2] for row in lost], pa.string()),
                "reason": pa.array([f"why {row[2]}" for row in lost], pa.string()),
            }
        ),
        "pairs": pairs(draw),
        "judgement_pairs": pairs(draw).drop_columns(["on_policy"]),
    }


def pairs(draw: random.Random) -> pa.Table:
    count = draw.randint(0, 3)
    return pa.table(
        {
            "rule": pa.array([draw.choice(["irpo", "aspects"]) for _ in range(count)], pa.string()),
            "on_policy": pa.array([draw.choice([True, False, None]) for _ in range(count)], pa.bool_()),
            "chosen_length": pa.array([draw.randint(0, 3000) for _ in range(count)], pa.int32()),
            "rejected_length": pa.array([draw.randint(0, 3000) for _ in range(count)], pa.int32()),
        }
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_rounds_add_up(first: int, second: int) -> None:
    one, other = made(first, "a"), made(second, "b")
    both = {name: pa.concat_tables([one[name], other[name]]) for name in COLUMNS}
    whole, *parts = (tally(tables, STAGES) for tables in (both, one, other))
    assert whole.tallies.schema.equals(TALLIES, check_metadata=True)
    assert whole.disagreements.schema.equals(DISAGREEMENTS, check_metadata=True)
    assert added_up(pa.concat_tables([part.tallies for part in parts])) == added_up(whole.tallies)
    both_yields = (whole.yields, pa.concat_tables([part.yields for part in parts]))
    yielded = [pyarrow.dataset.dataset(table) for table in both_yields]
    assert yields.added(yielded[0]) == yields.added(yielded[1])
    assert yields.ends(yielded[0], "persona", 3) == yields.ends(yielded[1], "persona", 3)
    listed = pa.concat_tables([part.disagreements for part in parts])
    assert listed.to_pylist() == whole.disagreements.to_pylist()


def test_what_a_round_comes_to() -> None:
    tables = made(3, "a") | {
        "traces": pa.table(
            {
                "trace_id": ["a0-0", "a0-1", "a0-2", "a1-0", "a0-3"],
                "problem_id": ["a0", "a0", "a0", "a1", "a0"],
                "sample_index": pa.array([0, 1, 2, 3, 0], pa.int32()),
                "parent_trace_id": [None, None, None, None, "a0-1"],
                "fork_step": pa.array([None, None, None, None, 1], pa.int32()),
                "origin": ["generated"] * 4 + ["rewritten"],
                "model": ["m"] * 5,
                "source": ["s"] * 5,
                "completion_tokens": pa.array([5, None, 6, 7, 9], pa.int32()),
                "source_labels": pa.array(
                    [[("is_correct", "true")], None, [("is_correct", "false")], None, None], LABELS
                ),
                "search": pa.nulls(5, SEARCH),
                "conversation": pa.array([None, "{}", "{}", None, None]),
            }
        ),
        "problems": pa.table(
            {
                "problem_id": ["a0", "a1"],
                "reference": ["8", None],
                "domain": ["math", "math"],
                "persona_id": pa.array(["ann", None]),
            }
        ),
        "pairs": pa.table(
            {
                "rule": ["irpo", "irpo"],
                "on_policy": pa.array([True, None]),
                "chosen_length": pa.array([40, 1234], pa.int32()),
                "rejected_length": pa.array([40, 99], pa.int32()),
            }
        ),
        "judgement_pairs": pa.table(
            {
                "rule": ["meta"],
                "chosen_length": pa.array([7], pa.int32()),
                "rejected_length": pa.array([8], pa.int32()),
            }
        ),
        "dropped": pa.table(
            {
                "table": ["traces", "traces", "problems", "pairs", "pairs"],
                "row_id": ["a0-1", "a0-1", "line 3", "a1", "the id of a pair"],
                "stage": ["decontaminate", "dedupe", "ingest", "preferences", "preferences"],
                "reason": ["leak", "copy", "empty", "one side", "tie"],
            }
        ),
    }
    statuses = ["correct", "incorrect", "correct", "unverifiable", "correct"]
    ids = tables["traces"]["trace_id"]
    tables["standings"] = pa.table({"trace_id": ids, "status": statuses})
    tables["verdicts"] = pa.table(
        {
            "trace_id": ids,
            "verifier": ["math"] * 5,
            "status": statuses,
            "extracted_answer": ["8"] * 5,
            "reason": [""] * 5,
        }
    )
    found = tally(tables, STAGES)
    assert added_up(found.tallies) == {
        "entered": {("problems",): 3, ("traces",): 5},
        "dropped": {("problems", "ingest", "empty"): 1, ("traces", "dedupe", "copy"): 1},
        "tokens": {(): 21},
        "verdict": {("correct",): 3, ("incorrect",): 1, ("unverifiable",): 1},
        "kept": {("correct",): 3, ("unverifiable",): 1},
        "tools": {(): 1},
        "sampled": {("3", "2"): 1},
        "agreement": {("math", "true", "correct"): 1, ("math", "false", "correct"): 1},
        "pair": {("irpo",): 2, ("meta",): 1},
        "pair on-policy": {("irpo", "true"): 1},
        "pair longer": {("irpo", "chosen"): 1, ("meta", "rejected"): 1},
        "pair length": {
            ("irpo", "chosen", "40"): 1,
            ("irpo", "chosen", "1200"): 1,
            ("irpo", "rejected", "40"): 1,
            ("irpo", "rejected", "99"): 1,
            ("meta", "chosen", "7"): 1,
            ("meta", "rejected", "8"): 1,
        },
        "no pair": {("one side",): 1},
        "refused pair": {("tie",): 1},
    }
    (row,) = found.disagreements.to_pylist()
    assert (row["trace_id"], row["label"], row["reference"]) == ("a0-2", False, "8")


def test_only_a_new_round_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(str(tmp_path))
    first, second = (_stored(lake, number) for number in range(2))
    (kept,) = tallies(lake, [first], STAGES)
    counted: list[int] = []

    def counting(tables: Any, stages: Any) -> Any:
        counted.append(len(tables["problems"]))
        return tally(tables, stages)

    monkeypatch.setattr(store, "tally", counting)
    again, new = tallies(lake, [first, second], STAGES)
    assert again == kept
    assert counted == [2]
    assert added_up(lake.rows(new, "tallies"))["entered"] == {("problems",): 2, ("traces",): 0}
    assert tallies(lake, [first], STAGES | {"traces": ("dedupe",)}) != [kept]
    assert tallies(lake, [first], STAGES | {"personas": ("personas",)}) == [kept]


def _stored(lake: Lake, number: int) -> Tables:
    stage = Stage(name="problems", version="1", config={"round": number}, tables=("problems",))
    row = dict.fromkeys(TABLES["problems"].names) | {"domain": "math", "question": "?", "source": "t", "round": number}
    rows = [row | {"problem_id": f"{number}-{at}"} for at in range(1 + number)]
    return lake.run(stage, lambda: [lambda: {"problems": pa.Table.from_pylist(rows, TABLES["problems"])}])
