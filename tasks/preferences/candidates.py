"""From tables to the candidates of each problem."""

from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.tables import Status
from tasks.preferences.contract import Candidate, Need
from tasks.preferences.facts import facts
from tasks.preferences.pool import Pool, Wanted
from tasks.preferences.texts import TextKeys, text_keys
from tasks.rows import positions
from tasks.standing import standing_as

_UNJUDGED: Final = 2
_CORRECT: Final = np.array([False, True, None], object)
"""What the codes of correctness stand for."""


class Group(NamedTuple):
    """What is paired with each other, with the row of its problem, in an order that ids alone decide."""

    problem: int
    candidates: list[Candidate]


def groups(pool: Pool, keys: TextKeys, wanted: Wanted) -> Iterator[Group]:
    """The problems that have candidates, in their order; `keys` are those of the traces' texts.

    A trace that stands neither as correct nor as incorrect is left out, unless rules need UNJUDGED. Of traces with the
    same text one is left, or none if they were judged differently.
    """
    problems, traces, standings, _ = pool
    right, wrong = (standing_as(one, traces["trace_id"], standings) for one in (Status.CORRECT, Status.INCORRECT))
    stands = np.where(right | wrong, right, np.int8(_UNJUDGED)).astype(np.int8)
    problem = positions(traces["problem_id"], problems["problem_id"])
    unfit = right & wrong if Need.UNJUDGED in wanted.needs else right == wrong
    problem[unfit] = -1
    rows = _distinct(problem, keys.exact, text_keys(traces["trace_id"]).exact, stands)
    bounds = _bounds(problem[rows])
    columns: dict[str, Iterable[Any]] = {
        "row": rows.tolist(),
        "correct": _CORRECT[stands[rows]].tolist(),
        "length": _lengths(traces, rows, bounds).tolist(),
        "score": pa.array(_scores(traces["trace_id"], standings)[rows], pa.float64(), from_pandas=True).to_pylist(),
    }
    yield from _grouped(problem[rows], bounds, columns | facts(pool, rows, wanted))


def judgement_groups(pool: Pool, keys: TextKeys, judge: str) -> Iterator[Group]:
    """For each trace the judgements on it that a judge of judgements rates; `keys` are those of their replies."""
    judgements, ratings = pool.opinions.judgements, pool.opinions.ratings
    theirs = ratings.filter(pc.equal(ratings["judge"], pa.scalar(judge)))
    place = positions(judgements["judgement_id"], theirs["subject_id"])
    group, problem = _by_trace(pool, pc.list_element(judgements["shown"], 0))
    group[place < 0] = -1
    rows = _distinct(group, keys.exact, text_keys(judgements["judgement_id"]).exact, np.zeros(len(group), np.int8))
    scores, replies = theirs["score"], judgements["reply"]
    lengths: Any = pc.utf8_length(replies)
    columns: dict[str, Iterable[Any]] = {
        "row": rows.tolist(),
        "correct": repeat(None),
        "length": np.asarray(lengths.fill_null(0), np.int64)[rows].tolist(),
        "score": repeat(None),
        "ratings": [{judge: score} for score in np.asarray(scores, np.float64)[place[rows]].tolist()],
    }
    yield from _grouped(problem[rows], _bounds(group[rows]), columns)


def _by_trace(pool: Pool, trace_ids: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each id the place of its trace, by problem and id, and the row of its problem; -1 where it is not there."""
    problem = positions(pool.traces["problem_id"], pool.problems["problem_id"])
    place = np.empty(len(problem) + 1, np.int64)
    place[np.lexsort((text_keys(pool.traces["trace_id"]).exact, problem))] = np.arange(len(problem))
    place[np.append(problem, -1) < 0] = -1
    trace = positions(trace_ids, pool.traces["trace_id"])
    return place[trace], np.append(problem, -1)[trace]


def _grouped(
    problem: NDArray[np.int64], bounds: NDArray[np.intp], columns: dict[str, Iterable[Any]]
) -> Iterator[Group]:
    """Candidates from columns, cut at `bounds`."""
    known = max(at for at, name in enumerate(Candidate._fields, 1) if name in columns)
    given = [columns.get(name, repeat(Candidate._field_defaults.get(name))) for name in Candidate._fields[:known]]
    candidates = list(map(Candidate, *given))
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        yield Group(int(problem[start]), candidates[start:end])


def _bounds(group: NDArray[np.int64]) -> NDArray[np.intp]:
    """Where each run of equal values begins, and where the last one ends."""
    return np.flatnonzero(np.diff(group, prepend=-1, append=-1)) if len(group) else np.zeros(1, np.intp)


def _scores(trace_ids: "pa.ChunkedArray[Any]", standings: pa.Table) -> NDArray[np.float64]:
    """Each trace's score, NaN where it has none."""
    scores: Any = standings["score"]
    return np.append(np.asarray(scores.fill_null(np.nan), np.float64), np.nan)[
        positions(trace_ids, standings["trace_id"])
    ]


def _distinct(
    group: NDArray[np.int64], content: NDArray[np.uint64], identity: NDArray[np.uint64], stands: NDArray[np.int8]
) -> NDArray[np.intp]:
    """Rows that have a group, sorted by group and identity, less those whose content another row stands for.

    Of rows with one content a judged one is left, unless they were judged differently.
    """
    usable = np.flatnonzero(group >= 0)
    unjudged = stands[usable] == _UNJUDGED
    rows = usable[np.lexsort((identity[usable], unjudged, content[usable], group[usable]))]
    if not len(rows):
        return rows
    first = np.ones(len(rows), np.bool_)
    first[1:] = (group[rows[1:]] != group[rows[:-1]]) | (content[rows[1:]] != content[rows[:-1]])
    starts = np.flatnonzero(first)
    right, wrong = (np.logical_or.reduceat(stands[rows] == one, starts) for one in (1, 0))
    kept: NDArray[np.intp] = rows[starts[~(right & wrong)]]
    return kept[np.lexsort((identity[kept], group[kept]))]


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
