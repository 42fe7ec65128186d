"""What rules may need to know of candidates, beside their correctness, length and score."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from schemas.tables import Status
from tasks.gold import gold
from tasks.preferences.contract import Need
from tasks.preferences.pool import Opinions, Pool, Wanted
from tasks.rows import flat, positions

_BATCH: Final = 1 << 15

Rows = NDArray[np.intp]
Column = Sequence[Any]


def facts(pool: Pool, rows: Rows, wanted: Wanted) -> dict[str, Column]:
    """Fields of `Candidate` for these rows of traces, each as a column; what is not wanted is left out."""
    traces, opinions = pool.traces, pool.opinions
    found: dict[str, Column] = {}
    if Need.GOLD in wanted.needs and (those := gold(traces)).any():
        found["gold"] = those[rows].tolist()
    if Need.STEPS in wanted.needs:
        found |= {"steps": list(_steps(traces, rows)), "parent": _parents(traces, rows)}
    if Need.ANSWER in wanted.needs:
        found["answer"] = _answers(traces["trace_id"].take(rows), opinions.verdicts)
    if wanted.judges:
        ids = traces["trace_id"].take(rows)
        row_of: dict[Any, int] = dict(zip(ids.to_pylist(), rows.tolist(), strict=True))
        found["ratings"] = _ratings(ids, opinions.ratings, wanted.judges)
        found["own"] = _own(traces["model"].take(rows), opinions.judgements, wanted.judges)
        found["beats"] = _beats(row_of, opinions, wanted.judges)
    return found


def _steps(traces: pa.Table, rows: Rows) -> Iterator[tuple[int, ...]]:
    texts, offsets = flat(traces["text"]), traces["step_offsets"].combine_chunks()
    for start in range(0, len(rows), _BATCH):
        here = rows[start : start + _BATCH]
        columns: list[list[Any]] = [column.take(here).to_pylist() for column in (texts, offsets)]
        for text, begins in zip(*columns, strict=True):
            yield tuple(xxh3_64_intdigest(text[a:b].encode()) for a, b in pairwise([*begins, len(text)]))


def _parents(traces: pa.Table, rows: Rows) -> Column:
    """The row of each trace's parent, None where it has none or that was dropped."""
    found = positions(traces["parent_trace_id"], traces["trace_id"])[rows]
    return [None if row < 0 else row for row in found.tolist()]


def _answers(ids: "pa.ChunkedArray[Any]", verdicts: pa.Table) -> Column:
    """What verifiers read in each trace; where they read several things, the first of these in the alphabet."""
    read = verdicts.filter(pc.is_valid(verdicts["extracted_answer"]))
    plain: Any = pc.replace_substring_regex(pc.utf8_lower(read["extracted_answer"]), pattern=r"\s+", replacement="")
    table = pa.table({"trace_id": read["trace_id"], "answer": plain})
    first = table.group_by("trace_id").aggregate([("answer", "min")])
    return _looked_up(first["answer_min"], positions(ids, first["trace_id"]))


def _ratings(ids: "pa.ChunkedArray[Any]", ratings: pa.Table, judges: Sequence[str]) -> list[Mapping[str, float]]:
    by_judge: dict[str, Column] = {}
    for judge in judges:
        theirs = ratings.filter(pc.equal(ratings["judge"], pa.scalar(judge)))
        by_judge[judge] = _looked_up(theirs["score"], positions(ids, theirs["subject_id"]))
    return [
        {judge: score for judge, score in zip(by_judge, scores, strict=True) if score is not None}
        for scores in zip(*by_judge.values(), strict=True)
    ]


def _looked_up(values: "pa.ChunkedArray[Any]", places: NDArray[np.int64]) -> Column:
    """The value at each place, None where that is -1."""
    there: Any = pa.array(places, pa.int64(), mask=places < 0)
    return values.take(there).to_pylist()


def _own(models: "pa.ChunkedArray[Any]", judgements: pa.Table, judges: Sequence[str]) -> Column:
    """For each model the judges that judge with it."""
    judging: defaultdict[str | None, set[str]] = defaultdict(set)
    for pair in judgements.select(["judge", "model"]).group_by(["judge", "model"]).aggregate([]).to_pylist():
        judging[pair["model"]].add(pair["judge"])
    own = {model: frozenset(those & set(judges)) for model, those in judging.items()}
    return [own.get(model, frozenset()) for model in models.to_pylist()]


def _beats(rows: Mapping[str, int], opinions: Opinions, judges: Sequence[str]) -> Column:
    """For each trace its victories: by judge, its wins less its losses against others, by the matches with them."""
    won: defaultdict[str, dict[str, dict[int, float]]] = defaultdict(dict)
    for judge in judges:
        for (name, other), margin in victories(opinions.judgements, judge).items():
            if name in rows and other in rows:
                won[name].setdefault(judge, {})[rows[other]] = margin
    return [won.get(name, {}) for name in rows]


def victories(judgements: pa.Table, judge: str) -> dict[tuple[str, str], float]:
    """A judge's matches of two traces, judged in both orders, by winner and loser.

    The value is the winner's wins less its losses, by the matches of the two that could be read; a match whose orders
    disagree is nobody's. Two traces that won equally often are left out.
    """
    theirs = judgements.filter(pc.equal(judgements["judge"], pa.scalar(judge)))
    duels = theirs.filter(pc.equal(pc.list_value_length(theirs["shown"]), pa.scalar(2)))
    orders: defaultdict[tuple[int, str, str], list[str | None]] = defaultdict(list)
    for row in duels.select(["shown", "number", "status", "choice"]).to_pylist():
        if row["status"] != Status.ERROR:
            first, second = sorted(row["shown"])
            orders[row["number"], first, second].append(None if row["choice"] is None else row["shown"][row["choice"]])
    points: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for (_, first, second), winners in orders.items():
        if len(winners) == 2:
            won = winners[0] if winners[0] == winners[1] else None
            points[first, second].append(0 if won is None else 1 if won == first else -1)
    totals = {both: sum(those) / len(those) for both, those in points.items()}
    return {
        (first, second) if total > 0 else (second, first): abs(total)
        for (first, second), total in totals.items()
        if total
    }
