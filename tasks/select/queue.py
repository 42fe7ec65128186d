"""Which wrong traces people look at first: those that convince.

Lightman et al. 2023, Let's Verify Step by Step (arXiv 2305.20050), sections 2.4 and 4.2: "convincing wrong-answer"
solutions, rated high and wrong all the same, tell most about where a reward model errs; labelling those took 2.6 times
fewer labels.
"""

from typing import Any, Final, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from schemas.base import ConfigBase
from schemas.conform import conform
from schemas.tables import QUEUE, Domain, Status
from tasks.rows import positions, taken
from tasks.select.contract import Pool
from tasks.select.measures import by_id, lengths, numbered, places, scores, stands

STAGE: Final = "queue"
VERSION: Final = "1"


class QueueConfig(ConfigBase):
    """How long the queue is, and what comes first."""

    count: int = Field(ge=1, description="traces of each round: every round queues its own")
    order: Literal["convincing", "random", "first"] = Field(
        default="convincing", description="`random`: by ids, as good as at random; `first`: as the traces came"
    )
    judge: str | None = Field(
        default=None,
        description="the judge whose ratings say what convinces; null: the standings' scores, and where these are all "
        "the same, how many of the problem's traces give the same wrong answer",
    )
    per_problem: int = Field(default=1, ge=1, description="at most so many traces of a problem")
    domains: frozenset[Domain] = Field(default=frozenset(), description="only problems of these; none: of all")


class _Convincing(NamedTuple):
    """What each trace's score is (NaN: none), and where it comes from."""

    scores: NDArray[np.float64]
    reason: Any


def queue(pool: Pool, verdicts: pa.Table, config: QueueConfig) -> pa.Table:
    """Rows of QUEUE, best first, ranks from 1: traces of the pool that stand as incorrect.

    Of equally convincing ones the longer comes first. A trace belongs to one round, so none is queued twice.

    Args:
        pool: the round's, before selection: what a training set does not take may be worth a look.
        verdicts: trace_id, verifier, extracted_answer.
        config: what comes first.
    """
    problem = positions(pool.traces["problem_id"], pool.problems["problem_id"])
    domains: Any = pc.is_in(
        pool.problems["domain"], value_set=pa.array([str(one) for one in config.domains], pa.string())
    )
    fits = np.asarray(domains).astype(np.bool_)[problem] | (not config.domains)
    rows = np.flatnonzero(stands(pool.traces, Status.INCORRECT) & fits)
    found = _scored(pool, rows, verdicts, config.judge)
    keys = _order(pool, rows, found.scores, config.order)
    mine = places(problem[rows], *keys) < config.per_problem
    best = np.lexsort([key[mine] for key in reversed(keys)])[: config.count]
    chosen = rows[mine][best]
    columns = {
        "trace_id": pool.traces["trace_id"].take(chosen),
        "problem_id": pool.traces["problem_id"].take(chosen),
        "rank": pa.array(np.arange(1, len(chosen) + 1), pa.int32()),
        "score": pa.array(found.scores[mine][best], pa.float32(), from_pandas=True),
        "reason": found.reason.filter(pa.array(mine)).take(pa.array(best)),
    }
    return conform(pa.table(columns), QUEUE, at=STAGE)


def _order(pool: Pool, rows: NDArray[np.int64], score: NDArray[np.float64], order: str) -> list[NDArray[Any]]:
    ids = by_id(pool.traces["trace_id"])[rows]
    if order == "convincing":
        return [-np.nan_to_num(score, nan=-np.inf), -lengths(pool)[rows], ids]
    return [ids] if order == "random" else [rows]


def _scored(pool: Pool, rows: NDArray[np.int64], verdicts: pa.Table, judge: str | None) -> _Convincing:
    own = scores(pool, judge)[rows]
    if judge is None and len(np.unique(own)) <= 1:
        return _common(pool, rows, verdicts)
    told = np.where(np.isfinite(own), "the score of its standing" if judge is None else f"rated by {judge}", "no score")
    return _Convincing(np.where(np.isfinite(own), own, np.nan), pa.array(told, pa.string()))


def _common(pool: Pool, rows: NDArray[np.int64], verdicts: pa.Table) -> _Convincing:
    """The share of a problem's samples that give the same answer; NaN where none was found in the trace."""
    answer = _answers(pool.samples, verdicts)
    problem = numbered(pool.samples["problem_id"])[0]
    keys = problem * (answer.max(initial=0) + 2) + answer
    _, group, count = np.unique(keys, return_inverse=True, return_counts=True)
    samples = np.bincount(problem)
    here = positions(pool.traces["trace_id"].take(rows), pool.samples["trace_id"])
    same, of = count[group[here]], samples[problem[here]]
    known = answer[here] >= 0
    texts: list[Any] = [pa.array(one).cast(pa.string()) for one in (same, of)]
    said = pc.binary_join_element_wise("its answer is that of ", texts[0], " of ", texts[1], " traces", "")
    return _Convincing(np.where(known, same / of, np.nan), pc.if_else(pa.array(known), said, "no answer in it"))


def _answers(samples: pa.Table, verdicts: pa.Table) -> NDArray[np.int64]:
    """The answer that was found in each sample, as a number, -1 for none; blanks and capitals make no difference."""
    told = verdicts.filter(pc.is_valid(verdicts["extracted_answer"])).sort_by([("verifier", "ascending")])
    plain: Any = pc.replace_substring_regex(pc.utf8_lower(told["extracted_answer"]), r"[\s$]+", "")
    return numbered(taken(plain, positions(samples["trace_id"], told["trace_id"])))[0]
