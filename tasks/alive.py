"""Which rows are left: filters write only `dropped`, and readers take what is in none of it."""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

ID: Final = {"personas": "persona_id", "problems": "problem_id", "traces": "trace_id", "benchmarks": "item"}


def alive(table: pa.Table, name: str, dropped: pa.Table) -> pa.Table:
    """The rows of `personas`, `problems` or `traces` that no stage has dropped, in their order."""
    return table.filter(pa.array(stays(table, name, dropped)))


def stays(table: pa.Table, name: str, dropped: pa.Table) -> NDArray[np.bool_]:
    """Which rows of `personas`, `problems` or `traces` no stage has dropped, by their id."""
    ids = dropped.filter(pc.equal(dropped["table"], pa.scalar(name)))["row_id"]
    return ~np.asarray(pc.is_in(table[ID[name]], value_set=ids.combine_chunks())).astype(np.bool_)
