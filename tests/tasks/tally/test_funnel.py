"""The funnel: every row counts once, at the first stage that dropped it."""

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.conform import rows
from schemas.tables import DROPPED
from tasks.alive import alive
from tasks.tally.funnel import drops, funnel

STAGES = ("ingest", "dedupe", "decontaminate")


def dropped(*lines: tuple[str, str, str, str]) -> pa.Table:
    names = ("table", "row_id", "stage", "reason")
    empty: dict[str, object] = {"evidence": None, "duplicate_of": None}
    return rows([dict(zip(names, line, strict=True)) | empty for line in lines], DROPPED, at="test")


def test_what_was_dropped_and_why() -> None:
    stages = {"problems": STAGES}
    lost = drops(
        dropped(
            ("problems", "file:3", "ingest", "empty question"),
            ("problems", "p1", "dedupe", "near duplicate"),
            ("problems", "p2", "dedupe", "near duplicate"),
            ("problems", "p1", "decontaminate", "overlaps gsm8k"),
            ("problems", "p3", "decontaminate", "overlaps gsm8k"),
            ("traces", "t1", "dedupe", "exact duplicate"),
        ),
        stages,
    )
    steps = funnel({"problems": 11}, lost, stages)
    assert [(step.stage, step.before, step.after, step.reasons) for step in steps] == [
        ("ingest", 11, 10, {"empty question": 1}),
        ("dedupe", 10, 8, {"near duplicate": 2}),
        ("decontaminate", 8, 7, {"overlaps gsm8k": 1}),
    ]


def test_alive_keeps_the_order() -> None:
    table = pa.table({"trace_id": ["c", "a", "b"]})
    left = alive(table, "traces", dropped(("traces", "a", "dedupe", "x"), ("problems", "b", "dedupe", "x")))
    assert left["trace_id"].to_pylist() == ["c", "b"]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(STAGES[1:]), st.sampled_from("xy")), max_size=30))
def test_the_funnel_ends_with_what_is_alive(lost: list[tuple[int, str, str]]) -> None:
    lines = dropped(*(("traces", f"t{row}", stage, reason) for row, stage, reason in lost))
    steps = funnel({"traces": 10}, drops(lines, {"traces": STAGES}), {"traces": STAGES})
    assert steps[-1].after == alive(pa.table({"trace_id": [f"t{n}" for n in range(10)]}), "traces", lines).num_rows
    assert sum(sum(step.reasons.values()) for step in steps) == steps[0].before - steps[-1].after
