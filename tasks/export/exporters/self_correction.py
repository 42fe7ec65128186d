"""Traces that notice their own mistake: the wrong step, a word that stops, the step as a person rewrote it, and on.

Fine-tuning on errors that are corrected at once teaches to correct them (Ye et al. 2024, Physics of Language Models:
Part 2.2, arXiv 2408.16293); there errors and corrections are synthetic, here a model made and a person mended them. The
word is s1's (Muennighoff et al. 2025, arXiv 2501.19393), which appends it to have a model think on.
"""

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from schemas.conform import conform
from schemas.tables import Origin, Status
from tasks.export.messages import MESSAGES, PromptConfig, Turn, conversations, prompt
from tasks.export.selection import Exporter, Selection
from tasks.reviews import REVIEWERS
from tasks.rows import positions
from tasks.standing import standing_as

IDS: Final = ("problem_id", "trace_id", "parent_trace_id")
COLUMNS: Final = pa.schema(
    [pa.field("messages", MESSAGES, nullable=False)] + [pa.field(name, pa.string(), nullable=False) for name in IDS]
)
_READ: Final = ["problem_id", "trace_id", "parent_trace_id", "fork_step", "text", "step_offsets"]


class Config(PromptConfig):
    """What stands between the wrong step and the rewritten one."""

    marker: str = Field(
        default="Wait, ", min_length=1, description="put before the rewritten step, behind the wrong one's line"
    )


def build(config: Config) -> Exporter:
    """The exporter with these settings."""
    return Exporter("trace_id", COLUMNS, partial(_rows, config), texts=("messages",))


def _rows(config: Config, selection: Selection) -> pa.Table:
    """One row a rewritten trace that stands as correct and whose parent is there, in the order of traces.

    Those in which reviewers found a wrong step all the same are left out.
    """
    traces = selection.traces
    right = standing_as(Status.CORRECT, traces["trace_id"], selection.standings)
    problem = positions(traces["problem_id"], selection.problems["problem_id"])
    rewritten = np.array([one == Origin.REWRITTEN for one in traces["origin"].to_pylist()], np.bool_)
    found = list(_corrected(config, selection, traces.filter(pa.array(right & rewritten & (problem >= 0)))))
    rows = positions(
        pa.chunked_array([pa.array([one["problem_id"] for one in found], pa.string())]),
        selection.problems["problem_id"],
    )
    answers: pa.LargeStringArray = pa.array([one["text"] for one in found], pa.large_string())
    turns = [*prompt(config, selection.problems, rows), Turn("assistant", answers, np.arange(len(found)))]
    named = {name: pa.array([one[name] for one in found], pa.string()) for name in IDS}
    return conform(pa.table({"messages": conversations(*turns), **named}), COLUMNS, at="export self_correction")


def _corrected(config: Config, selection: Selection, children: pa.Table) -> Iterator[dict[str, Any]]:
    """Each trace (IDS) with the text that comes of it and its parent."""
    told = selection.verdicts.filter(pc.equal(selection.verdicts["verifier"], pa.scalar(REVIEWERS)))
    wrong = set(told.filter(pc.greater_equal(told["first_wrong_step"], pa.scalar(0)))["trace_id"].to_pylist())
    before = dict(
        zip(*(selection.rewrites[name].to_pylist() for name in ("continuation_trace_id", "before")), strict=True)
    )
    ids = set(children["parent_trace_id"].to_pylist())
    among = np.array([one in ids for one in selection.traces["trace_id"].to_pylist()], np.bool_)
    parents = {row["trace_id"]: row for row in selection.traces.select(_READ).filter(pa.array(among)).to_pylist()}
    for child in children.select(_READ).to_pylist():
        parent = parents.get(child["parent_trace_id"])
        if parent is None or child["trace_id"] in wrong:
            continue
        fork = child["step_offsets"][child["fork_step"]]
        step = before.get(child["trace_id"]) or _step_at(parent, fork)
        yield child | {"text": _joined(child["text"], fork, step, config.marker)}


def _step_at(parent: dict[str, Any], fork: int) -> str:
    """The parent's step that starts at, or holds, the fork."""
    bounds = pairwise([*parent["step_offsets"], len(parent["text"])])
    return next((parent["text"][fork:end] for start, end in bounds if start <= fork < end), "")


def _joined(text: str, fork: int, wrong: str, marker: str) -> str:
    """The wrong step, parted from what follows as its trace parts steps; then the marker, and what is right."""
    kept = text[:fork]
    gap = wrong[len(wrong.rstrip()) :] or kept[len(kept.rstrip()) :] or "\n"
    return f"{kept}{wrong.rstrip()}{gap}{marker}{text[fork:]}"
