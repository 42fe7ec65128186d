"""Reviewers' marks become verdicts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from schemas.conform import rows
from schemas.tables import VERDICTS, Status
from tasks.label.config import LabelConfig
from tasks.label.marks import Mark, Said
from tasks.reviews import REVIEWERS

STAGE: Final = "labels"
VERSION: Final = "1"


def labels(traces: pa.Table, marked: Mapping[str, Sequence[Mark]], config: LabelConfig) -> pa.Table:
    """One verdict (VERDICTS) on each marked trace, by `reviewers`; it says how the steps are, not the answer.

    The verdict that reviewers agreed on, or an adjudicator chose, else what more than half of them say. `correct`: no
    step is wrong, first_wrong_step is -1. `incorrect`: first_wrong_step is, counted from 0. `error`: they disagree.
    step_scores holds 1 for a right step, 0.5 for one that adds nothing, the mean of those who say so, 0 for the first
    wrong one, null after it; score is the least of them.

    Args:
        traces: trace_id, step_offsets.
        marked: by trace.
        config: how many reviewers it takes.
    """
    made = [
        _verdict(row["trace_id"], row["step_offsets"], those)
        for row in traces.select(["trace_id", "step_offsets"]).to_pylist()
        if row["step_offsets"] and (those := marked.get(row["trace_id"]))
        if len(those) >= config.least or _settled(those, len(row["step_offsets"])) is not None
    ]
    return rows(made, VERDICTS, at=STAGE)


def _verdict(trace_id: str, offsets: Sequence[int], marked: Sequence[Mark]) -> dict[str, Any]:
    said = [one.on(offsets) for one in marked]
    votes = Counter(one.first_wrong for one in said)
    settled = _settled(marked, len(offsets))
    leading, most = votes.most_common(1)[0]
    first = settled.verdict if settled else leading if 2 * most > len(said) else None
    scores = None if first is None else _scores(first, len(offsets), [one for one in said if one.first_wrong == first])
    status = Status.ERROR if first is None else Status.INCORRECT if first >= 0 else Status.CORRECT
    how = f"; {settled.settled or 'agreed'}" if settled else ""
    return {
        "trace_id": trace_id,
        "verifier": REVIEWERS,
        "verifier_version": VERSION,
        "status": str(status),
        "score": min((one for one in scores if one is not None), default=None) if scores else None,
        "extracted_answer": None,
        "first_wrong_step": first,
        "step_scores": scores,
        "reason": _disagree(votes) if first is None else f"{votes[first]} of {len(said)} reviewers{how}",
        "elapsed_ms": 0.0,
    }


def _settled(marked: Sequence[Mark], steps: int) -> Mark | None:
    return next((one for one in marked if one.verdict is not None and -1 <= one.verdict < steps), None)


def _scores(first: int, count: int, said: Sequence[Said]) -> list[float | None]:
    right = count if first < 0 else first
    found: list[float | None] = [_mean([one.scores[at] for one in said]) for at in range(right)]
    return found if first < 0 else [*found, 0.0, *[None] * (count - first - 1)]


def _mean(scores: Sequence[float]) -> float:
    """What those who say so rated; right, where an adjudicator alone does."""
    return sum(scores) / len(scores) if scores else 1.0


def _disagree(votes: Counter[int]) -> str:
    told = ", ".join("none" if step < 0 else f"step {step}" for step in sorted(votes))
    return f"{votes.total()} reviewers disagree about the first wrong step: {told}"
