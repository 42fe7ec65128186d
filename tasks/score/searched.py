"""What searches say of the steps of their branches becomes verdicts."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from schemas.conform import rows
from schemas.tables import VERDICTS, Status
from tasks.engines.rewards import REWARD, RIGHT_FROM
from tasks.score.scores import ROLLOUTS

SEARCH: Final = "search"
"""The verifier whose verdicts these are; the stage too whose completions searches asked for."""
STAGE: Final = "search verdicts"
VERSION: Final = "1"
READ: Final = ["trace_id", "step_offsets", "search"]
SELF: Final = "self"
"""The scorer where the model that wrote the steps says what they are worth."""
_REACHED: Final = 0.0
"""Math-Shepherd's hard label (Wang et al. 2023, arXiv 2312.08935, section 3.3): a rollout that reaches the answer."""


def verdicts(traces: pa.Table) -> pa.Table:
    """One verdict (VERDICTS) on each trace of a search that has scores of steps, by `search`: of its steps alone.

    A step is wrong whose score, by rollouts, is 0, or by a reward model at most 0.5. `incorrect`: some step is wrong,
    first_wrong_step the first, counted from 0; null where a step before it has no score. `correct`: all steps have
    scores and none is wrong, first_wrong_step is -1. `unverifiable`: of some steps nothing is known, the others are
    right. `score` is the least step's; `verifier_version` says by whom, such as `1 rollouts` or `1 reward prm`. What a
    model thinks of its own steps (by `self`) is no verdict: such values rank branches, and no threshold tells wrong
    ones. `traces` has the columns that READ names.
    """
    told = traces.filter(_scored(traces)).select(READ).to_pylist()
    return rows([_verdict(row) for row in told], VERDICTS, at=STAGE)


def any_scored(traces: pa.Table) -> bool:
    """Whether any of these traces (search) has scores of steps that come to a verdict."""
    return bool(pc.any(_scored(traces)).as_py())


def _scored(traces: pa.Table) -> Any:
    scores, scorer = (pc.struct_field(traces["search"], name) for name in ("step_scores", "scorer"))
    own: Any = pc.equal(scorer, pa.scalar(SELF))
    return pc.and_(pc.is_valid(scores), pc.invert(own.fill_null(False)))  # noqa: FBT003


def _verdict(row: Mapping[str, Any]) -> dict[str, object]:
    scores: Sequence[float | None] = row["search"]["step_scores"]
    scorer = row["search"]["scorer"]
    threshold = _REACHED if scorer == ROLLOUTS else RIGHT_FROM
    known = {at: score for at, score in enumerate(scores) if score is not None}
    wrong = next((at for at, score in known.items() if score <= threshold), None)
    gap = next((at for at in range(len(row["step_offsets"])) if at not in known), None)
    if wrong is not None:
        status, first = Status.INCORRECT, wrong if gap is None or gap > wrong else None
        reason = f"it is worth {known[wrong]:.2f}" if first is not None else "a step before it has no score"
    elif gap is None:
        status, first, reason = Status.CORRECT, -1, "no step is wrong"
    else:
        status, first, reason = Status.UNVERIFIABLE, None, "of some steps nothing is known"
    return {
        "trace_id": row["trace_id"],
        "verifier": SEARCH,
        "verifier_version": f"{VERSION} {scorer if scorer == ROLLOUTS else f'{REWARD} {scorer}'}",
        "status": str(status),
        "score": min(known.values(), default=None),
        "extracted_answer": None,
        "first_wrong_step": first,
        "step_scores": scores,
        "reason": f"{reason}; by {scorer}",
        "elapsed_ms": 0.0,
    }
