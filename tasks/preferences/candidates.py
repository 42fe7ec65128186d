"""From tables to the candidates of each problem."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.tables import Status
from tasks.preferences.contract import Candidate
from tasks.preferences.texts import content_keys
from tasks.rows import positions
from tasks.standing import standing_as


class Group(NamedTuple):
    """One problem, by its row, with its candidates in an order that their ids alone decide."""

    problem: int
    candidates: list[Candidate]


def groups(problems: pa.Table, traces: pa.Table, standings: pa.Table) -> Iterator[Group]:
    """The problems that have candidates, in their order.

    A trace that stands neither as correct nor as incorrect is left out. Of traces with the same text one is left, or
    none if they were judged differently.
    """
    right, wrong = (standing_as(one, traces["trace_id"], standings) for one in (Status.CORRECT, Status.INCORRECT))
    problem = positions(traces["problem_id"], problems["problem_id"])
    problem[right == wrong] = -1
    rows = _distinct(problem, content_keys(traces["text"]), content_keys(traces["trace_id"]), right)
    scores = _scores(traces["trace_id"], standings)
    bounds = np.flatnonzero(np.diff(problem[rows], prepend=-1, append=-1)) if len(rows) else np.zeros(1, np.intp)
    candidates = list(
        map(
            Candidate,
            rows.tolist(),
            right[rows].tolist(),
            _lengths(traces, rows, bounds).tolist(),
            pa.array(scores[rows], pa.float64(), from_pandas=True).to_pylist(),
        )
    )
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        yield Group(int(problem[rows[start]]), candidates[start:end])


def _scores(trace_ids: "pa.ChunkedArray[Any]", standings: pa.Table) -> NDArray[np.float64]:
    """Each trace's score, NaN where it has none."""
    scores: Any = standings["score"]
    return np.append(np.asarray(scores.fill_null(np.nan), np.float64), np.nan)[
        positions(trace_ids, standings["trace_id"])
    ]


def _distinct(
    problem: NDArray[np.int64], content: NDArray[np.uint64], identity: NDArray[np.uint64], right: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """Rows that have a problem, sorted by problem and identity, less those whose content another row stands for."""
    usable = np.flatnonzero(problem >= 0)
    rows = usable[np.lexsort((identity[usable], content[usable], problem[usable]))]
    if not len(rows):
        return rows
    first = np.ones(len(rows), np.bool_)
    first[1:] = (problem[rows[1:]] != problem[rows[:-1]]) | (content[rows[1:]] != content[rows[:-1]])
    starts = np.flatnonzero(first)
    agreed = np.logical_and.reduceat(right[rows], starts) == np.logical_or.reduceat(right[rows], starts)
    kept: NDArray[np.intp] = rows[starts[agreed]]
    return kept[np.lexsort((identity[kept], problem[kept]))]


def _lengths(traces: pa.Table, rows: NDArray[np.intp], bounds: NDArray[np.intp]) -> NDArray[np.int64]:
    """Tokens of each of `rows` where all between two bounds know theirs, else characters."""
    texts: Any = traces["text"]
    given: Any = traces["completion_tokens"]
    tokens = np.asarray(given.fill_null(-1), np.int64)[rows]
    characters = np.asarray(pc.utf8_length(texts), np.int64)[rows]
    if not len(rows):
        return characters
    known = np.minimum.reduceat(tokens, bounds[:-1]) >= 0
    return np.where(np.repeat(known, np.diff(bounds)), tokens, characters)
