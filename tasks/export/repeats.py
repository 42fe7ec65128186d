"""Up-sampling: rows of a mixture that are exported several times, and the release that each comes from.

A trace is repeated as the table `mixture` says, a pair as its chosen trace (a pair of judgements as the trace they
judge), a problem as the most repeated of its traces. What is held out for validation is never repeated.
"""

from collections.abc import Mapping
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.export.published import Files
from tasks.export.selection import TRAIN, Selection
from tasks.rows import positions, taken

READ: Final = ["trace_id", "problem_id", "release", "counted", "repeats"]
"""Of the traces that are kept: those with `repeats` above 0."""
_BY: Final = ("chosen_trace_id", "trace_id", "problem_id")
"""The columns of formats that say which traces a row is of, the first of them that a format has."""
_COUNT: Final = """
    with origin as (select {of} as id, arg_min(release, (not counted, trace_id)) as release from mixture group by {of})
    select release, count(*) from exported join origin on exported.{by} = origin.id group by release order by release
"""


def repeated(rows: pa.Table, id_column: str, selection: Selection) -> pa.Table:
    """A format's rows, each as often as the mixture says: all once, then those that come once more, and so on."""
    if not selection.mixture.num_rows or selection.split != TRAIN or not rows.num_rows:
        return rows
    times = _times(rows, id_column, selection)
    order = [np.flatnonzero(times >= turn) for turn in range(1, int(times.max()) + 1)]
    return rows.take(pa.array(np.concatenate(order), pa.int64()))


def by_release(files: Mapping[str, Files], mixture: pa.Table) -> dict[str, dict[str, int]]:
    """How many exported rows come from each release, by `<format>/<split>`; `mixture` has READ, of kept traces."""
    found: dict[str, dict[str, int]] = {}
    with duckdb.connect() as connection:
        connection.register("mixture", mixture)
        for path, some in files.items():
            exported = some.dataset()
            connection.register("exported", exported)
            by = next(one for one in _BY if one in exported.schema.names)
            of = "problem_id" if by == "problem_id" else "trace_id"
            counted = connection.execute(_COUNT.format(by=by, of=of)).fetchall()
            for release, rows in counted:
                found.setdefault(str(release), {})[path] = int(rows)
    return found


def _times(rows: pa.Table, id_column: str, selection: Selection) -> NDArray[np.int64]:
    """How often each row is exported: at least once."""
    ids, by = rows[id_column], id_column
    if by == "pair_id":
        sides = ((selection.pairs, "chosen_trace_id"), (selection.judgement_pairs, "trace_id"))
        pairs = [table.select(["pair_id", of]).rename_columns(["pair_id", "trace_id"]) for table, of in sides]
        every, by = pa.concat_tables(pairs), "trace_id"
        ids = taken(every["trace_id"], positions(ids, every["pair_id"]))
    most = selection.mixture.group_by(by).aggregate([("repeats", "max")])
    numbers: Any = taken(most["repeats_max"], positions(ids, most[by]))
    return np.maximum(np.asarray(numbers.fill_null(1), np.int64), 1)
