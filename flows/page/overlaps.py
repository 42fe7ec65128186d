"""What the problems and traces share with benchmarks."""

from collections.abc import Sequence
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from flows.page.fences import excerpt, fenced
from schemas.refs import Tables
from tasks.decontaminate.semantic import MODE
from tasks.lake import Lake

OVERLAPS: Final = 30
"""Overlaps that are shown, the largest ones."""
_LARGEST: Final = f"select * from contamination order by coverage desc, problem_id, benchmark, item limit {OVERLAPS}"  # noqa: S608


def overlaps(lake: Lake, tables: Tables) -> str:
    """The largest overlaps with the texts that both have."""
    refs = tables.get("contamination", ())
    with duckdb.connect() as connection:
        connection.register("contamination", lake.dataset("contamination", refs))
        shown: list[dict[str, Any]] = connection.sql(_LARGEST).to_arrow_table().to_pylist()
    if not shown:
        return "None does."
    in_meaning = [row for row in shown if row["mode"] == MODE]
    texts = _texts(lake, tables, in_meaning, ("problems", ["problem_id", "question"]))
    texts |= _texts(lake, tables, in_meaning, ("benchmarks", ["item", "benchmark", "text"]))
    blocks = [_alike(row, texts) if row["mode"] == MODE else _overlap(row) for row in shown]
    more = lake.row_count(refs) - len(blocks)
    return "\n\n".join(blocks + [f"… and {more:,} more in the table `contamination`."] * (more > 0))


def _texts(
    lake: Lake, tables: Tables, rows: Sequence[dict[str, Any]], where: tuple[str, list[str]]
) -> dict[tuple[str, ...], str]:
    """A table's last column by those before it, for the rows that have the first one's values."""
    table, columns = where
    wanted = ds.field(columns[0]).isin(pa.array([row[columns[0]] for row in rows], pa.string()))
    found = lake.dataset(table, tables.get(table, ())).to_table(columns=columns, filter=wanted)
    return {tuple(key): text for *key, text in zip(*(found[name].to_pylist() for name in columns), strict=True)}


def _where(row: dict[str, Any]) -> str:
    return f"trace `{row['trace_id']}`" if row["trace_id"] else f"problem `{row['problem_id']}`"


def _alike(row: dict[str, Any], texts: dict[tuple[str, ...], str]) -> str:
    said = f"; {row['reason']}" if row["reason"] else ""
    head = f"**{row['benchmark']}**, item `{row['item']}`: cosine {row['coverage']:.2f} with {_where(row)}{said}"
    both = (texts[row["item"], row["benchmark"]], texts[row["problem_id"],])
    return "\n\n".join([head, *map(excerpt, both)])


def _overlap(row: dict[str, Any]) -> str:
    head = f"**{row['benchmark']}**, item `{row['item']}`: {row['coverage']:.0%} of it in {_where(row)}"
    return f"{head}\n\n" + fenced("\n…\n".join(span["text"] for span in row["spans"]))
