"""How far verdicts agree with labels that came with imported traces."""

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.conform import conform
from schemas.errors import SourceError
from schemas.tables import DISAGREEMENTS, Status
from tasks.rows import positions

LABEL: Final = "is_correct"
JUDGED: Final = ["trace_id", "verifier", "status", "extracted_answer", "reason"]
"""What is looked at of verdicts."""

_WORDS: Final = {"true": True, "false": False}
_Z_95: Final = 1.959963984540054

Told = Mapping[tuple[str, str, str], int]
"""Verdicts on labelled traces by verifier, label (`true` or `false`) and status."""


class Agreement(NamedTuple):
    """One verifier's verdicts against labels. An `error` agrees with no label; an `unverifiable` one is counted apart.

    `share` is agreeing / labelled, `low` and `high` its 95 % interval (Wilson, JASA 22, 1927).
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


def compared(traces: pa.Table, verdicts: pa.Table, label: str = LABEL) -> pa.Table:
    """Each verdict on a trace with a label: JUDGED, problem_id and label (bool).

    The label is `source_labels[label]`: "true", "false" or a score, which is right from 0.5 up. `traces` needs
    trace_id, problem_id, source_labels; `verdicts` the columns JUDGED.

    Raises:
        SourceError: a label is neither a truth value nor a number.
    """
    labelled = _labelled(traces, label)
    verdicts = verdicts.select(JUDGED)
    places = positions(verdicts["trace_id"], labelled["trace_id"])
    found = verdicts.filter(pa.array(places >= 0))
    for name in ("problem_id", "label"):
        found = found.append_column(name, labelled[name].take(_numbers(places[places >= 0])))
    return found


def told(judged: pa.Table) -> Told:
    """Count what `compared` found."""
    counted = judged.group_by(["verifier", "label", "status"]).aggregate([([], "count_all")]).to_pylist()
    return {
        (str(row["verifier"]), str(row["label"]).lower(), str(row["status"])): int(row["count_all"]) for row in counted
    }


def agreements(told: Told) -> dict[str, Agreement]:
    """Each verifier against the labels; one that judged no trace with a label is left out."""
    found = {name: _agreement(told, name) for name in sorted({name for name, _, _ in told})}
    return {name: one for name, one in found.items() if one.labelled}


def _agreement(told: Told, verifier: str) -> Agreement:
    judged = {
        (label == "true", status): rows
        for (name, label, status), rows in told.items()
        if name == verifier and status != Status.UNVERIFIABLE
    }
    labelled = sum(judged.values())
    agreeing = judged.get((True, Status.CORRECT), 0) + judged.get((False, Status.INCORRECT), 0)
    low, high = wilson(agreeing, labelled)
    return Agreement(
        labelled=labelled,
        agreeing=agreeing,
        unverifiable=sum(rows for (name, _, _), rows in told.items() if name == verifier) - labelled,
        share=agreeing / labelled if labelled else math.nan,
        low=low,
        high=high,
        right=sum(rows for (label, _), rows in judged.items() if label),
        false_positives=judged.get((False, Status.CORRECT), 0),
        false_negatives=judged.get((True, Status.INCORRECT), 0),
    )


def disagreements(judged: pa.Table, problems: pa.Table) -> pa.Table:
    """DISAGREEMENTS among what `compared` found; `problems` has problem_id, reference."""
    expected = pc.if_else(judged["label"], pa.scalar(str(Status.CORRECT)), pa.scalar(str(Status.INCORRECT)))
    differs = pc.and_(
        pc.not_equal(judged["status"], expected),
        pc.not_equal(judged["status"], pa.scalar(str(Status.UNVERIFIABLE))),
    )
    found = judged.filter(differs)
    places = positions(found["problem_id"], problems["problem_id"])
    references = problems["reference"].take(_numbers(places, places < 0))
    return conform(found.append_column("reference", references), DISAGREEMENTS, at="tally")


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion (Wilson, JASA 22, 1927, p. 209); NaN without trials."""
    if not trials:
        return math.nan, math.nan
    share, z2 = successes / trials, _Z_95**2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    margin = _Z_95 / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    return max(0.0, centre - margin), min(1.0, centre + margin)


def _labelled(traces: pa.Table, label: str) -> pa.Table:
    """trace_id, problem_id, label (bool) of the traces that have one."""
    values: Any = pc.map_lookup(traces["source_labels"], label, "first")
    have = pc.is_valid(values)
    traces, values = traces.filter(have), values.filter(have)
    known: list[Any] = values.unique().to_pylist()
    truths = [_truth(str(value)) for value in known]
    if None in truths:
        value = known[truths.index(None)]
        trace = traces["trace_id"][pc.index(values, pa.scalar(value)).as_py()]
        raise SourceError(f"trace {trace}: label {label} is {value!r}, neither true, false nor a number")
    places = pc.index_in(values, value_set=pa.array(known, pa.string()))
    found = np.array(truths, np.bool_)[np.asarray(places, np.int64)]
    return traces.select(["trace_id", "problem_id"]).append_column("label", pa.array(found))


def _numbers(places: NDArray[np.int64], mask: NDArray[np.bool_] | None = None) -> pa.Int64Array:
    return pa.array(places, pa.int64(), mask=mask)


def _truth(value: str) -> bool | None:
    known = _WORDS.get(value.strip().lower())
    if known is not None:
        return known
    try:
        return float(value) >= 0.5
    except ValueError:
        return None
