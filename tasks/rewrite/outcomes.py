"""What came of each rewrite."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from schemas.conform import rows
from schemas.tables import REWRITES
from tasks.rewrite.continuing import Trace, ids
from tasks.rewrite.doubts import doubts
from tasks.rewrite.reading import STAGE, Rewrite
from tasks.text.steps import steps

Outcomes = Mapping[str, str]
"""Where a continuation stands, or why it was dropped, by its id."""


def outcomes(
    rewrites: Iterable[Rewrite], traces: Mapping[str, Trace], references: Mapping[str, Any], told: Outcomes, k: int
) -> pa.Table:
    """A row (REWRITES) for each continuation of each rewrite of these traces; of others there is none.

    Args:
        rewrites: as they were read.
        traces: by trace_id: problem_id, parent_trace_id, text, step_offsets.
        references: by problem_id, None where there is none.
        told: what is known of continuations.
        k: continuations of each.
    """
    return rows([row for one in rewrites for row in _outcomes(one, traces, references, told, k)], REWRITES, at=STAGE)


def _outcomes(
    one: Rewrite, traces: Mapping[str, Trace], references: Mapping[str, Any], told: Outcomes, k: int
) -> Iterator[dict[str, object]]:
    parent = traces.get(one.trace_id)
    offsets = one.offsets or (parent and parent["step_offsets"]) or ()
    if parent is None or one.step >= len(offsets):
        return
    before = steps(parent["text"], offsets)[one.step]
    row = {name: value for name, value in one._asdict().items() if name in REWRITES.names}
    row["round"] = depth(one.trace_id, traces) if one.round is None else one.round
    row |= {"before": before, "reason": doubt(before, one.after, references.get(parent["problem_id"]))}
    for name in ids(one.edit, k, one.offsets):
        if name in traces:
            yield row | {"continuation_trace_id": name, "outcome": told.get(name)}


def depth(trace_id: str, traces: Mapping[str, Trace]) -> int:
    """How often a trace was rewritten before."""
    parent = traces[trace_id]["parent_trace_id"] if trace_id in traces else None
    return 0 if parent is None else 1 + depth(parent, traces)


def doubt(before: str, after: str, reference: str | None) -> str | None:
    """What a person should look at again: a rewritten step that holds the final answer early, or that is several."""
    return "; ".join(doubts(before, after, reference)) or None
