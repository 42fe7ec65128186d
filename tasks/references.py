"""What a problem's traces are held against: its own reference, else the majority's."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.rows import positions


def with_references(problems: pa.Table, references: pa.Table) -> pa.Table:
    """`problems` with the reference from `references` (REFERENCES) where they have none of their own."""
    own: Any = problems["reference"]
    blank: Any = pc.equal(pc.utf8_trim_whitespace(own), pa.scalar(""))
    found = positions(problems["problem_id"], references["problem_id"])
    at_theirs: Any = pa.array(found, pa.int64(), mask=found < 0)
    filled = pc.if_else(pc.coalesce(blank, pa.scalar(value=True)), references["reference"].take(at_theirs), own)
    at = problems.column_names.index("reference")
    return problems.set_column(at, problems.field(at), filled)
