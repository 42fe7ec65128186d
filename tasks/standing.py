"""Where a trace stands when several verifiers have judged it."""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from schemas.tables import Status

_WEIGHT: Final = (Status.INCORRECT, Status.CORRECT, Status.ERROR, Status.UNVERIFIABLE)


def standing(verdicts: pa.Table) -> pa.Table:
    """One row (trace_id, status) for each trace in `verdicts`, in order of first appearance.

    One `incorrect` outweighs all else; then one `correct`; a trace that no verifier could judge is an `error` if one
    of them broke, else `unverifiable`.
    """
    weights = pc.index_in(verdicts["status"], value_set=pa.array([str(status) for status in _WEIGHT]))
    judged = pa.table({"trace_id": verdicts["trace_id"], "weight": weights})
    heaviest = judged.group_by("trace_id", use_threads=False).aggregate([("weight", "min")])
    status = pa.array([str(status) for status in _WEIGHT]).take(heaviest["weight_min"].combine_chunks())
    return pa.table({"trace_id": heaviest["trace_id"], "status": status})
