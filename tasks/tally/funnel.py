"""What is left after each stage, and what was dropped and why."""

from collections.abc import Mapping, Sequence
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from schemas.summary import FunnelStep
from tasks.alive import ID

Drops = Mapping[tuple[str, str, str], int]
"""Rows by table, stage and reason; a row that several stages dropped counts at the first of them."""

_COUNT: Final = """
    with first as (
        select row_id, min_by(stage, list_position($stages, stage)) as stage,
               min_by(reason, (list_position($stages, stage), reason)) as reason
        from dropped where "table" = $table and list_contains($stages, stage) group by row_id)
    select stage, reason, count(*)::integer as rows from first group by all
"""


def entered(table: pa.Table, name: str, dropped: pa.Table) -> int:
    """How many rows came to a table's first stage: those that are in the table, and those that were not let in."""
    theirs = dropped.filter(pc.equal(dropped["table"], pa.scalar(name)))["row_id"]
    outside = theirs.filter(pc.invert(pc.is_in(theirs, value_set=table[ID[name]].combine_chunks())))
    return table.num_rows + len(outside.unique())


def drops(dropped: pa.Table, stages: Mapping[str, Sequence[str]]) -> dict[tuple[str, str, str], int]:
    """Count what was dropped of each table; `stages` are each table's, in their order."""
    found: dict[tuple[str, str, str], int] = {}
    with duckdb.connect() as connection:
        connection.register("dropped", dropped)
        for table, order in stages.items():
            counted = connection.execute(_COUNT, {"table": table, "stages": list(order)}).fetchall()
            found |= {(table, str(stage), str(reason)): int(rows) for stage, reason, rows in counted}
    return found


def funnel(entered: Mapping[str, int], lost: Drops, stages: Mapping[str, Sequence[str]]) -> tuple[FunnelStep, ...]:
    """Each stage's share of the loss of each table, in the order of its `stages`.

    `entered` says how many rows of each table came to its first stage.
    """
    steps = []
    for table, order in stages.items():
        left = entered.get(table, 0)
        for stage in order:
            here = {reason: rows for (name, where, reason), rows in lost.items() if (name, where) == (table, stage)}
            reasons = dict(sorted(here.items(), key=lambda one: (-one[1], one[0])))
            before, left = left, left - sum(reasons.values())
            steps.append(FunnelStep(stage=stage, table=table, before=before, after=left, reasons=reasons))
    return tuple(steps)
