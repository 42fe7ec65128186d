"""Drop duplicates among our own problems, and among the traces of one problem.

Duplicates are texts of the same words in the same order (exact), and of nearly the same shingles (near); where the
recipe asks for it, problems with nearly the same embedding too. The best of them is kept: an earlier round's; a problem
that has verified traces, a verified trace, and of these one that its search chose; then the shorter text, then the
smaller id.
"""

import json
import os
from collections.abc import Mapping
from operator import itemgetter
from typing import Any, ClassVar, Final, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from schemas.base import ConfigBase
from schemas.conform import rows
from schemas.tables import DROPPED, Status
from tasks.dedupe.index import Shingled, Stored, sketches_of
from tasks.dedupe.near import Among, Duplicates, compare, near_duplicates
from tasks.dedupe.semantic import CROWDED, SEMANTIC, Semantic, central, semantic_twins
from tasks.dedupe.sketch import Near
from tasks.dedupe.space import MIB, Effort
from tasks.embed.search import Kept
from tasks.standing import left_by_search, standing_as
from tasks.text.strings import Column, filtered
from tasks.text.words import Punctuation, Splitting

Kind = TypeVar("Kind", bound="np.generic[Any]")
Row: TypeAlias = dict[str, Any]

STAGE: Final = "dedupe"
VERSION: Final = "2"

EXACT: Final = "exact duplicate"
NEAR: Final = "near duplicate"
ORPHANED: Final = "its problem was dropped"


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


def drop_problems(
    problems: pa.Table,
    earlier: pa.Table,
    verified: "pa.Array[Any]",
    config: DedupeConfig,
    embeddings: pa.Table | None = None,
    shingles: "Shingled | None" = None,
) -> pa.Table:
    """A `dropped` row for each problem that nearly is another one, sorted by id.

    Of alike problems the earlier one stays, else a verified one, else the shorter, else that with the smaller id.

    Args:
        problems: SKETCHES of these problems.
        earlier: the same of problems that stay in any case; those that share no band can be left out.
        verified: ids of problems with a trace that stands as correct.
        config: what counts as a duplicate.
        embeddings: row_id, vector of all these problems; needed where `config.semantic` is set.
        shingles: the column `shingles` of the earlier ones and then the others, to be read part by part; no table
            needs that column then.

    Raises:
        SchemaError: a problem has no vector.
        LakeError: there is no room for temporary files.
    """
    both = pa.concat_tables([earlier, problems])
    new = np.arange(len(both)) >= len(earlier)
    among = _among(both["problem_id"], ~_numpy(pc.is_in(both["problem_id"], value_set=verified), np.bool_), new)
    if config.same_reference_only:
        among.labels[:] = np.where(_numpy(pc.is_null(both["reference"]), np.bool_), -1, _dense(both["reference"]))
    gone = _twin_problems(both, among, config, shingles or (lambda: [both["shingles"]]))
    if config.semantic and embeddings is not None:
        for step in (_twins_in_meaning, _crowded):
            left = _stay(both["problem_id"], gone)
            apart = int(left[: len(earlier)].sum())
            gone += step(both.filter(left), embeddings, among.only(left), config.semantic, apart)
    ours = set(problems["problem_id"].to_pylist())
    return _sorted([row for row in gone if row["row_id"] in ours])


def drop_traces(
    traces: pa.Table, standings: pa.Table, twins: pa.Table, config: DedupeConfig, texts: "Column | None" = None
) -> pa.Table:
    """A `dropped` row for each trace of a duplicate problem, and each that nearly is another one of its problem.

    A trace is verified if it stands as correct (`tasks.standing`). Sorted by id.

    Args:
        traces: trace_id, problem_id, search, text.
        standings: trace_id, status.
        twins: what `drop_problems` dropped.
        config: what counts as a duplicate.
        texts: the traces' texts in their order, to be read part by part; `traces` needs no column `text` then.

    Raises:
        SchemaError: a text is null, or no string.
        LakeError: there is no room for temporary files.
    """
    stands_for = dict(zip(twins["row_id"].to_pylist(), twins["duplicate_of"].to_pylist(), strict=True))
    gone = _orphaned_rows(traces, stands_for)
    if config.traces:
        left = _stay(traces["trace_id"], gone)
        texts = filtered(traces["text"] if texts is None else texts, left)
        gone += _copied_traces(traces.filter(left), texts, standings, config.traces, config)
    return _sorted(gone)


def _sorted(gone: list[Row]) -> pa.Table:
    return rows(sorted(gone, key=itemgetter("row_id")), DROPPED, at=STAGE)


def _twin_problems(both: pa.Table, among: Among, config: DedupeConfig, shingles: Shingled) -> list[Row]:
    if config.problems is None:
        return []
    sketches = sketches_of(both, config.problems)
    found = compare(sketches, Stored(shingles), config.problems, among, config.effort)
    return _duplicate_rows("problems", both["problem_id"].to_pylist(), found)


def _twins_in_meaning(
    problems: pa.Table, embeddings: pa.Table, among: Among, config: Semantic, apart: int
) -> list[Row]:
    found = semantic_twins(problems, embeddings, among, config.threshold, apart)
    return _close_rows(problems, found, SEMANTIC)


def _crowded(problems: pa.Table, embeddings: pa.Table, among: Among, config: Semantic, apart: int) -> list[Row]:
    if config.centres is None:
        return []
    return _close_rows(problems, central(problems, embeddings, among.ids, config.centres, apart), CROWDED)


def _close_rows(problems: pa.Table, found: Kept, reason: str) -> list[Row]:
    ids: list[Any] = problems["problem_id"].to_pylist()
    return [
        _dropped("problems", ids[row], reason, {"cosine": round(float(found.cosines[row]), 4)}, ids[keeper])
        for row, keeper in enumerate(found.keepers)
        if keeper != row
    ]


def _copied_traces(traces: pa.Table, texts: Column, standings: pa.Table, near: Near, config: DedupeConfig) -> list[Row]:
    right, wrong = (standing_as(one, traces["trace_id"], standings) for one in (Status.CORRECT, Status.INCORRECT))
    among = _among(traces["trace_id"], left_by_search(traces["search"]), ~right)
    among.groups[:] = _dense(traces["problem_id"]) * 4
    if not config.across_verdicts:
        among.groups[:] += (right * 2 + wrong).astype(np.uint64)
    found = near_duplicates(texts, near, config.splitting, among, config.effort)
    return _duplicate_rows("traces", traces["trace_id"].to_pylist(), found)


def _among(ids: "pa.ChunkedArray[Any]", *worse: NDArray[np.bool_]) -> Among:
    """Every row with every other; those that are worse come last, by the last criterion above all."""
    tiers = sum((flag.astype(np.int64) << at for at, flag in enumerate(worse)), np.zeros(len(ids), np.int64))
    return Among.all(len(ids))._replace(tiers=tiers, ids=_dense(ids))


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
