"""Several verdicts on one trace."""

import pyarrow as pa

from schemas.tables import Status
from tasks.standing import standing, standing_as


def test_verdicts_that_contradict_each_other_decide_nothing() -> None:
    right, wrong, unknown, broken = "correct", "incorrect", "unverifiable", "error"
    statuses = [right, right, wrong, unknown, unknown, broken, unknown, broken, right]
    verdicts = pa.table({"trace_id": list("ababccdee"), "status": statuses})
    assert standing(verdicts).to_pylist() == [
        {"trace_id": "a", "status": "unverifiable"},
        {"trace_id": "b", "status": "correct"},
        {"trace_id": "c", "status": "error"},
        {"trace_id": "d", "status": "unverifiable"},
        {"trace_id": "e", "status": "correct"},
    ]


def test_standing_as_follows_the_rows_asked_for() -> None:
    verdicts = pa.table({"trace_id": ["a", "b"], "status": ["correct", "incorrect"]})
    ids = pa.chunked_array([["b", "c"], ["a"]])
    assert standing_as(Status.CORRECT, ids, verdicts).tolist() == [False, False, True]


def test_no_verdicts() -> None:
    empty = pa.table({"trace_id": pa.array([], pa.string()), "status": pa.array([], pa.string())})
    assert standing(empty).num_rows == 0
