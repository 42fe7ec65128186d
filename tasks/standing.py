"""Where a trace stands when several verifiers have judged it."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.tables import Status
from tasks.rows import positions


def standing(verdicts: pa.Table) -> pa.Table:
    """One row (trace_id, status) for each trace in `verdicts`, in order of first appearance.

    A trace is `correct` by at least one such verdict and none `incorrect`, and the other way round. Where verifiers
    contradict each other it is `unverifiable`. A trace that none could judge is an `error` if one of them broke, else
    `unverifiable`.
    """
    flags = {status.value: pc.equal(verdicts["status"], pa.scalar(status.value)) for status in Status}
    judged = pa.table({"trace_id": verdicts["trace_id"], **flags})
    any_of = judged.group_by("trace_id", use_threads=False).aggregate([(name, "any") for name in flags])
    right, wrong, broken = (any_of[f"{one}_any"] for one in (Status.CORRECT, Status.INCORRECT, Status.ERROR))
    status = pc.case_when(
        pc.make_struct(pc.and_(right, wrong), right, wrong, broken),
        *(pa.scalar(str(one)) for one in (Status.UNVERIFIABLE, Status.CORRECT, Status.INCORRECT, Status.ERROR)),
        pa.scalar(str(Status.UNVERIFIABLE)),
    )
    return pa.table({"trace_id": any_of["trace_id"], "status": status})


def standing_as(status: Status, trace_ids: "pa.ChunkedArray[Any]", verdicts: pa.Table) -> NDArray[np.bool_]:
    """Of each trace, whether it stands as `status`; a trace without a verdict stands nowhere."""
    stands = standing(verdicts)
    those = stands.filter(pc.equal(stands["status"], pa.scalar(status.value)))
    return positions(trace_ids, those["trace_id"]) >= 0
