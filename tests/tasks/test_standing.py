"""Several verdicts on one trace."""

import pyarrow as pa

from tasks.standing import standing


def test_the_heaviest_verdict_counts() -> None:
    right, wrong, unknown, broken = "correct", "incorrect", "unverifiable", "error"
    statuses = [right, right, wrong, unknown, unknown, broken, unknown, broken, right]
    verdicts = pa.table({"trace_id": list("ababccdee"), "status": statuses})
    assert standing(verdicts).to_pylist() == [
        {"trace_id": "a", "status": "incorrect"},
        {"trace_id": "b", "status": "correct"},
        {"trace_id": "c", "status": "error"},
        {"trace_id": "d", "status": "unverifiable"},
        {"trace_id": "e", "status": "correct"},
    ]


def test_no_verdicts() -> None:
    empty = pa.table({"trace_id": pa.array([], pa.string()), "status": pa.array([], pa.string())})
    assert standing(empty).num_rows == 0
