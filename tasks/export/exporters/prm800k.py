"""PRM800K's form (Let's Verify Step by Step, arXiv 2305.20050; github.com/openai/prm800k), as JSON lines.

Each step has one completion, rated 1 (right), 0 (neutral) or -1 (wrong); the last one rated is the first wrong step
(`finish_reason` is `found_error`) or the solution's last (`solution`). Where reviewers rewrote the first wrong step,
`labeler` is who did first (a pseudonym), `timestamp` when, `total_time` how long it took in milliseconds, and the
wrong step's `human_completion` what was written. Else these are null, and always `generation` and what PRM800K's own
model and verifier gave.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import pyarrow as pa

from schemas.conform import rows
from tasks.export.answers import references
from tasks.export.selection import Exporter, Selection
from tasks.export.steps import BAD, GOOD, Judged, StepConfig, judged
from tasks.reviews import REVIEWERS

_COMPLETION: Final = pa.struct(
    [pa.field("text", pa.string()), pa.field("rating", pa.int64()), pa.field("flagged", pa.bool_())]
)
_STEP: Final = pa.struct(
    [
        pa.field("completions", pa.list_(_COMPLETION)),
        pa.field("human_completion", _COMPLETION),
        pa.field("chosen_completion", pa.int64()),
    ]
)
_QUESTION: Final = pa.struct(
    [
        pa.field("problem", pa.string()),
        pa.field("ground_truth_solution", pa.string()),
        pa.field("ground_truth_answer", pa.string()),
        pa.field("pre_generated_steps", pa.list_(pa.string())),
        pa.field("pre_generated_answer", pa.string()),
        pa.field("pre_generated_verifier_score", pa.float64()),
    ]
)
_LABEL: Final = pa.struct(
    [
        pa.field("steps", pa.list_(_STEP)),
        pa.field("total_time", pa.int64()),
        pa.field("finish_reason", pa.string()),
    ]
)
_FIELDS: "Final[list[pa.Field[Any]]]" = [
    pa.field("labeler", pa.string(), nullable=True),
    pa.field("timestamp", pa.string(), nullable=True),
    pa.field("generation", pa.int64(), nullable=True),
    pa.field("is_quality_control_question", pa.bool_(), nullable=False),
    pa.field("is_initial_screening_question", pa.bool_(), nullable=False),
    pa.field("question", _QUESTION, nullable=False),
    pa.field("label", _LABEL, nullable=False),
    pa.field("problem_id", pa.string(), nullable=False),
    pa.field("trace_id", pa.string(), nullable=False),
    pa.field("verifier", pa.string(), nullable=False),
]
COLUMNS: Final = pa.schema(_FIELDS)


class Config(StepConfig):
    """Whose verdicts on steps count, and which scores are neutral."""


def build(config: Config) -> Exporter:
    """The exporter with these settings."""
    return Exporter("trace_id", COLUMNS, partial(_rows, config), lines=True)


def _rows(config: Config, selection: Selection) -> pa.Table:
    """One row a trace whose first error is known, in the order of traces."""
    known = zip(
        selection.problems["problem_id"].to_pylist(), references(selection, majority=True).to_pylist(), strict=True
    )
    answers = dict(known)
    written = _written(selection)
    found: list[dict[str, object]] = [
        {
            "labeler": by["reviewer"] if by else None,
            "timestamp": by["saved_at"].isoformat() if by and by["saved_at"] else None,
            "generation": None,
            "is_quality_control_question": False,
            "is_initial_screening_question": False,
            "question": _question(one, answers[one.trace["problem_id"]]),
            "label": _label(one, by),
            "problem_id": one.trace["problem_id"],
            "trace_id": one.trace["trace_id"],
            "verifier": one.verifier,
        }
        for one in judged(config, selection)
        if one.settled
        for by in (written.get(one.trace["trace_id"]) if one.verifier == REVIEWERS and one.first_wrong >= 0 else None,)
    ]
    return rows(found, COLUMNS, at="export prm800k")


def _written(selection: Selection) -> dict[str, dict[str, Any]]:
    """The first rewrite of each trace (`after`, `reviewer`, `opened_at`, `saved_at`), by its id."""
    columns = ["trace_id", "after", "reviewer", "opened_at", "saved_at"]
    return {row["trace_id"]: row for row in reversed(selection.rewrites.select(columns).to_pylist())}


def _question(one: Judged, answer: str | None) -> dict[str, Any]:
    return {
        "problem": one.problem["question"],
        "ground_truth_solution": None,
        "ground_truth_answer": answer,
        "pre_generated_steps": one.steps,
        "pre_generated_answer": None,
        "pre_generated_verifier_score": None,
    }


def _label(one: Judged, by: Mapping[str, Any] | None) -> dict[str, Any]:
    human = {"text": by["after"], "rating": GOOD, "flagged": False} if by else None
    steps = [
        {
            "completions": [{"text": text, "rating": mark, "flagged": False}],
            "human_completion": human if mark == BAD else None,
            "chosen_completion": None if mark == BAD else 0,
        }
        for text, mark in zip(one.steps, one.marks, strict=False)
    ]
    return {
        "steps": steps,
        "total_time": _milliseconds(by) if by else None,
        "finish_reason": "found_error" if one.first_wrong >= 0 else "solution",
    }


def _milliseconds(by: Mapping[str, Any]) -> int | None:
    if by["opened_at"] is None or by["saved_at"] is None:
        return None
    return int((by["saved_at"] - by["opened_at"]).total_seconds() * 1000)
