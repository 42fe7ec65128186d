"""What is left after each stage, and what was dropped and why."""

from collections.abc import Sequence
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from schemas.summary import FunnelStep

_IDS: Final = {"problems": "problem_id", "traces": "trace_id"}
_COUNT: Final = """
    with first as (
        select "table", row_id, min_by(stage, list_position($stages, stage)) as stage,
               min_by(reason, (list_position($stages, stage), reason)) as reason
        from dropped where list_contains($stages, stage) group by "table", row_id)
    select "table", stage, reason, count(*)::integer as rows from first group by all order by rows desc, reason
"""


def alive(table: pa.Table, name: str, dropped: pa.Table) -> pa.Table:
    """The rows of `problems` or `traces` that no stage has dropped, in their order."""
    ids = dropped.filter(pc.equal(dropped["table"], pa.scalar(name)))["row_id"]
    return table.filter(pc.invert(pc.is_in(table[_IDS[name]], value_set=ids.combine_chunks())))


def funnel(stored: dict[str, int], dropped: pa.Table, stages: Sequence[str]) -> tuple[FunnelStep, ...]:
    """Each stage's share of the loss, in the order of `stages`.

    `stored` says how many rows of each table the first stage let in; what that stage dropped comes on top. A row that
    several stages dropped counts at the first of them.
    """
    with duckdb.connect() as connection:
        connection.register("dropped", dropped)
        counted = connection.execute(_COUNT, {"stages": list(stages)}).fetchall()
    steps = []
    for table, rows in stored.items():
        left = rows + sum(count for name, stage, _, count in counted if (name, stage) == (table, stages[0]))
        for stage in stages:
            reasons = {reason: count for name, where, reason, count in counted if (name, where) == (table, stage)}
            before, left = left, left - sum(reasons.values())
            steps.append(FunnelStep(stage=stage, table=table, before=before, after=left, reasons=reasons))
    return tuple(steps)
