"""Which traces stand as what."""

import pyarrow as pa

from schemas.tables import Status
from tasks.standing import standing_as


def test_standing_as_follows_the_rows_asked_for() -> None:
    standings = pa.table({"trace_id": ["a", "b"], "status": ["correct", "incorrect"]})
    ids = pa.chunked_array([["b", "c"], ["a"]])
    assert standing_as(Status.CORRECT, ids, standings).tolist() == [False, False, True]
