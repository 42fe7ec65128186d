"""Which traces of several releases a mixture takes, and how often: by weights, caps and up-sampling.

What is taken follows from ids and settings alone: of each group the first traces in the order of their ids, which are
hashes. So more of the same settings (a larger `count`) takes what was taken, and more.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.conform import conform
from schemas.tables import DROPPED, MIXTURE
from tasks.mix.config import OTHERS, RELEASE, UNKNOWN, LevelConfig, MixtureConfig
from tasks.mix.shares import NO_LIMIT, Level, Share, divided
from tasks.rows import positions, taken

STAGE: Final = "mix"
VERSION: Final = "1"

KEPT: Final = "kept"
SAME: Final = "same"
OVER_SHARE: Final = "over its share"
OVER_CAP: Final = "over its cap"
WEIGHTLESS: Final = "its group has no weight"
UNLIKE: Final = "its problem has another reference in an earlier release"
ALONE: Final = "no counted trace of its problem is taken"
EMPTIED: Final = "no trace of it is taken"
CHOSEN_FROM: Final = (OVER_SHARE, OVER_CAP, WEIGHTLESS)
_BEFORE: Final = ("dedupe", "decontaminate", "select")


class Pool(NamedTuple):
    """What a mixture chooses from."""

    offers: pa.Table
    """release, trace_id, problem_id, reference (that release's own or its majority's): a row for each trace of each
    release, earlier releases first."""
    problems: pa.Table
    """problem_id, domain, source."""
    traces: pa.Table
    """trace_id, model."""
    standings: pa.Table
    """trace_id, status."""
    rates: pa.Table
    """problem_id, rate: the share of its judged samples that is correct."""
    dropped: pa.Table
    """DROPPED, of the stages before."""


class Mixed(NamedTuple):
    """What comes of it."""

    mixture: pa.Table
    dropped: pa.Table


def mixed(pool: Pool, config: MixtureConfig, releases: Sequence[str]) -> Mixed:
    """Choose. `releases` are the names of the entries in `config.releases`, as `pool.offers` has them."""
    own = _first(pool.offers["trace_id"])
    outcome, reason = _so_far(pool, own)
    others = _others(pool, own, outcome)
    table = _described(pool, config)
    told = _with(table, outcome=outcome, reason=reason)
    repeats, evidence = _choose(told, config, releases, outcome, reason)
    columns = {"other": others, "repeats": pa.array(repeats, pa.int32())}
    mixture = conform(_with(table, outcome=outcome, reason=reason, **columns), MIXTURE, at=STAGE)
    return Mixed(mixture, _dropped(pool, mixture, evidence))


def shares(mixture: pa.Table, config: MixtureConfig, releases: Sequence[str]) -> list[Share]:
    """What each group comes to, with the rows of MIXTURE that it is of."""
    kept, chosen_from = (
        np.asarray(pc.is_in(mixture[name], value_set=pa.array(those))).astype(np.bool_)
        for name, those in (("outcome", [KEPT]), ("reason", CHOSEN_FROM))
    )
    rows = np.flatnonzero((kept | chosen_from) & np.asarray(mixture["counted"]).astype(np.bool_))
    rows = rows[np.asarray(pc.sort_indices(mixture["trace_id"].take(pa.array(rows, pa.int64()))), np.int64)]
    levels = [_level(mixture, one, config, releases) for one in config.levels]
    return divided(rows, levels, config.count)


def _choose(
    table: pa.Table,
    config: MixtureConfig,
    releases: Sequence[str],
    outcome: NDArray[np.object_],
    reason: NDArray[np.object_],
) -> tuple[NDArray[np.int64], dict[int, str]]:
    """How often each row is taken; fills in the outcome of those that are not, and gives the evidence by row."""
    repeats, evidence = np.zeros(len(table), np.int64), dict[int, str]()
    for one in shares(table, config, releases):
        times = one.repeats
        repeats[one.rows] = times
        lost = one.rows[times == 0]
        outcome[lost] = STAGE
        reason[lost] = WEIGHTLESS if one.weightless else OVER_CAP if one.capped else OVER_SHARE
        told = json.dumps({"group": one.path, "has": len(one.rows), "gives": one.taken}, ensure_ascii=False)
        evidence |= dict.fromkeys(lost.tolist(), told)
    beside = np.flatnonzero((outcome == KEPT) & ~np.asarray(table["counted"]).astype(np.bool_))
    most = _most(table["problem_id"], repeats)
    repeats[beside] = most[beside]
    alone = beside[most[beside] == 0]
    outcome[alone], reason[alone] = STAGE, ALONE
    return repeats, evidence


def _most(groups: "pa.ChunkedArray[Any]", values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The largest value in each row's group."""
    codes = _codes(groups)
    found = np.zeros(int(codes.max(initial=-1)) + 1, np.int64)
    np.maximum.at(found, codes, values)
    most: NDArray[np.int64] = found[codes]
    return most


def _codes(column: "pa.ChunkedArray[Any]") -> NDArray[np.int64]:
    """Equal numbers for equal values, in the order in which these first come."""
    encoded: Any = column.combine_chunks().dictionary_encode()
    return np.asarray(encoded.indices, np.int64)


def _first(column: "pa.ChunkedArray[Any]") -> NDArray[np.int64]:
    """Of each row the first row with the same value."""
    codes = _codes(column)
    first: NDArray[np.int64] = np.unique(codes, return_index=True)[1][codes] if len(codes) else codes
    return first


def _with(table: pa.Table, **columns: Any) -> pa.Table:
    for name, values in columns.items():
        kind = MIXTURE.field(name).type
        table = table.append_column(name, values if isinstance(values, pa.Array) else pa.array(values, kind))
    return table


def _so_far(pool: Pool, own: NDArray[np.int64]) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """Outcome and reason of each row before anything is chosen; of several stages that dropped it the first counts."""
    offers = pool.offers
    outcome, reason = np.full(len(offers), KEPT, object), np.full(len(offers), None, object)
    unlike = _unlike(offers)
    outcome[unlike], reason[unlike] = STAGE, UNLIKE
    for stage in reversed(_BEFORE):
        these = _of(pool.dropped, "traces", stage)
        found = positions(offers["trace_id"], these["row_id"])
        gone = found >= 0
        outcome[gone] = stage
        reason[gone] = np.asarray(these["reason"].take(pa.array(found[gone], pa.int64())), object)
    same = own != np.arange(len(offers))
    outcome[same], reason[same] = SAME, None
    return outcome, reason


def _of(dropped: pa.Table, table: str, stage: str) -> pa.Table:
    return dropped.filter(
        pc.and_(pc.equal(dropped["table"], pa.scalar(table)), pc.equal(dropped["stage"], pa.scalar(stage)))
    )


def _unlike(offers: pa.Table) -> NDArray[np.bool_]:
    """Whose problem has another reference in an earlier release: such a trace answers what is asked otherwise."""
    references: Any = offers["reference"]
    told: Any = pc.utf8_trim_whitespace(references.fill_null(""))
    texts, given = _codes(told), np.asarray(pc.utf8_length(told), np.int64) > 0
    having = np.flatnonzero(given)
    base = np.full(len(offers), -1, np.int64)
    base[having] = having[_first(offers["problem_id"].take(pa.array(having, pa.int64())))]
    unlike: NDArray[np.bool_] = given & (texts[base] != texts)
    return unlike


def _others(pool: Pool, own: NDArray[np.int64], outcome: NDArray[np.object_]) -> "pa.Array[Any]":
    """The release that has the trace, or the problem, which a row repeats; null for rows that repeat none."""
    offers = pool.offers
    copies, twins = (_of(pool.dropped, table, "dedupe") for table in ("traces", "problems"))
    names = {"trace_id": copies, "problem_id": twins}
    found = np.full(len(offers), -1, np.int64)
    for column, gone in reversed(names.items()):
        at = positions(offers[column], gone["row_id"])
        keeper = positions(taken(gone["duplicate_of"], at), offers[column])
        found = np.where((keeper >= 0) & (outcome == "dedupe"), _earliest(offers[column])[keeper], found)
    found = np.where(outcome == SAME, own, found)
    told: pa.Array[Any] = taken(offers["release"], found).combine_chunks()
    return told


def _earliest(column: "pa.ChunkedArray[Any]") -> NDArray[np.int64]:
    return _first(column) if len(column) else np.zeros(1, np.int64)


def _described(pool: Pool, config: MixtureConfig) -> pa.Table:
    """What rows are grouped by."""
    offers, problems = pool.offers, pool.problems
    problem = positions(offers["problem_id"], problems["problem_id"])
    status = taken(pool.standings["status"], positions(offers["trace_id"], pool.standings["trace_id"]))
    model: Any = taken(pool.traces["model"], positions(offers["trace_id"], pool.traces["trace_id"]))
    counted: Any = pc.is_in(status, value_set=pa.array([one.value for one in config.statuses]))
    rate = taken(pool.rates["rate"], positions(offers["problem_id"], pool.rates["problem_id"]))
    columns: dict[str, Any] = {
        **{name: offers[name] for name in ("release", "trace_id", "problem_id")},
        **{name: taken(problems[name], problem) for name in ("domain", "source")},
        "model": model.fill_null(UNKNOWN),
        "difficulty": _difficulty(np.asarray(rate, np.float64), config.difficulty),
        "counted": counted,
    }
    return pa.table(columns)


def _difficulty(rates: NDArray[np.float64], names: Mapping[str, tuple[float, float]]) -> "pa.Array[Any]":
    found = np.full(len(rates), UNKNOWN, object)
    highest = max((high for _, high in names.values()), default=0.0)
    for name, (low, high) in names.items():
        found[(rates >= low) & ((rates < high) | ((rates == high) & (high == highest)))] = name
    return pa.array(found, pa.string())


def _level(table: pa.Table, level: LevelConfig, config: MixtureConfig, releases: Sequence[str]) -> Level:
    """One level of groups, with what the recipe says of each."""
    if level.by == RELEASE:
        entries = dict(zip(releases, config.releases, strict=True))
        weighted = any(one.weight is not None for one in config.releases)
        weights = {name: 1.0 if one.weight is None else one.weight for name, one in entries.items()} if weighted else {}
        most = {name: one.most for name, one in entries.items() if one.most}
        up, names = {name: one.up for name, one in entries.items()}, list(releases)
    else:
        weights, most, up = dict(level.weights), dict(level.most), dict(level.up)
        names = sorted({*map(str, table[level.by].unique().to_pylist()), *(weights.keys() - {OTHERS})})
    return Level(
        names,
        positions(table[level.by], pa.chunked_array([pa.array(names, pa.string())])),
        np.array([_said(weights, one, 0.0) for one in names], np.float64) if weights else None,
        np.array([weights.get(one, 0) > 0 for one in names], np.bool_),
        np.array([_said(most, one, NO_LIMIT) for one in names], np.int64),
        np.array([_said(up, one, 0) for one in names], np.int64),
    )


def _said(by_name: Mapping[str, Any], name: str, otherwise: float) -> Any:
    return by_name.get(name, by_name.get(OTHERS, otherwise))


def _dropped(pool: Pool, mixture: pa.Table, evidence: Mapping[int, str]) -> pa.Table:
    """Traces that are left out here, then problems of which no trace is taken, each by id."""
    rows = np.flatnonzero(np.asarray(pc.equal(mixture["outcome"], pa.scalar(STAGE))))
    at = pa.array(rows, pa.int64())
    traces = _rows_of("traces", mixture["trace_id"].take(at), mixture["reason"].take(at))
    told = pa.array([evidence.get(row) for row in rows.tolist()], pa.string())
    traces = traces.set_column(traces.schema.get_field_index("evidence"), DROPPED.field("evidence"), told)
    kept = mixture.filter(pc.equal(mixture["outcome"], pa.scalar(KEPT)))["problem_id"]
    gone = pool.dropped.filter(pc.equal(pool.dropped["table"], pa.scalar("problems")))["row_id"]
    ids = pool.problems["problem_id"]
    emptied = ids.filter(pa.array((positions(ids, kept) < 0) & (positions(ids, gone) < 0)))
    problems = _rows_of("problems", emptied, pa.array([EMPTIED] * len(emptied), pa.string()))
    both = pa.concat_tables([problems, traces]).sort_by([("table", "ascending"), ("row_id", "ascending")])
    return conform(both, DROPPED, at=STAGE)


def _rows_of(table: str, ids: Any, reasons: Any) -> pa.Table:
    count = len(ids)
    columns = {
        "table": pa.array([table] * count, pa.string()),
        "row_id": ids,
        "stage": pa.array([STAGE] * count, pa.string()),
        "reason": reasons,
        "evidence": pa.nulls(count, pa.string()),
        "duplicate_of": pa.nulls(count, pa.string()),
    }
    return conform(pa.table(columns), DROPPED, at=STAGE)
