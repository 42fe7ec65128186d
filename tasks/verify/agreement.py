"""How far verdicts agree with labels that came with imported traces."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa

from schemas.conform import rows as to_table
from schemas.errors import SourceError
from schemas.tables import Status

_REQUIRED: Final = {"trace_id": pa.string(), "problem_id": pa.string(), "verifier": pa.string(), "label": pa.bool_()}

DISAGREEMENTS: Final = pa.schema(
    [pa.field(name, kind, nullable=False) for name, kind in _REQUIRED.items()]
    + [
        pa.field("status", pa.string(), nullable=False),
        pa.field("extracted_answer", pa.string(), nullable=True),
        pa.field("reason", pa.string(), nullable=False),
    ],
    metadata={"tracemill.table": "disagreements", "tracemill.version": "1"},
)

JUDGED: Final = ["trace_id", "verifier", "status", "extracted_answer", "reason"]
"""What is looked at of verdicts."""

_WORDS: Final = {"true": True, "false": False}
_Z_95: Final = 1.959963984540054


class Agreement(NamedTuple):
    """One verifier's verdicts against labels. An `error` agrees with no label; an `unverifiable` one is counted apart.

    `share` is agreeing / labelled, `low` and `high` its 95 % interval (Wilson, JASA 22, 1927). `disagreements` has a
    row (DISAGREEMENTS) for each labelled verdict that does not agree.
    """

    labelled: int
    agreeing: int
    unverifiable: int
    share: float
    low: float
    high: float
    right: int
    """Traces among the labelled that are labelled right."""
    false_positives: int
    false_negatives: int
    disagreements: pa.Table


def agreements(traces: pa.Table, verdicts: pa.Table, label: str = "is_correct") -> dict[str, Agreement]:
    """Compare each verifier's verdicts with the traces' `source_labels[label]`: "true", "false" or a score.

    A score is right from 0.5 up. `traces` needs trace_id, problem_id, source_labels; `verdicts` the columns JUDGED.
    Verdicts on traces without the label are left out, and so is a verifier that judged no trace with one.

    Raises:
        SourceError: a label is neither a truth value nor a number.
    """
    labels = _labels(traces, label)
    labelled: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for verdict in verdicts.select(JUDGED).to_pylist():
        if verdict["trace_id"] in labels:
            labelled[verdict["verifier"]].append({**verdict, **labels[verdict["trace_id"]]})
    found = {name: _agreement(labelled[name]) for name in sorted(labelled)}
    return {name: one for name, one in found.items() if one.labelled}


def _agreement(labelled: Sequence[dict[str, Any]]) -> Agreement:
    rows = [row for row in labelled if row["status"] != Status.UNVERIFIABLE]
    wrong = [row for row in rows if row["status"] != (Status.CORRECT if row["label"] else Status.INCORRECT)]
    agreeing = len(rows) - len(wrong)
    low, high = wilson(agreeing, len(rows))
    records = [{name: row[name] for name in DISAGREEMENTS.names} for row in wrong]
    return Agreement(
        labelled=len(rows),
        agreeing=agreeing,
        unverifiable=len(labelled) - len(rows),
        share=agreeing / len(rows) if rows else math.nan,
        low=low,
        high=high,
        right=sum(bool(row["label"]) for row in rows),
        false_positives=sum(row["status"] == Status.CORRECT for row in wrong),
        false_negatives=sum(row["status"] == Status.INCORRECT for row in wrong),
        disagreements=to_table(records, DISAGREEMENTS, at="agreement"),
    )


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion (Wilson, JASA 22, 1927, p. 209); NaN without trials."""
    if not trials:
        return math.nan, math.nan
    share, z2 = successes / trials, _Z_95**2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    margin = _Z_95 / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    return max(0.0, centre - margin), min(1.0, centre + margin)


def _labels(traces: pa.Table, label: str) -> dict[str, dict[str, object]]:
    labels: dict[str, dict[str, object]] = {}
    rows = traces.select(["trace_id", "problem_id", "source_labels"]).to_pylist()
    for row in rows:
        value = dict(row["source_labels"] or ()).get(label)
        if value is not None:
            labels[row["trace_id"]] = {"problem_id": row["problem_id"], "label": _truth(value, label, row["trace_id"])}
    return labels


def _truth(value: str, label: str, trace_id: str) -> bool:
    known = _WORDS.get(value.strip().lower())
    if known is not None:
        return known
    try:
        return float(value) >= 0.5
    except ValueError as exc:
        raise SourceError(f"trace {trace_id}: label {label} is {value!r}, neither true, false nor a number") from exc
