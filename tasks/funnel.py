"""What is left after each stage, and what was dropped and why."""

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from schemas.summary import FunnelStep

_IDS: Final = {"problems": "problem_id", "traces": "trace_id"}


def alive(table: pa.Table, name: str, dropped: pa.Table) -> pa.Table:
    """The rows of `problems` or `traces` that no stage has dropped, in their order."""
    ids = dropped.filter(pc.equal(dropped["table"], pa.scalar(name)))["row_id"]
    return table.filter(pc.invert(pc.is_in(table[_IDS[name]], value_set=ids.combine_chunks())))


def funnel(stored: dict[str, int], dropped: pa.Table, stages: Sequence[str]) -> tuple[FunnelStep, ...]:
    """Each stage's share of the loss, in the order of `stages`.

    `stored` says how many rows of each table the first stage let in; what that stage dropped comes on top.
    """
    counted: list[dict[str, Any]] = (
        dropped.group_by(["stage", "table", "reason"]).aggregate([([], "count_all")]).to_pylist()
    )
    steps = []
    for table, rows in stored.items():
        left = rows + sum(one["count_all"] for one in counted if (one["stage"], one["table"]) == (stages[0], table))
        for stage in stages:
            reasons = {
                str(one["reason"]): int(one["count_all"])
                for one in sorted(counted, key=lambda one: (-one["count_all"], one["reason"]))
                if (one["stage"], one["table"]) == (stage, table)
            }
            before, left = left, left - sum(reasons.values())
            steps.append(FunnelStep(stage=stage, table=table, before=before, after=left, reasons=reasons))
    return tuple(steps)
