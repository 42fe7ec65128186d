"""What releases offer: the rows that none of their own stages dropped, each once, an earlier release's first."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from schemas.refs import Ref, Tables
from schemas.tables import Status
from tasks.alive import alive
from tasks.gold import samples
from tasks.lake import Lake
from tasks.references import with_references
from tasks.rows import positions

READ: Final = (
    "problems",
    "traces",
    "standings",
    "verdicts",
    "references",
    "judgements",
    "ratings",
    "rewrites",
    "dropped",
)
"""The tables of a release that a mixture is made of."""
TOLD: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "standings": ("trace_id", ()),
    "verdicts": ("trace_id", ()),
    "rewrites": ("continuation_trace_id", ()),
    "references": ("problem_id", ("problem_id",)),
    "judgements": ("problem_id", ("judgement_id",)),
    "ratings": ("problem_id", ("judge", "subject_id")),
}
"""What is told of problems and traces: by what it belongs to them, and what names a row that several releases have.

Where nothing does, a row comes from the release that the trace comes from.
"""
_SAMPLED: Final = ["trace_id", "problem_id", "parent_trace_id", "origin", "model", "source"]


class Release(NamedTuple):
    """A release that is mixed."""

    name: str
    """`name/version`."""
    key: str
    tables: Tables

    @property
    def refs(self) -> tuple[Ref, ...]:
        """Of the tables in READ."""
        return tuple(ref for name in READ for ref in self.tables.get(name, ()))


class Owned(NamedTuple):
    """Of one release, the ids of rows that no earlier release has."""

    traces: "pa.Array[Any]"
    problems: "pa.Array[Any]"
    """All that it offers, whoever else has them."""


def problems(lake: Lake, release: Release, columns: list[str] | None) -> pa.Table:
    """The problems that a release offers."""
    return alive(lake.rows(release.tables, "problems", columns), "problems", _dropped(lake, release))


def traces(lake: Lake, release: Release) -> pa.Table:
    """trace_id, problem_id, reference of the traces that a release offers, all of problems that it offers."""
    columns = ["problem_id", "reference"]
    offered = with_references(problems(lake, release, columns), lake.rows(release.tables, "references"))
    found = lake.rows(release.tables, "traces", ["trace_id", "problem_id"])
    found = alive(found, "traces", _dropped(lake, release))
    at = positions(found["problem_id"], offered["problem_id"])
    found, at = found.filter(pa.array(at >= 0)), at[at >= 0]
    return found.append_column("reference", offered["reference"].take(pa.array(at, pa.int64())))


def offers(lake: Lake, releases: Sequence[Release]) -> pa.Table:
    """All releases' traces, with the column `release` before them."""
    found = []
    for one in releases:
        theirs = traces(lake, one)
        found.append(theirs.add_column(0, "release", pa.array([one.name] * len(theirs), pa.string())))
    return pa.concat_tables(found)


def owned(lake: Lake, releases: Sequence[Release]) -> list[Owned]:
    """What each release adds to those before it."""
    seen: pa.ChunkedArray[Any] = pa.chunked_array([], pa.string())
    found = []
    for one in releases:
        theirs = traces(lake, one)
        mine = theirs["trace_id"].filter(pa.array(positions(theirs["trace_id"], seen) < 0))
        seen = pa.chunked_array([*seen.chunks, *mine.chunks], pa.string())
        ids = problems(lake, one, ["problem_id"])["problem_id"]
        found.append(Owned(mine.combine_chunks(), ids.combine_chunks()))
    return found


def rates(lake: Lake, releases: Sequence[Release]) -> pa.Table:
    """problem_id, rate: of each problem's judged samples in all releases, each once, the share that is correct.

    Samples that a release dropped count too: a copy of a right answer still was right.
    """
    judged = pa.concat_tables([_judged(lake, one) for one in releases])
    once = judged.group_by(["trace_id", "problem_id"], use_threads=False).aggregate([("right", "first")])
    found = once.group_by("problem_id").aggregate([("right_first", "mean")])
    return found.rename_columns({"right_first_mean": "rate"}).select(["problem_id", "rate"])


def _judged(lake: Lake, release: Release) -> pa.Table:
    """trace_id, problem_id, right (0 or 1) of the samples that stand as right or wrong."""
    own = samples(lake.rows(release.tables, "traces", _SAMPLED)).select(["trace_id", "problem_id"])
    told = lake.rows(release.tables, "standings", ["trace_id", "status"])
    right, wrong = (pc.equal(told["status"], pa.scalar(one.value)) for one in (Status.CORRECT, Status.INCORRECT))
    told = told.append_column("right", pc.cast(right, pa.int64())).filter(pc.or_(right, wrong))
    at = positions(own["trace_id"], told["trace_id"])
    return own.filter(pa.array(at >= 0)).append_column("right", told["right"].take(pa.array(at[at >= 0], pa.int64())))


def _dropped(lake: Lake, release: Release) -> pa.Table:
    return lake.rows(release.tables, "dropped", ["table", "row_id"])


def gathered(lake: Lake, releases: Sequence[Release], adding: Sequence[Owned], name: str) -> pa.Table:
    """One of the tables in TOLD, of all releases: each row once, an earlier release's first.

    `adding` is what each release adds to those before it.
    """
    column, key = TOLD[name]
    found: list[pa.Table] = []
    for one, mine in zip(releases, adding, strict=True):
        ids = mine.problems if column == "problem_id" else mine.traces
        rows = lake.rows(one.tables, name)
        rows = rows.filter(pc.is_in(rows[column], value_set=ids))
        if key and found:
            seen = pa.chunked_array([_keys(before, key) for before in found])
            rows = rows.filter(pa.array(positions(pa.chunked_array([_keys(rows, key)]), seen) < 0))
        found.append(rows)
    return pa.concat_tables(found)


def _keys(rows: pa.Table, columns: Sequence[str]) -> "pa.Array[Any]":
    join: Any = pc.binary_join_element_wise
    keys: pa.Array[Any] = join(*(rows[name].combine_chunks() for name in columns), "\x00")
    return keys
