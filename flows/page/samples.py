"""Traces of the newest round with their verdicts."""

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as ds

from flows.page.fences import excerpt, fenced
from schemas.refs import Ref, Tables
from schemas.tables import Status
from tasks.lake import Lake
from tasks.rounds import rounds_of

SAMPLES: Final = 3
"""Traces shown of each verdict."""


def samples(lake: Lake, tables: Tables) -> str:
    """Some of each verdict, of the newest round that has any.

    They are taken from its first part, where verdicts and traces belong together: the page need not wait for all.
    """
    for one in reversed(rounds_of(lake, tables)):
        # A verifier's verdicts have a part for each part of the round's traces.
        traces = list(lake.places(one.get("traces", ())))
        for ref in one.get("verdicts", ()):
            made = lake.manifest(ref)
            at = next((at for at, part in enumerate(made.parts if made else ()) if part.rows), len(traces))
            if at < len(traces):
                return _of_part(lake, one, (ref, at), traces[at])
    return "No trace has a verdict."


def _of_part(lake: Lake, tables: Tables, verdicts: tuple[Ref, int], traces: tuple[Ref, int]) -> str:
    said = lake.read_part(*verdicts)
    chosen = [row for status in Status for row in _spread(said.filter(ds.field("status") == str(status)))]
    ids = pa.array([row["trace_id"] for row in chosen], pa.string())
    own = lake.read_part(*traces).filter(ds.field("trace_id").isin(ids))
    trace_of = _by_id(own, "trace_id")
    problems = lake.chosen(tables, "problems", "problem_id", map(str, own["problem_id"].to_pylist()))
    problem_of = _by_id(problems, "problem_id")
    shown = [(row, trace_of[row["trace_id"]]) for row in chosen if row["trace_id"] in trace_of]
    return "\n\n---\n\n".join(_sample(row, trace, problem_of[trace["problem_id"]]) for row, trace in shown)


def _spread(rows: pa.Table) -> list[dict[str, Any]]:
    """Some rows from all over a table."""
    step = max(1, rows.num_rows // SAMPLES)
    return rows.take(list(range(0, rows.num_rows, step))[:SAMPLES]).to_pylist() if rows.num_rows else []


def _by_id(table: pa.Table, key: str) -> dict[str, dict[str, Any]]:
    rows: Sequence[dict[str, Any]] = table.to_pylist()
    return {row[key]: row for row in rows}


def _sample(verdict: dict[str, Any], trace: dict[str, Any], problem: dict[str, Any]) -> str:
    facts = {
        "verifier": verdict["verifier"],
        "answer": verdict["extracted_answer"],
        "reference": problem["reference"],
        "reason": verdict["reason"],
        "model": trace["model"],
        "trace": trace["trace_id"],
    }
    lines = "\n".join(f"{name}: {value}" for name, value in facts.items() if value)
    return f"### {verdict['status']}\n\n{fenced(lines)}\n\n{excerpt(problem['question'])}\n\n{excerpt(trace['text'])}"
