"""What came of searches: by strategy, how many chose a trace, how many broke off and why, what their trees took."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from schemas.summary import SearchReport
from schemas.tables import Status
from tasks.rows import positions, taken

COLUMNS: Final = ["trace_id", "problem_id", "sample_index", "parent_trace_id", "fork_step", "source"]
"""What is looked at of traces, beside `completion_tokens` and `search`."""
RIGHT: Final = "right"
OTHER: Final = "not right"
NOTHING: Final = "nothing chosen"
BROKEN: Final = "broken off"
_SEARCH: Final = ["problem_id", "source", "sample_index", "strategy"]
_WORDS: Final = 2
"""Of what broke a search off so much is kept: what it met is another in each row."""

Counts = Mapping[tuple[str, ...], int]


def searches(traces: pa.Table, standings: pa.Table) -> dict[str, Counter[tuple[str, ...]]]:
    """Count searches.

    kind, key: `search` (strategy, outcome: `right`, `not right`, `nothing chosen`, or what broke it off), `branches`
    (strategy), `branch tokens` (strategy; sampled for branches, not for what was asked beside them).

    Args:
        traces: COLUMNS, completion_tokens and search.
        standings: trace_id, status.
    """
    some = traces.filter(pc.is_valid(traces["search"]))
    told = {name: pc.struct_field(some["search"], name) for name in ("strategy", "chosen", "note")}
    status: Any = taken(standings["status"], positions(some["trace_id"], standings["trace_id"]))
    right: Any = pc.and_(told["chosen"], pc.equal(status, pa.scalar(Status.CORRECT.value)).fill_null(False))  # noqa: FBT003
    broken: Any = pc.starts_with(told["note"], pattern=BROKEN)
    table = some.select(_SEARCH[:-1]).append_column("strategy", told["strategy"])
    table = table.append_column("tokens", _own_tokens(some)).append_column("chosen", told["chosen"])
    table = table.append_column("right", right).append_column(
        "broken", pc.if_else(broken, told["note"], pa.scalar(None, pa.string()))
    )
    aggregates: Any = [([], "count_all"), ("tokens", "sum"), ("chosen", "max"), ("right", "max"), ("broken", "max")]
    found: dict[str, Counter[tuple[str, ...]]] = {
        "search": Counter(),
        "branches": Counter(),
        "branch tokens": Counter(),
    }
    for row in table.group_by(_SEARCH).aggregate(aggregates).to_pylist():
        strategy = row["strategy"]
        found["search"][strategy, _outcome(row)] += 1
        found["branches"][strategy,] += row["count_all"]
        found["branch tokens"][strategy,] += row["tokens_sum"] or 0
    return found


def reports(found: Mapping[str, Counts]) -> tuple[SearchReport, ...]:
    """What the counts of `searches` come to, by strategy."""
    outcomes = found.get("search", {})
    return tuple(
        SearchReport(
            strategy=strategy,
            searches=sum(rows for (one, _), rows in outcomes.items() if one == strategy),
            right=outcomes.get((strategy, RIGHT), 0),
            not_right=outcomes.get((strategy, OTHER), 0),
            broken_off={
                why: rows for (one, why), rows in sorted(outcomes.items()) if one == strategy and why.startswith(BROKEN)
            },
            branches=found["branches"][strategy,],
            tokens=found["branch tokens"][strategy,],
        )
        for strategy in sorted({strategy for strategy, _ in outcomes})
    )


def _own_tokens(traces: pa.Table) -> Any:
    """Without those of the branch that one goes on from; one that is another version of a branch has only its own."""
    rows = positions(traces["parent_trace_id"], traces["trace_id"])
    before: Any = taken(traces["completion_tokens"], rows)
    goes_on: Any = pc.greater(traces["fork_step"], pa.scalar(0, pa.int32()))
    shared = pc.if_else(goes_on.fill_null(False), before.fill_null(0), pa.scalar(0, pa.int32()))  # noqa: FBT003
    return pc.subtract(traces["completion_tokens"], shared)


def _outcome(row: Mapping[str, Any]) -> str:
    if row["chosen_max"]:
        return RIGHT if row["right_max"] else OTHER
    parts: Sequence[str] = (row["broken_max"] or NOTHING).split(": ")
    return ": ".join(parts[:_WORDS])
