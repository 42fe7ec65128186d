"""Find the problems that overlap benchmarks, say where, and drop them."""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from schemas.conform import rows
from schemas.tables import CONTAMINATION, DROPPED
from tasks.decontaminate.config import DecontaminateConfig
from tasks.decontaminate.search import gather, search

STAGE: Final = "decontaminate"
VERSION: Final = "1"

ORPHANED: Final = "its problem overlaps a benchmark"


class Decontaminated(NamedTuple):
    """The overlaps, sorted by problem, benchmark and item; the `dropped` rows they led to, sorted by table and id."""

    contamination: pa.Table
    dropped: pa.Table


class BenchmarkOverlap(NamedTuple):
    """How much of a benchmark the problems give away. Tülu 3 calls a set contaminated above a share of 0.02."""

    benchmark: str
    items: int
    overlapped: int
    share: float


def decontaminate(
    problems: pa.Table, traces: pa.Table, benchmarks: Mapping[str, pa.Table], config: DecontaminateConfig
) -> Decontaminated:
    """Compare every problem's question with every item of every benchmark.

    Of each benchmark, a problem's `max_items` best items are stored, and each item's best problem.

    Args:
        problems: problem_id, question.
        traces: trace_id, problem_id; those of dropped problems are dropped too.
        benchmarks: by name, a table of item (its id) and text.
        config: what counts as an overlap.

    Raises:
        SchemaError: a text is null, or no string.
    """
    found = _contamination(problems, benchmarks, config)
    dropped = _problem_rows(found, config)
    gone = pa.array([row["row_id"] for row in dropped], pa.string())
    orphans = traces.filter(pc.is_in(traces["problem_id"], value_set=gone))
    dropped += [_dropped("traces", str(trace), ORPHANED, None) for trace in orphans["trace_id"].to_pylist()]
    dropped.sort(key=lambda row: (row["table"], row["row_id"]))
    return Decontaminated(rows(found, CONTAMINATION, at=STAGE), rows(dropped, DROPPED, at=STAGE))


def benchmark_overlap(contamination: pa.Table, benchmarks: Mapping[str, pa.Table]) -> list[BenchmarkOverlap]:
    """For each benchmark, how many of its items some problem overlaps, as `decontaminate` found."""
    hit: dict[str, set[str]] = {name: set() for name in benchmarks}
    for row in contamination.select(["benchmark", "item"]).to_pylist():
        hit[row["benchmark"]].add(row["item"])
    counts = {name: (len(set(table["item"].to_pylist())), len(hit[name])) for name, table in benchmarks.items()}
    return [BenchmarkOverlap(name, all_, some, some / all_ if all_ else 0.0) for name, (all_, some) in counts.items()]


def _contamination(
    problems: pa.Table, benchmarks: Mapping[str, pa.Table], config: DecontaminateConfig
) -> list[dict[str, Any]]:
    items = gather(benchmarks, config.splitting)
    found: list[dict[str, Any]] = [
        {
            "problem_id": problems["problem_id"][one.row].as_py(),
            "benchmark": items.benchmarks[one.item],
            "item": items.names[one.item],
            "mode": config.mode.value,
            "coverage": one.overlap.coverage,
            "spans": [span._asdict() for span in one.overlap.spans],
        }
        for one in search(problems["question"], items, config)
    ]
    return sorted(found, key=lambda row: (row["problem_id"], row["benchmark"], row["item"]))


def _problem_rows(found: list[dict[str, Any]], config: DecontaminateConfig) -> list[dict[str, Any]]:
    """One row a problem, for the item of which it covers most."""
    best: dict[str, dict[str, Any]] = {}
    for row in found:
        if row["problem_id"] not in config.keep:
            best[row["problem_id"]] = max(best.get(row["problem_id"], row), row, key=lambda one: one["coverage"])
    return [
        _dropped(
            "problems",
            problem,
            f"overlaps {row['benchmark']}",
            {key: row[key] for key in ("benchmark", "item", "mode", "coverage")},
        )
        for problem, row in best.items()
    ]


def _dropped(table: str, row_id: str, reason: str, evidence: dict[str, object] | None) -> dict[str, Any]:
    return {
        "table": table,
        "row_id": row_id,
        "stage": STAGE,
        "reason": reason,
        "evidence": evidence and json.dumps(evidence),
        "duplicate_of": None,
    }
