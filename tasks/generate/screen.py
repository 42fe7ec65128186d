"""Completions that are no traces: empty, cut off, going in circles, or with broken thinking tags."""

import json
from typing import Any, Final

import pyarrow as pa

from schemas.conform import rows
from schemas.tables import DROPPED
from tasks.engines.contract import Finish
from tasks.generate.config import GenerateConfig, Sampler
from tasks.text.loops import repeats
from tasks.text.thinking import broken_thinking

STAGE: Final = "generate"
VERSION: Final = "1"
_HEAD: Final = 200


def screen(traces: pa.Table, config: GenerateConfig) -> pa.Table:
    """Rows of `dropped` for the traces (TRACES) that cannot be used, with how they begin and end as evidence."""
    lost = []
    for row in traces.select(["trace_id", "text", "finish_reason", "source"]).to_pylist():
        reason = fault(row["text"], row["finish_reason"], config.samplers.get(row["source"]), config)
        if reason:
            lost.append(_dropped(row, reason))
    return rows(lost, DROPPED, at=STAGE)


def fault(text: str, finish: str | None, sampler: Sampler | None, config: GenerateConfig) -> str | None:
    """Why a completion cannot be used; None where it can."""
    if finish in (Finish.OVERFLOW, Finish.REFUSED):
        return str(finish)
    if not text.strip():
        return "empty completion"
    if repeats(text):
        return "goes in circles"
    if finish == Finish.LENGTH and not config.keep_unfinished:
        return "ran into max_tokens"
    return broken_thinking(text, needed=bool(sampler and sampler.think))


def _dropped(row: dict[str, Any], reason: str) -> dict[str, object]:
    text = row["text"]
    evidence = {"begins": text[:_HEAD], "ends": text[_HEAD:][-_HEAD:]}
    return {
        "table": "traces",
        "row_id": row["trace_id"],
        "stage": STAGE,
        "reason": reason,
        "evidence": json.dumps(evidence, ensure_ascii=False),
        "duplicate_of": None,
    }
