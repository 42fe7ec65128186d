"""Completions that are no traces: empty, cut off, going in circles, or with broken thinking tags."""

import json
from collections.abc import Mapping
from typing import Any, Final

from tasks.engines.contract import Finish
from tasks.text.loops import repeats
from tasks.text.thinking import broken_thinking

_HEAD: Final = 200


def flaw(text: str, finish: str | None, *, think: bool, unfinished: bool = False) -> str | None:
    """Why a completion cannot be used; None where it can.

    With `think` it has to think between tags; with `unfinished` it may have run into max_tokens.
    """
    if finish in (Finish.OVERFLOW, Finish.REFUSED):
        return str(finish)
    if finish == Finish.STEP:
        return "a branch that its search left"
    if not text.strip():
        return "empty completion"
    if repeats(text):
        return "goes in circles"
    if finish == Finish.LENGTH and not unfinished:
        return "ran into max_tokens"
    return broken_thinking(text, needed=think)


def flawed(trace: Mapping[str, Any], stage: str, reason: str) -> dict[str, object]:
    """The row of `dropped` for a trace (trace_id, text), with how it begins and ends as evidence."""
    text = trace["text"]
    evidence = {"begins": text[:_HEAD], "ends": text[_HEAD:][-_HEAD:]}
    return {
        "table": "traces",
        "row_id": trace["trace_id"],
        "stage": stage,
        "reason": reason,
        "evidence": json.dumps(evidence, ensure_ascii=False),
        "duplicate_of": None,
    }
