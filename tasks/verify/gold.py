"""Problems whose own reference their verifier does not accept: no verdict on their traces can be trusted."""

import json

import pyarrow as pa
import pyarrow.compute as pc

from schemas.conform import rows
from schemas.tables import DROPPED


def drop_bad_references(traces: pa.Table, failures: pa.Table) -> pa.Table:
    """Rows of `dropped` for the problems in `failures` (GOLD_FAILURES) and for their traces (trace_id, problem_id)."""
    bad: dict[str, str] = {
        row["problem_id"]: json.dumps({name: row[name] for name in ("verifier", "reference", "status", "reason")})
        for row in failures.to_pylist()
    }
    theirs = traces.filter(pc.is_in(traces["problem_id"], value_set=failures["problem_id"].combine_chunks()))
    lost = [("problems", problem_id, problem_id) for problem_id in bad] + [
        ("traces", row["trace_id"], row["problem_id"]) for row in theirs.select(["trace_id", "problem_id"]).to_pylist()
    ]
    records: list[dict[str, object]] = [
        {
            "table": table,
            "row_id": row_id,
            "stage": "verify",
            "reason": "the reference fails its own verifier",
            "evidence": bad[problem_id],
            "duplicate_of": None,
        }
        for table, row_id, problem_id in sorted(lost)
    ]
    return rows(records, DROPPED, at="verify")
