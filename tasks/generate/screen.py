"""Completions that are no traces: empty, cut off, going in circles, or with broken thinking tags."""

from typing import Final

import pyarrow as pa

from schemas.conform import rows
from schemas.tables import DROPPED
from tasks.flaws import flaw, flawed
from tasks.generate.config import GenerateConfig, Sampler

STAGE: Final = "generate"
VERSION: Final = "1"


def screen(traces: pa.Table, config: GenerateConfig) -> pa.Table:
    """Rows of `dropped` for the traces (TRACES) that cannot be used, with how they begin and end as evidence."""
    lost = []
    for row in traces.select(["trace_id", "text", "finish_reason", "source"]).to_pylist():
        reason = fault(row["text"], row["finish_reason"], config.samplers.get(row["source"]), config)
        if reason:
            lost.append(flawed(row, STAGE, reason))
    return rows(lost, DROPPED, at=STAGE)


def fault(text: str, finish: str | None, sampler: Sampler | None, config: GenerateConfig) -> str | None:
    """Why a completion cannot be used; None where it can."""
    return flaw(text, finish, think=bool(sampler and sampler.think), unfinished=config.keep_unfinished)
