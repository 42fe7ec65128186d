"""Drop duplicates among our own problems, and among the traces of one problem.

Duplicates are texts of the same words in the same order (exact), and of nearly the same shingles (near). The best of
them is kept: a problem that has verified traces, a verified trace; then the shorter text, then the smaller id.
"""

import json
import os
from collections.abc import Mapping
from typing import Any, ClassVar, Final, NamedTuple, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from schemas.base import ConfigBase
from schemas.conform import rows
from schemas.tables import DROPPED, Status
from tasks.dedupe.near import Among, Duplicates, near_duplicates
from tasks.dedupe.semantic import SEMANTIC, Semantic, semantic_twins
from tasks.dedupe.sketch import Near
from tasks.dedupe.space import MIB, Effort
from tasks.standing import standing_as
from tasks.text.strings import Column, filtered
from tasks.text.words import Punctuation, Splitting

Kind = TypeVar("Kind", bound="np.generic[Any]")
Row: TypeAlias = dict[str, Any]

STAGE: Final = "dedupe"
VERSION: Final = "2"

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
    semantic: Semantic | None = Field(
        default=None,
        description="also drop problems that mean the same in other words: `{model: …, threshold: 0.95}`",
    )
    memory_mb: int = Field(
        default=1024,
        ge=16,
        description="MiB that comparing may take beside the texts it reads; what must be held at once and is more lies "
        "in temporary files",
    )
    threads: int | None = Field(default=None, ge=1, description="all cores unless set")

    UNSEEN: ClassVar[Mapping[str, Any]] = {"memory_mb": True, "threads": True, "semantic": Semantic.UNSEEN}
    """The settings on which no outcome depends."""

    @property
    def effort(self) -> Effort:
        """What comparing may take."""
        return Effort(self.memory_mb * MIB, self.threads or os.cpu_count() or 1)


class Deduped(NamedTuple):
    """The rows that stay, in their order, and a `dropped` row for each other one, sorted by table and id."""

    problems: pa.Table
    traces: pa.Table
    dropped: pa.Table


def drop_duplicates(
    problems: pa.Table,
    traces: pa.Table,
    standings: pa.Table,
    config: DedupeConfig,
    texts: "Column | None" = None,
    embeddings: pa.Table | None = None,
) -> Deduped:
    """Drop duplicate problems with their traces, then duplicate traces of each problem that stays.

    A trace is verified if it stands as correct (`tasks.standing`).

    Args:
        problems: problem_id, question, reference.
        traces: trace_id, problem_id, text.
        standings: trace_id, status.
        config: what counts as a duplicate.
        texts: the traces' texts in their order, to be read part by part; `traces` needs no column `text` then.
        embeddings: row_id, vector of all problems; where `config.semantic` is set.

    Raises:
        SchemaError: a text is null or no string, or a problem has no vector.
        LakeError: there is no room for temporary files.
    """
    texts = traces["text"] if texts is None else texts
    verified = traces["problem_id"].filter(pa.array(standing_as(Status.CORRECT, traces["trace_id"], standings)))
    dropped = _twin_problems(problems, verified, config)
    problems = problems.filter(_stay(problems["problem_id"], dropped))
    if config.semantic and embeddings is not None:
        dropped += _twins_in_meaning(problems, verified, embeddings, config)
        problems = problems.filter(_stay(problems["problem_id"], dropped))
    orphans = _orphaned_rows(traces, {row["row_id"]: row["duplicate_of"] for row in dropped})
    stay = _stay(traces["trace_id"], orphans)
    traces, texts = traces.filter(stay), filtered(texts, stay)
    copies = _copied_traces(traces, texts, standings, config)
    traces = traces.filter(_stay(traces["trace_id"], copies))
    found = sorted(dropped + orphans + copies, key=lambda row: (str(row["table"]), str(row["row_id"])))
    return Deduped(problems, traces, rows(found, DROPPED, at=STAGE))


def _twin_problems(problems: pa.Table, verified: "pa.ChunkedArray[Any]", config: DedupeConfig) -> list[Row]:
    if config.problems is None:
        return []
    among = _among_problems(problems, verified, config)
    found = near_duplicates(problems["question"], config.problems, config.splitting, among, config.effort)
    return _duplicate_rows("problems", problems["problem_id"].to_pylist(), found)


def _twins_in_meaning(
    problems: pa.Table, verified: "pa.ChunkedArray[Any]", embeddings: pa.Table, config: DedupeConfig
) -> list[Row]:
    assert config.semantic is not None
    among = _among_problems(problems, verified, config)
    found = semantic_twins(problems, embeddings, among, config.semantic.threshold)
    ids: list[Any] = problems["problem_id"].to_pylist()
    return [
        _dropped("problems", ids[row], SEMANTIC, {"cosine": round(float(found.cosines[row]), 4)}, ids[keeper])
        for row, keeper in enumerate(found.keepers)
        if keeper != row
    ]


def _copied_traces(traces: pa.Table, texts: Column, standings: pa.Table, config: DedupeConfig) -> list[Row]:
    if config.traces is None:
        return []
    right, wrong = (standing_as(one, traces["trace_id"], standings) for one in (Status.CORRECT, Status.INCORRECT))
    among = _among(traces["trace_id"], right)
    among.groups[:] = _dense(traces["problem_id"]) * 4
    if not config.across_verdicts:
        among.groups[:] += (right * 2 + wrong).astype(np.uint64)
    found = near_duplicates(texts, config.traces, config.splitting, among, config.effort)
    return _duplicate_rows("traces", traces["trace_id"].to_pylist(), found)


def _among_problems(problems: pa.Table, verified: "pa.ChunkedArray[Any]", config: DedupeConfig) -> Among:
    best = _numpy(pc.is_in(problems["problem_id"], value_set=verified.combine_chunks()), np.bool_)
    among = _among(problems["problem_id"], best)
    if config.same_reference_only:
        references = pc.utf8_trim_whitespace(problems["reference"].cast(pa.string()))
        among.labels[:] = np.where(_numpy(pc.is_null(references), np.bool_), -1, _dense(references))
    return among


def _among(ids: "pa.ChunkedArray[Any]", best: NDArray[np.bool_]) -> Among:
    return Among.all(len(ids))._replace(tiers=(~best).astype(np.int64), ids=_dense(ids))


def _dense(column: "pa.ChunkedArray[Any]") -> NDArray[np.int64]:
    """Numbers in the order of the values, equal where these are, and the same in whatever order the rows come."""
    return _numpy(pc.rank(column, tiebreaker="dense"), np.int64)


def _numpy(column: Any, kind: type[Kind]) -> NDArray[Kind]:
    return np.asarray(column).astype(kind)


def _stay(ids: "pa.ChunkedArray[Any]", gone: list[Row]) -> NDArray[np.bool_]:
    dropped = pa.array([row["row_id"] for row in gone], pa.string())
    return ~_numpy(pc.is_in(ids, value_set=dropped), np.bool_)


def _duplicate_rows(table: str, ids: list[Any], found: Duplicates) -> list[Row]:
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


def _orphaned_rows(traces: pa.Table, stands_for: dict[Any, Any]) -> list[Row]:
    return [
        _dropped("traces", str(trace), ORPHANED, {"problem": problem, "duplicate_of": stands_for[problem]}, None)
        for trace, problem in zip(traces["trace_id"].to_pylist(), traces["problem_id"].to_pylist(), strict=True)
        if problem in stands_for
    ]


def _dropped(table: str, row_id: str, reason: str, evidence: dict[str, object], duplicate_of: str | None) -> Row:
    return {
        "table": table,
        "row_id": row_id,
        "stage": STAGE,
        "reason": reason,
        "evidence": json.dumps(evidence),
        "duplicate_of": duplicate_of,
    }
