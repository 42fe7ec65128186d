"""What is left after each stage, and what was dropped and why."""

from collections.abc import Mapping, Sequence
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from schemas.summary import FunnelStep

ID: Final = {"personas": "persona_id", "problems": "problem_id", "traces": "trace_id"}
_COUNT: Final = """
    with first as (
        select row_id, min_by(stage, list_position($stages, stage)) as stage,
               min_by(reason, (list_position($stages, stage), reason)) as reason
        from dropped where "table" = $table and list_contains($stages, stage) group by row_id)
    select stage, reason, count(*)::integer as rows from first group by all order by rows desc, reason
"""


def alive(table: pa.Table, name: str, dropped: pa.Table) -> pa.Table:
    """The rows of `personas`, `problems` or `traces` that no stage has dropped, in their order."""
    ids = dropped.filter(pc.equal(dropped["table"], pa.scalar(name)))["row_id"]
    return table.filter(pc.invert(pc.is_in(table[ID[name]], value_set=ids.combine_chunks())))


def entered(table: pa.Table, name: str, dropped: pa.Table) -> int:
    """How many rows came to a table's first stage: those that are in the table, and those that were not let in."""
    theirs = dropped.filter(pc.equal(dropped["table"], pa.scalar(name)))["row_id"]
    outside = theirs.filter(pc.invert(pc.is_in(theirs, value_set=table[ID[name]].combine_chunks())))
    return table.num_rows + len(outside.unique())


def funnel(
    entered: Mapping[str, int], dropped: pa.Table, stages: Mapping[str, Sequence[str]]
) -> tuple[FunnelStep, ...]:
    """Each stage's share of the loss of each table, in the order of its `stages`.

    `entered` says how many rows of each table came to its first stage. A row that several stages dropped counts at the
    first of them.
    """
    steps = []
    with duckdb.connect() as connection:
        connection.register("dropped", dropped)
        for table, left in entered.items():
            order = list(stages[table])
            counted = connection.execute(_COUNT, {"table": table, "stages": order}).fetchall()
            for stage in order:
                reasons = {reason: count for where, reason, count in counted if where == stage}
                before, left = left, left - sum(reasons.values())  # noqa: PLW2901 - what is left goes on
                steps.append(FunnelStep(stage=stage, table=table, before=before, after=left, reasons=reasons))
    return tuple(steps)
