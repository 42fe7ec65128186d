"""A round in numbers: rows of TALLIES, which add up over rounds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.conform import rows
from schemas.tables import JUDGEMENT_PAIRS, TALLIES
from tasks.alive import alive
from tasks.gold import samples
from tasks.tally.agreement import JUDGED, compared, disagreements, told
from tasks.tally.funnel import drops, entered
from tasks.tally.pairing import COLUMNS as COLUMNS_OF_PAIRS
from tasks.tally.pairing import NO_PAIR, pairing
from tasks.tally.passrate import sampled
from tasks.tally.searches import searches
from tasks.tally.yields import yields

VERSION: Final = "7"
COLUMNS: Final[Mapping[str, list[str] | None]] = {
    "problems": ["problem_id", "reference", "domain", "persona_id"],
    "traces": [
        "trace_id",
        "problem_id",
        "sample_index",
        "parent_trace_id",
        "fork_step",
        "origin",
        "model",
        "source",
        "completion_tokens",
        "source_labels",
        "search",
        "conversation",
    ],
    "completions": ["completion_tokens"],
    "standings": ["trace_id", "status"],
    "verdicts": JUDGED,
    "dropped": None,
    "pairs": COLUMNS_OF_PAIRS,
    "judgement_pairs": [name for name in COLUMNS_OF_PAIRS if name in JUDGEMENT_PAIRS.names],
}
"""The tables of a round that are counted, and which of their columns."""

Count: TypeAlias = Counter[tuple[str, ...]]


class Counted(NamedTuple):
    """What a round comes to."""

    tallies: pa.Table
    disagreements: pa.Table
    yields: pa.Table


def tally(tables: Mapping[str, pa.Table], stages: Mapping[str, Sequence[str]]) -> Counted:
    """Count a round.

    kind, key: `entered` (table), `dropped` (table, stage, reason), `tokens` (), `verdict` and `kept` (status), `tools`
    (; kept traces that called some), `sampled` (judged traces, correct ones; counts problems), `agreement` (verifier,
    label, status), `no pair` and `refused pair` (reason), and those of `pairing` and `searches`.

    Args:
        tables: those that COLUMNS names.
        stages: those that may drop rows of `problems` and `traces`, in order.

    Raises:
        SourceError: a label that came along is neither a truth value nor a number.
    """
    problems, traces, dropped = tables["problems"], tables["traces"], tables["dropped"]
    standings = tables["standings"]
    # The tokens of a trace that goes on from another, or that a search came to, are its completions'.
    own = samples(traces)
    living = alive(traces, "traces", dropped)
    kept = living.select(["trace_id"]).join(standings, "trace_id")
    judged = compared(traces, tables["verdicts"])
    unpaired = dropped.filter(pc.equal(dropped["table"], pa.scalar(NO_PAIR)))
    of_problem = pc.is_in(unpaired["row_id"], value_set=problems["problem_id"].combine_chunks())
    found: dict[str, Count] = {
        "entered": Counter({(name,): entered(tables[name], name, dropped) for name in stages}),
        "dropped": Counter(drops(dropped, stages)),
        "tokens": _tokens(own.filter(pc.is_null(own["search"])), tables["completions"]),
        "verdict": _counted(standings, "status"),
        "kept": _counted(kept, "status"),
        "tools": _called(living),
        "sampled": _sampled(own, standings),
        "agreement": Counter(told(judged)),
        "no pair": _counted(unpaired.filter(of_problem), "reason"),
        "refused pair": _counted(unpaired.filter(pc.invert(of_problem)), "reason"),
        **pairing(tables["pairs"], tables["judgement_pairs"]),
        **searches(traces, standings),
    }
    return Counted(_table(found), disagreements(judged, problems), yields(problems, traces, standings, dropped))


def added_up(tallies: pa.Table) -> dict[str, Count]:
    """Rows of TALLIES by kind, those with the same key summed."""
    found: dict[str, Count] = {}
    for row in tallies.to_pylist():
        found.setdefault(str(row["kind"]), Counter())[tuple(row["key"])] += int(row["rows"])
    return found


def _tokens(*tables: pa.Table) -> Count:
    """All tokens that were sampled; none where nothing was."""
    sums = [pc.sum(one["completion_tokens"]).as_py() for one in tables]
    known = [int(one) for one in sums if one is not None]
    return Counter({(): sum(known)} if known else {})


def _called(traces: pa.Table) -> Count:
    count = traces.num_rows - traces["conversation"].null_count
    return Counter({(): count} if count else {})


def _counted(table: pa.Table, column: str) -> Count:
    counted: Any = table[column].value_counts()
    return Counter({(str(one["values"]),): int(one["counts"]) for one in counted.to_pylist()})


def _sampled(traces: pa.Table, standings: pa.Table) -> Count:
    pairs, counts = np.unique(np.stack(sampled(traces, standings), axis=1), axis=0, return_counts=True)
    return Counter({tuple(map(str, pair)): int(count) for pair, count in zip(pairs, counts, strict=True)})


def _table(found: Mapping[str, Count]) -> pa.Table:
    records: list[dict[str, object]] = [
        {"kind": kind, "key": list(key), "rows": count}
        for kind, counts in found.items()
        for key, count in sorted(counts.items())
    ]
    return rows(records, TALLIES, at="tally")
