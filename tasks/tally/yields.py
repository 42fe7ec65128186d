"""What came of each domain, model, sampler and persona: counted round by round, and added up over rounds."""

from collections.abc import Sequence
from tempfile import gettempdir
from typing import Any, Final, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from schemas.conform import conform
from schemas.summary import Rate, Yield
from schemas.tables import YIELDS
from tasks.alive import stays
from tasks.gold import sampled_by_model
from tasks.tally.agreement import wilson

PERSONA: Final = "persona"
SHOWN: Final = ("domain", "model", "sampler")
"""What there is little of: it is part of a run's summary."""
LISTED: Final = 50
"""Names of each of these that a summary has, those with the most traces."""
_MEMORY: Final = "512MB"
_SUMS: Final = "sum(problems), sum(traces), sum(judged), sum(correct), sum(kept)"

_COUNT: Final = """
    with own as (
        select problem_id, coalesce(model, source) as model, source, stays and status = 'correct' as kept,
               sampled and status in ('correct', 'incorrect') as judged, sampled and status = 'correct' as correct
        from traces left join standings using (trace_id)),
    named as (
        select 'model' as "by", model as name, * from own
        union all select 'sampler', source, * from own
        union all select 'domain', domain, problem_id, model, source, kept, judged, correct
            from problems left join own using (problem_id)
        union all select 'persona', persona_id, problem_id, model, source, kept, judged, correct
            from problems left join own using (problem_id) where persona_id is not null)
    select "by", name, count(distinct problem_id) as problems, count(source) as traces,
           count(*) filter (judged) as judged, count(*) filter (correct) as correct, count(*) filter (kept) as kept
    from named group by "by", name order by "by", name
"""

_ADDED: Final = f"""
    with added as (select "by", name, {_SUMS}, sum(traces) as size from yields where "by" <> '{PERSONA}' group by all)
    select * exclude (size) from added
    qualify row_number() over (partition by "by" order by size desc, name) <= {LISTED} order by "by", size desc, name
"""  # noqa: S608 - nothing of it is from outside

_NAMES: Final = 'select count(distinct name) from yields where "by" = $by and traces > 0'
_ENDS: Final = """
    with added as (
        select "by", name, sum(problems) as problems, sum(traces) as n, sum(judged) as judged,
               sum(correct) as correct, sum(kept) as kept from yields where "by" = $by group by all having n > 0),
    bounded as (
        select *, 1.96 * sqrt(kept / n * (1 - kept / n) / n + 1.96 * 1.96 / 4 / n / n) as margin,
               kept / n + 1.96 * 1.96 / 2 / n as centre, 1 + 1.96 * 1.96 / n as size from added)
    select "by", name, problems, n, judged, correct, kept from bounded
"""
_BEST: Final = f"{_ENDS} order by (centre - margin) / size desc, n desc, name limit $count"
_WORST: Final = f"{_ENDS} order by (centre + margin) / size, n desc, name limit $count"


class Ends(NamedTuple):
    """Those with the highest and with the lowest share of kept traces, the surest first (by the Wilson interval)."""

    best: tuple[Yield, ...]
    worst: tuple[Yield, ...]
    names: int
    """How many there are in all."""


def yields(problems: pa.Table, traces: pa.Table, standings: pa.Table, dropped: pa.Table) -> pa.Table:
    """Count one round (YIELDS).

    `problems`: problem_id, domain, persona_id; `traces`: trace_id, problem_id, parent_trace_id, origin, model, source;
    `standings`: trace_id, status. A trace of which no model is known is its source's.
    """
    told = traces.select(["trace_id", "problem_id", "model", "source"])
    told = told.append_column("sampled", pa.array(sampled_by_model(traces)))
    told = told.append_column("stays", pa.array(stays(traces, "traces", dropped)))
    with duckdb.connect() as connection:
        for name, table in (("problems", problems), ("traces", told), ("standings", standings)):
            connection.register(name, table)
        return conform(connection.sql(_COUNT).to_arrow_table(), YIELDS, at="tally")


def added(counted: ds.Dataset) -> tuple[Yield, ...]:
    """All rounds' rows (YIELDS) by domain, model and sampler, of each those with the most traces."""
    return _asked(counted, _ADDED)


def ends(counted: ds.Dataset, by: str, count: int) -> Ends:
    """The best and the worst `count` of all rounds' rows (YIELDS) of one kind that have traces; no name is in both."""
    best = _asked(counted, _BEST, {"by": by, "count": count})
    known = {one.name for one in best}
    worst = _asked(counted, _WORST, {"by": by, "count": count})
    with _over(counted) as connection:
        asked = connection.execute(_NAMES, {"by": by})
        (names,) = asked.fetchone() or (0,)
    return Ends(best, tuple(one for one in worst if one.name not in known), int(names))


def _asked(counted: ds.Dataset, sql: str, values: dict[str, Any] | None = None) -> tuple[Yield, ...]:
    with _over(counted) as connection:
        return tuple(map(_yield, connection.execute(sql, values or {}).fetchall()))


def _over(counted: ds.Dataset) -> duckdb.DuckDBPyConnection:
    # There may be a million personas: what does not fit is spilled to disk.
    connection = duckdb.connect(config={"memory_limit": _MEMORY, "temp_directory": gettempdir()})
    connection.register("yields", counted)
    return connection


def _yield(row: Sequence[Any]) -> Yield:
    by, name, problems, traces, judged, correct, kept = row
    low, high = wilson(int(correct), int(judged)) if judged else (None, None)
    return Yield(
        by=by,
        name=name,
        problems=int(problems),
        traces=int(traces),
        correct=Rate(count=int(correct), of=int(judged), low=low, high=high),
        kept=int(kept),
    )
