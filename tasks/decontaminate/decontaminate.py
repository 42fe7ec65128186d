"""Find the problems and traces that overlap benchmarks, say where, and drop them."""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.conform import conform, rows
from schemas.summary import BenchmarkOverlap
from schemas.tables import CONTAMINATION, DROPPED
from tasks.decontaminate.config import DecontaminateConfig
from tasks.decontaminate.overlap import Span
from tasks.decontaminate.search import Library, gather, search
from tasks.decontaminate.semantic import MODE

STAGE: Final = "decontaminate"
VERSION: Final = "3"

ORPHANED: Final = "its problem overlaps a benchmark"
EVIDENCE: Final = ("benchmark", "item", "mode", "coverage", "reason")
_VERBS: Final = {MODE: "means the same as"}
_ORDER: Final = ("problem_id", "trace_id", "benchmark", "item")
OVERLAP: Final = ["problem_id", "trace_id", *EVIDENCE]
"""The columns of CONTAMINATION that decide what is dropped."""


class Decontaminated(NamedTuple):
    """The overlaps, sorted by problem, trace, benchmark and item; the `dropped` rows, sorted by table and id."""

    contamination: pa.Table
    dropped: pa.Table


def decontaminate(
    problems: pa.Table, traces: pa.Table, benchmarks: pa.Table, config: DecontaminateConfig
) -> Decontaminated:
    """Compare every problem's question with every item of every benchmark, and the traces too if `config` says so.

    By n-grams; `config.semantic` takes embeddings, and is the module `semantic`'s.

    Args:
        problems: problem_id, question.
        traces: trace_id, problem_id and, where these are compared, text; those of dropped problems are dropped too.
        benchmarks: benchmark, item, text.
        config: what counts as an overlap.

    Raises:
        SchemaError: a text is null, or no string.
    """
    library = gather(benchmarks, config)
    found = [overlaps(problems, library, config)]
    if config.traces:
        found.append(overlaps(traces, library, config))
    contamination = pa.concat_tables(found)
    return Decontaminated(contamination, drop_overlaps(contamination, traces, config))


def overlaps(subjects: pa.Table, library: Library, config: DecontaminateConfig) -> pa.Table:
    """CONTAMINATION rows for problems (problem_id, question) or traces (trace_id, problem_id, text).

    Of each benchmark, a text's `max_items` best items are given, and each item's best text.

    Raises:
        SchemaError: a text is null, or no string.
    """
    of_traces = "trace_id" in subjects.column_names
    found = list(search(subjects["text" if of_traces else "question"], library, config))
    numbers = pa.array([one.row for one in found], pa.int64())
    columns = {
        "problem_id": subjects["problem_id"].take(numbers),
        "trace_id": subjects["trace_id"].take(numbers) if of_traces else pa.nulls(len(found), pa.string()),
        "benchmark": [library.benchmarks[one.item] for one in found],
        "item": [library.names[one.item] for one in found],
        "mode": [config.mode.value] * len(found),
        "coverage": [one.overlap.coverage for one in found],
        "spans": _spans([one.overlap.spans for one in found]),
        "reason": pa.nulls(len(found), pa.string()),
    }
    return conform(pa.table(columns), CONTAMINATION, at=STAGE).sort_by([(name, "ascending") for name in _ORDER])


def _spans(spans: list[list[Span]]) -> "pa.Array[Any]":
    """The spans of each row, as the column holds them."""
    flat = [span for row in spans for span in row]
    starts, ends, texts = zip(*flat, strict=True) if flat else ((), (), ())
    fields: list[pa.Array[Any]] = [
        pa.array(starts, pa.int32()),
        pa.array(ends, pa.int32()),
        pa.array(texts, pa.string()),
    ]
    structs = pa.StructArray.from_arrays(fields, list(Span._fields))
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in spans])])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs)


def benchmark_overlaps(contamination: pa.Table, items: Mapping[str, int]) -> tuple[BenchmarkOverlap, ...]:
    """For each benchmark, with its number of items, how many of these overlap, and with how much."""
    hit: dict[str, tuple[set[str], set[str], set[str]]] = {name: (set(), set(), set()) for name in items}
    for row in contamination.select(["benchmark", "item", "problem_id", "trace_id"]).to_pylist():
        overlapped, problems, traces = hit[row["benchmark"]]
        overlapped.add(row["item"])
        (problems if row["trace_id"] is None else traces).add(row["trace_id"] or row["problem_id"])
    return tuple(
        BenchmarkOverlap(benchmark=name, items=items[name], overlapped=len(one), problems=len(two), traces=len(three))
        for name, (one, two, three) in hit.items()
    )


def drop_overlaps(contamination: pa.Table, traces: pa.Table, config: DecontaminateConfig) -> pa.Table:
    """DROPPED rows for what overlaps and is not to be kept, and for such problems' traces (trace_id, problem_id)."""
    problems, own = _worst(contamination, config)
    gone = pa.array(list(problems), pa.string())
    orphans: list[Any] = traces.filter(pc.is_in(traces["problem_id"], value_set=gone))["trace_id"].to_pylist()
    dropped = [_dropped("problems", *one) for one in problems.items()]
    dropped += [_dropped("traces", *one) for one in own.items() if one[1]["problem_id"] not in problems]
    dropped += [_dropped("traces", trace, None) for trace in orphans]
    dropped.sort(key=lambda row: (row["table"], row["row_id"]))
    return rows(dropped, DROPPED, at=STAGE)


def _worst(contamination: pa.Table, config: DecontaminateConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """For each problem, and each trace, that is not to be kept, its overlap with the item of which it covers most."""
    problems: dict[str, Any] = {}
    traces: dict[str, Any] = {}
    ordered = contamination.select(OVERLAP).sort_by(
        [("coverage", "descending"), ("benchmark", "ascending"), ("item", "ascending")]
    )
    for row in ordered.to_pylist():
        if config.keep.isdisjoint((row["problem_id"], row["trace_id"])):
            named = problems if row["trace_id"] is None else traces
            named.setdefault(row["trace_id"] or row["problem_id"], row | {"coverage": round(row["coverage"], 4)})
    return problems, traces


def _dropped(table: str, row_id: str, overlap: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "table": table,
        "row_id": row_id,
        "stage": STAGE,
        "reason": f"{_VERBS.get(overlap['mode'], 'overlaps')} {overlap['benchmark']}" if overlap else ORPHANED,
        "evidence": overlap and json.dumps({name: overlap[name] for name in EVIDENCE if overlap[name] is not None}),
        "duplicate_of": None,
    }
