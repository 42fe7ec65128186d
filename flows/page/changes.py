"""What a release has that the one before had not, and the other way round."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import duckdb
import orjson
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from flows.page.fences import excerpt
from flows.page.overview import drops, traces
from schemas.refs import ReleaseManifest
from schemas.summary import Summary
from tasks import report
from tasks.export import published
from tasks.export.published import Files
from tasks.lake import Lake

EXAMPLES: Final = 2
"""Rows that are shown of each format, split and change."""
_SOME: Final = f"""
    select format, change, row_id, reason from diff
    qualify row_number() over (partition by format, change order by row_id) <= {EXAMPLES}
    order by format, change, row_id
"""  # noqa: S608 - a number of our own
_BATCH: Final = 256
_REASONS: Final = 20


def changes(lake: Lake, release: ReleaseManifest, before: ReleaseManifest) -> str:
    """Rows by format, split and change, how the funnel moved, and some rows that differ."""
    sections = [
        f"{release.name} {release.version} against {before.version}; `diff.parquet` in the release names every row.",
        _counted(release.changes),
        f"### How the numbers moved\n\n{moved(release.summary, before.summary)}",
        *_examples(lake, release, before),
    ]
    return "\n\n".join(sections)


def _counted(found: dict[str, int]) -> str:
    """A line for each format and split."""
    if not found:
        return "No row differs."
    paths = dict.fromkeys(name.rpartition(" ")[0] for name in found)
    kinds = ("added", "removed", "changed")
    return report.table(
        ["format", *kinds], [(path, *(found.get(f"{path} {kind}", 0) for kind in kinds)) for path in paths]
    )


def moved(now: Summary, before: Summary) -> str:
    """Traces, accepted ones, pass@1 and dropped rows, then and now."""
    counts = [("traces", traces(before), traces(now)), ("accepted", before.accepted, now.accepted)]
    rows: list[tuple[str, object, object, str]] = [(name, then, new, f"{new - then:+,}") for name, then, new in counts]
    shares = [
        ("yield", _share(before), _share(now)),
        ("pass@1", before.pass_at_k.get(1), now.pass_at_k.get(1)),
    ]
    rows += [(name, _percent(then), _percent(new), _points(then, new)) for name, then, new in shares]
    lost, was = drops(now), drops(before)
    most = sorted({*lost, *was}, key=lambda one: (-abs(lost[one] - was[one]), one))[:_REASONS]
    rows += [
        (f"{table} dropped by {stage}: {reason}", was[stage, table, reason], lost[stage, table, reason], f"{by:+,}")
        for stage, table, reason in most
        if (by := lost[stage, table, reason] - was[stage, table, reason])
    ]
    return report.table(["", "before", "now", "change"], rows)


def _share(summary: Summary) -> float | None:
    return summary.accepted / traces(summary) if traces(summary) else None


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _points(before: float | None, now: float | None) -> str:
    return "" if before is None or now is None else f"{100 * (now - before):+.1f} points"


def _examples(lake: Lake, release: ReleaseManifest, before: ReleaseManifest) -> Iterator[str]:
    place = lake.storage.full(f"{published.folder(release.name, release.version)}/diff.parquet")
    diff = ds.dataset(place, format="parquet", filesystem=lake.storage.filesystem)
    with duckdb.connect() as connection:
        connection.register("diff", diff)
        chosen = connection.sql(_SOME).fetchall()
    for path, change, row_id, reason in chosen:
        here, there = (release, before) if change != "removed" else (before, release)
        row = _row(published.files(lake.storage, here, path), there.formats.get(path, ()), row_id)
        why = f": {reason}" if reason else ""
        told = "" if row is None else "\n\n" + excerpt(_told(row))
        yield f"**{path}, {change}**: `{row_id}`{why}{told}"


def _row(files: Files | None, shared: Sequence[Any], row_id: str) -> dict[str, Any] | None:
    """A row by its id, which is in one of its columns of ids; files that the other version has too are not opened."""
    known = {part.name for part in shared}
    for part in files.parts if files else ():
        if files is None or part.name in known:
            continue
        data = files.storage.filesystem.open(files.storage.full(f"{files.folder}/{part.name}"), "rb")
        with data, pq.ParquetFile(data) as opened:
            place = _place(opened, row_id)
            if place is not None:
                return _read(opened, place)
    return None


def _told(row: dict[str, Any]) -> str:
    """A row as people read it: messages with their line ends."""
    return "\n".join(f"{name}: {_value(value)}" for name, value in row.items())


def _value(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(one, dict) and "content" in one for one in value):
        return "".join(f"\n  {one.get('role', '')}: {one['content']}" for one in value)
    return orjson.dumps(value, default=str).decode()


def _place(opened: pq.ParquetFile, row_id: str) -> int | None:
    for name in ("pair_id", "trace_id", "problem_id"):
        if name in opened.schema_arrow.names:
            ids = opened.read([name])[name].to_pylist()
            if row_id in ids:
                return ids.index(row_id)
    return None


def _read(opened: pq.ParquetFile, place: int) -> dict[str, Any]:
    """A row by its place; the others pass by in small batches."""
    for at, batch in enumerate(opened.iter_batches(batch_size=_BATCH)):
        if place < (at + 1) * _BATCH:
            row: dict[str, Any] = batch.slice(place - at * _BATCH, 1).to_pylist()[0]
            return row
    raise IndexError(place)
