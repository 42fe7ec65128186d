"""What selectors measure: pass rates, lengths, groups, and the places of rows in their group."""

from collections.abc import Collection
from typing import Annotated, Any, Final, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from schemas.tables import Status
from tasks.rows import positions, taken
from tasks.select.contract import Pool
from tasks.text.strings import batches

GROUPS: Final = {"domain": "domain", "persona": "persona_id", "source": "source"}
"""Columns of problems by which these fall into groups, by the name that settings use."""
LABEL: Final = "label."
Group: TypeAlias = Annotated[str, Field(pattern=r"^(domain|persona|source|label\..+)$")]
"""By what problems fall into groups: a name in GROUPS, or `label.` and the name of a label that came along."""


class Rates(NamedTuple):
    """Of each problem: how many of its samples are judged right or wrong, and how many are right."""

    judged: NDArray[np.int64]
    right: NDArray[np.int64]

    @property
    def shares(self) -> NDArray[np.float64]:
        """Pass rates; NaN where nothing is judged."""
        shares: NDArray[np.float64] = np.where(self.judged > 0, self.right / np.maximum(self.judged, 1), np.nan)
        return shares


def rates(pool: Pool, names: Collection[str] = ()) -> Rates:
    """How each problem's samples fare; only those of these models or samplers, if any are named."""
    samples = by(pool.samples, names) if names else pool.samples
    problem = positions(samples["problem_id"], pool.problems["problem_id"])
    right, wrong = (stands(samples, one) & (problem >= 0) for one in (Status.CORRECT, Status.INCORRECT))
    size = pool.problems.num_rows
    return Rates(np.bincount(problem[right | wrong], minlength=size), np.bincount(problem[right], minlength=size))


def by(traces: pa.Table, names: Collection[str]) -> pa.Table:
    """The traces whose model or sampler is one of these."""
    wanted = pa.array(list(names), pa.string())
    return traces.filter(pc.or_(*(pc.is_in(traces[column], value_set=wanted) for column in ("model", "source"))))


def stands(traces: pa.Table, status: Status) -> NDArray[np.bool_]:
    """Which traces stand so."""
    same: Any = pc.equal(traces["status"], pa.scalar(status.value))
    return np.asarray(same.fill_null(False)).astype(np.bool_)  # noqa: FBT003 - Arrow's own signature


def lengths(pool: Pool) -> NDArray[np.int64]:
    """The length of each trace: in tokens if these are known of all, else in bytes."""
    tokens: Any = pool.traces["completion_tokens"]
    if not tokens.null_count:
        return np.asarray(tokens, np.int64)
    found = [one.ends - one.starts for one in batches(pool.texts)]
    return np.concatenate(found) if found else np.empty(0, np.int64)


def scores(pool: Pool, judge: str | None) -> NDArray[np.float64]:
    """Each trace's rating by a judge, or its standing's score; less than any where it has none."""
    if judge is None:
        own: Any = pool.traces["score"]
        return np.asarray(own.fill_null(-np.inf), np.float64)
    told = pool.ratings.filter(pc.equal(pool.ratings["judge"], pa.scalar(judge)))
    given: Any = told["score"]
    return np.append(np.asarray(given, np.float64), -np.inf)[positions(pool.traces["trace_id"], told["subject_id"])]


def group_of(problems: pa.Table, traces: pa.Table, name: str) -> "pa.ChunkedArray[Any]":
    """The group of each problem, null where it has none: a column that GROUPS names, or `label.NAME`.

    That is a label which came with a problem's traces; of differing ones the first by the alphabet counts.
    """
    if not name.startswith(LABEL):
        return problems[GROUPS[name]]
    labels: Any = pc.map_lookup(traces["source_labels"], pa.scalar(name.removeprefix(LABEL)), "first")
    told = pa.table({"problem_id": traces["problem_id"], "label": labels}).group_by("problem_id")
    found = told.aggregate([("label", "min")])
    return taken(found["label_min"], positions(problems["problem_id"], found["problem_id"]))


def numbered(*columns: "pa.ChunkedArray[Any]") -> list[NDArray[np.int64]]:
    """Several columns of one kind as numbers in the order of their values, -1 for null; equal where these are."""
    values = pa.chunked_array([chunk for one in columns for chunk in one.chunks], columns[0].type)
    known: Any = values.drop_null().unique().sort()
    return [positions(one, pa.chunked_array([known])) for one in columns]


def places(group: NDArray[np.int64], *order: NDArray[Any]) -> NDArray[np.int64]:
    """The place of each row among those of its group, from 0, by the first of `order`, then the next; least first."""
    rows = np.lexsort((*reversed(order), group))
    starts = np.flatnonzero(np.diff(group[rows], prepend=-2))
    found = np.empty(len(rows), np.int64)
    found[rows] = np.arange(len(rows)) - np.repeat(starts, np.diff(starts, append=len(rows)))
    return found


def by_id(ids: "pa.ChunkedArray[Any]") -> NDArray[np.int64]:
    """The place of each row in the order of ids: as good as random, for ids are hashes, and the same whenever asked."""
    found = np.empty(len(ids), np.int64)
    found[np.asarray(pc.sort_indices(ids))] = np.arange(len(ids))
    return found
