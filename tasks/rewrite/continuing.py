"""Rewrites become requests, continuations traces."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from schemas.conform import rows
from schemas.tables import DROPPED, TRACES, Origin
from tasks.asking import Question
from tasks.engines.contract import Request
from tasks.flaws import flaw, flawed
from tasks.ids import content_id
from tasks.prompts import Prompting, messages
from tasks.rewrite.config import GoingOn
from tasks.rewrite.prefix import forked, offsets_of
from tasks.rewrite.reading import STAGE
from tasks.text.steps import SPLITTER

Edit = tuple[str, int, str]
"""A trace's id, a step of it, the step's new text."""
Trace = Mapping[str, Any]
"""A row of TRACES."""
SAMPLED: Final = (
    "text",
    "model",
    "model_revision",
    "engine",
    "template_hash",
    "temperature",
    "top_p",
    "seed",
    "max_tokens",
    "prompt_tokens",
    "completion_tokens",
    "finish_reason",
)
"""What COMPLETIONS says of a continuation, and a trace takes over; the text begins with the prefix."""
_CUT: Final = "own cut"


def ids(edit: Edit, k: int, offsets: Sequence[int] | None = None) -> list[str]:
    """What the k continuations of a rewrite are called, as completions and as traces; `offsets`: a reviewer's own cut.

    Neither model nor sampling has a part in it: once a rewrite was gone on from, it is not again when these change.
    """
    trace_id, step, after = edit
    return [content_id(STAGE, trace_id, step, after, number, *(offsets or ())) for number in range(k)]


def recut(trace: Trace, offsets: Sequence[int]) -> Trace:
    """A trace as a reviewer cut it; without offsets as it is."""
    return {**trace, "step_offsets": list(offsets), _CUT: tuple(offsets)} if offsets else trace


def questions(
    edit: Edit, parent: Trace, problem: Mapping[str, Any], config: GoingOn, prompts: Mapping[str, Prompting], model: str
) -> Iterator[Question]:
    """Ask the model to go on from exactly there; `prompts` are by the parent's `source`, else the settings' own.

    A parent that the reviewer cut otherwise is given `recut`.
    """
    _, step, after = edit
    turns = messages(problem["domain"], problem["question"], prompts.get(parent["source"], config))
    prefix = forked(parent["text"], parent["step_offsets"], step, after)
    for number, name in enumerate(ids(edit, config.k, parent.get(_CUT))):
        sampling = config.sampling.model_copy(update={"seed": int(name[:7], 16)})
        yield Question(STAGE, edit[0], number, model, Request(name, turns, sampling, prefix))


def continued(edit: Edit, parent: Trace, completions: Mapping[str, Mapping[str, Any]], k: int) -> Iterator[Trace]:
    """The traces that come of a rewrite (rows of TRACES), from its completions (SAMPLED) by id.

    `fork_step` counts the new trace's steps. `parent` is as in `questions`.
    """
    _, step, _ = edit
    for number, name in enumerate(ids(edit, k, parent.get(_CUT))):
        done = completions[name]
        offsets = offsets_of(done["text"], parent["step_offsets"][: step + 1])
        yield dict.fromkeys(TRACES.names) | {
            **{column: done[column] for column in SAMPLED},
            "trace_id": name,
            "problem_id": parent["problem_id"],
            "sample_index": number,
            "origin": str(Origin.REWRITTEN),
            "parent_trace_id": parent["trace_id"],
            "fork_step": step,
            "step_offsets": offsets,
            "splitter": SPLITTER,
            "on_policy": parent["on_policy"],
            "source": parent["source"],
        }


def table(traces: Sequence[Trace]) -> dict[str, pa.Table]:
    """TRACES, and rows of DROPPED for those that cannot be used."""
    faults = ((one, flaw(one["text"], one["finish_reason"], think=False)) for one in traces)
    lost = [flawed(one, STAGE, fault) for one, fault in faults if fault]
    return {"traces": rows(list(map(dict, traces)), TRACES, at=STAGE), "dropped": rows(lost, DROPPED, at=STAGE)}
