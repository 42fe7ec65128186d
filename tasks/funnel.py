"""What is left after each stage, and what was dropped and why."""

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

ID_COLUMN = {"problems": "problem_id", "traces": "trace_id"}


class Drop(NamedTuple):
    """One line of the funnel: so many rows of a table, by one stage, for one reason."""

    stage: str
    table: str
    reason: str
    rows: int


def alive(table: pa.Table, name: str, dropped: pa.Table) -> pa.Table:
    """The rows of `problems` or `traces` that no stage has dropped, in their order."""
    ids = dropped.filter(pc.equal(dropped["table"], pa.scalar(name)))["row_id"]
    return table.filter(pc.invert(pc.is_in(table[ID_COLUMN[name]], value_set=ids.combine_chunks())))
