"""The traces whose steps are scored, and what is asked about a step."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from schemas.tables import Status
from tasks.asking import Question
from tasks.engines.contract import Identity, Message, Request, said_in
from tasks.engines.rewards import REWARD
from tasks.ids import content_id
from tasks.prompts import Prompting, messages
from tasks.score.config import ScoreConfig

STAGE: Final = "score"
ASKED: Final = ["problem_id", "domain", "question", "reference", "tests", "constraints"]
CONTINUED: Final = ["trace_id", "problem_id", "text", "step_offsets", "source", "conversation"]
_REFERENCES: Final = ("reference", "tests", "constraints")


class Case(NamedTuple):
    """A trace, cut into steps."""

    trace_id: str
    problem: Mapping[str, Any]
    """A row of PROBLEMS, with what its traces are held against."""
    messages: tuple[Message, ...]
    """What its model was asked."""
    text: str
    offsets: tuple[int, ...]
    right: bool
    """Whether it stands as correct."""

    @property
    def steps(self) -> int:
        """How many there are."""
        return len(self.offsets)

    def prefix(self, step: int) -> str:
        """The text up to where the next step starts."""
        return self.text[: self.offsets[step + 1]]


def cases(
    problems: pa.Table, traces: pa.Table, standings: pa.Table, config: ScoreConfig, prompts: Mapping[str, Prompting]
) -> list[Case]:
    """The traces (CONTINUED) that the settings choose, by problem and id; none that used tools.

    Args:
        problems: ASKED, with references; traces of others are left out, and unless a reward model scores them those of
            problems with nothing to check against.
        traces: those that no stage has dropped.
        standings: trace_id, status.
        config: the settings.
        prompts: by the trace's `source`; where that is none of them, the settings' own is asked.
    """
    free = config.method == REWARD
    known = {row["problem_id"]: row for row in problems.select(ASKED).to_pylist() if free or _checkable(row)}
    stands = dict(zip(*(standings[name].to_pylist() for name in ("trace_id", "status")), strict=True))
    taken: Counter[str] = Counter()
    found = []
    order = pc.sort_indices(traces, sort_keys=[("problem_id", "ascending"), ("trace_id", "ascending")])
    for row in traces.select(CONTINUED).take(order).to_pylist():
        problem = known.get(row["problem_id"])
        status = stands.get(row["trace_id"])
        if problem is None or status not in config.statuses or not row["step_offsets"]:
            continue
        if row["conversation"] is not None:  # going on from its text, a model would make results of tools up
            continue
        taken[row["problem_id"]] += 1
        if config.per_problem is None or taken[row["problem_id"]] <= config.per_problem:
            turns = messages(problem["domain"], problem["question"], prompts.get(row["source"], config))
            offsets = tuple(row["step_offsets"])
            found.append(Case(row["trace_id"], problem, turns, row["text"], offsets, status == Status.CORRECT))
    return found


def questions(case: Case, step: int, config: ScoreConfig, identity: Identity) -> Iterator[Question]:
    """The continuations of one step, k of them.

    Their ids follow from what is asked alone: traces that begin alike share their continuations.
    """
    prefix, settings = case.prefix(step), config.sampling.model_dump_json(exclude={"seed"})
    turns = said_in(case.messages)
    for number in range(config.k):
        name = content_id(STAGE, identity.model, identity.revision, settings, number, prefix, *turns)
        sampling = config.sampling.model_copy(update={"seed": int(name[:7], 16)})
        request = Request(name, case.messages, sampling, prefix)
        yield Question(STAGE, case.trace_id, step * config.k + number, config.model, request)


def _checkable(problem: Mapping[str, Any]) -> bool:
    return any(text and text.strip() for text in map(problem.get, _REFERENCES))
