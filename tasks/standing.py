"""Where traces stand: by the rule that combines what verifiers say of them, and by the searches that came to them."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.tables import Status
from tasks.rows import positions


def standing_as(status: Status, trace_ids: "pa.ChunkedArray[Any]", standings: pa.Table) -> NDArray[np.bool_]:
    """Of each trace, whether it stands as `status`; one not in `standings` (trace_id, status) does nowhere."""
    those = standings.filter(pc.equal(standings["status"], pa.scalar(status.value)))
    return positions(trace_ids, those["trace_id"]) >= 0


def left_by_search(search: "pa.ChunkedArray[Any]") -> NDArray[np.bool_]:
    """Which traces (SEARCH) a search came to and did not choose."""
    left: Any = pc.invert(pc.struct_field(search, "chosen"))
    return np.asarray(left.fill_null(False)).astype(np.bool_)  # noqa: FBT003 - Arrow's own signature
