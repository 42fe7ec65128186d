"""Drop duplicates among our own problems, and among the traces of one problem.

Duplicates are texts of the same words in the same order (exact), and of nearly the same shingles (near). The best of
them is kept: an earlier round's; a problem that has verified traces, a verified trace; then the shorter text, then the
smaller id.
"""

import json
from operator import itemgetter
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from schemas.base import ConfigBase
from schemas.conform import rows
from schemas.tables import DROPPED, Status
from tasks.dedupe.near import Among, Duplicates, Near, near_duplicates
from tasks.standing import standing_as
from tasks.text.words import Punctuation, Splitting

Kind = TypeVar("Kind", bound="np.generic[Any]")

STAGE: Final = "dedupe"
VERSION: Final = "1"

EXACT: Final = "exact duplicate"
NEAR: Final = "near duplicate"
ORPHANED: Final = "its problem is a duplicate"


class DedupeConfig(ConfigBase):
    """What counts as a duplicate.

    A copy with 5 to 10 % of its words edited has a Jaccard of about 0.5 in 5-word shingles: at 0.8 none is found. In
    3-word shingles 0.6 finds nine in ten, hence the default for problems. Solutions of one problem share its equations
    and much of its wording by nature, so among traces more has to agree.
    """

    problems: Near | None = Field(default=Near(shingle=3, threshold=0.6), description="null: keep all problems")
    traces: Near | None = Field(default=Near(shingle=3, threshold=0.7), description="null: keep all traces")
    splitting: Splitting = Field(
        default=Splitting(punctuation=Punctuation.OPERATORS),
        description="how texts become words; operators are words, so that 3+5 and 3-5 are never the same",
    )
    same_reference_only: bool = Field(
        default=True,
        description="keep near-duplicate problems apart when their references are given and differ: problems that "
        "differ in their numbers alone are different problems",
    )
    across_verdicts: bool = Field(
        default=False,
        description="also compare traces whose standings differ; that drops the incorrect trace that is nearly a "
        "correct one, which is the hardest negative a preference pair can have",
    )


def drop_problems(problems: pa.Table, earlier: pa.Table, verified: "pa.Array[Any]", config: DedupeConfig) -> pa.Table:
    """A `dropped` row for each problem that nearly is another one, sorted by id.

    Of alike problems the earlier one stays, else a verified one, else the shorter, else that with the smaller id.

    Args:
        problems: problem_id, question, reference.
        earlier: the same of problems that stay in any case.
        verified: ids of problems with a trace that stands as correct.
        config: what counts as a duplicate.

    Raises:
        SchemaError: a question is null, or no string.
    """
    if not config.problems:
        return rows([], DROPPED, at=STAGE)
    both = pa.concat_tables([earlier, problems])
    new = np.arange(len(both)) >= len(earlier)
    twins = _twin_problems(both, new, verified, config.problems, config)
    gone = _duplicate_rows("problems", both["problem_id"].to_pylist(), twins)
    ours = set(problems["problem_id"].to_pylist())
    return _sorted([row for row in gone if row["row_id"] in ours])


def drop_traces(traces: pa.Table, standings: pa.Table, twins: pa.Table, config: DedupeConfig) -> pa.Table:
    """A `dropped` row for each trace of a duplicate problem, and each that nearly is another one of its problem.

    A trace is verified if it stands as correct (`tasks.standing`). Sorted by id.

    Args:
        traces: trace_id, problem_id, text.
        standings: trace_id, status.
        twins: what `drop_problems` dropped.
        config: what counts as a duplicate.

    Raises:
        SchemaError: a text is null, or no string.
    """
    stands_for = dict(zip(twins["row_id"].to_pylist(), twins["duplicate_of"].to_pylist(), strict=True))
    gone = _orphaned_rows(traces, stands_for)
    if config.traces:
        left = _without(traces, "trace_id", gone)
        copies = _copied_traces(left, standings, config.traces, config)
        gone += _duplicate_rows("traces", left["trace_id"].to_pylist(), copies)
    return _sorted(gone)


def _sorted(gone: list[dict[str, Any]]) -> pa.Table:
    return rows(sorted(gone, key=itemgetter("row_id")), DROPPED, at=STAGE)


def _twin_problems(
    problems: pa.Table, new: NDArray[np.bool_], verified: "pa.Array[Any]", near: Near, config: DedupeConfig
) -> Duplicates:
    worse = ~_numpy(pc.is_in(problems["problem_id"], value_set=verified), np.bool_)
    among = Among.all(len(problems))._replace(ranks=_ranks(problems["problem_id"], problems["question"], worse, new))
    if config.same_reference_only:
        references = pc.utf8_trim_whitespace(problems["reference"].cast(pa.string()))
        among.labels[:] = np.where(_numpy(pc.is_null(references), np.bool_), -1, _dense(references))
    return near_duplicates(problems["question"], near, config.splitting, among)


def _copied_traces(traces: pa.Table, standings: pa.Table, near: Near, config: DedupeConfig) -> Duplicates:
    right, wrong = (standing_as(one, traces["trace_id"], standings) for one in (Status.CORRECT, Status.INCORRECT))
    among = Among.all(len(traces))._replace(ranks=_ranks(traces["trace_id"], traces["text"], ~right))
    among.groups[:] = _dense(traces["problem_id"]) * 4
    if not config.across_verdicts:
        among.groups[:] += (right * 2 + wrong).astype(np.uint64)
    return near_duplicates(traces["text"], near, config.splitting, among)


def _ranks(ids: "pa.ChunkedArray[Any]", texts: "pa.ChunkedArray[Any]", *worse: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The order in which rows are preferred: shorter texts first, then smaller ids; those that are worse come last."""
    ordered = np.lexsort((_dense(ids), _numpy(pc.utf8_length(texts), np.int64), *worse))
    ranks = np.empty(len(ordered), np.int64)
    ranks[ordered] = np.arange(len(ordered))
    return ranks


def _dense(column: "pa.ChunkedArray[Any]") -> NDArray[np.int64]:
    """Numbers in the order of the values, equal where these are, and the same in whatever order the rows come."""
    return _numpy(pc.rank(column, tiebreaker="dense"), np.int64)


def _numpy(column: Any, kind: type[Kind]) -> NDArray[Kind]:
    return np.asarray(column).astype(kind)


def _without(table: pa.Table, key: str, gone: list[dict[str, Any]]) -> pa.Table:
    ids = pa.array([row["row_id"] for row in gone], pa.string())
    return table.filter(pc.invert(pc.is_in(table[key], value_set=ids)))


def _duplicate_rows(table: str, ids: list[Any], found: Duplicates) -> list[dict[str, Any]]:
    return [
        _dropped(
            table,
            ids[row],
            EXACT if found.exact[row] else NEAR,
            {"jaccard": round(float(found.jaccard[row]), 4)},
            ids[found.keepers[row]],
        )
        for row in np.flatnonzero(found.keepers != np.arange(len(ids)))
    ]


def _orphaned_rows(traces: pa.Table, stands_for: dict[Any, Any]) -> list[dict[str, Any]]:
    return [
        _dropped("traces", str(trace), ORPHANED, {"problem": problem, "duplicate_of": stands_for[problem]}, None)
        for trace, problem in zip(traces["trace_id"].to_pylist(), traces["problem_id"].to_pylist(), strict=True)
        if problem in stands_for
    ]


def _dropped(
    table: str, row_id: str, reason: str, evidence: dict[str, object], duplicate_of: str | None
) -> dict[str, Any]:
    return {
        "table": table,
        "row_id": row_id,
        "stage": STAGE,
        "reason": reason,
        "evidence": json.dumps(evidence),
        "duplicate_of": duplicate_of,
    }
