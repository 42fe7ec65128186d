"""Traces of problems, in batches as they come."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import pyarrow as pa

from schemas.conform import conform
from schemas.tables import TRACES, Origin
from tasks.engines.contract import Identity, Samples
from tasks.engines.flight import Streams
from tasks.generate.config import GenerateConfig, Sampler
from tasks.generate.rollouts import Emit, Problem, Rollouts, Sampled
from tasks.generate.screen import fault
from tasks.ids import id_number
from tasks.progress import watcher
from tasks.text.steps import SPLITTER, split_column

STAGE: Final = "generate"
VERSION: Final = "1"
EVERY_S: Final = 2.0
"""A trace is on disk about so many seconds after it came."""


class Goal:
    """How many accepted traces a run wants, and has; without a `target` it is never reached."""

    def __init__(self, target: int | None = None, accepted: int = 0) -> None:
        self.target = target
        self.accepted = accepted

    @property
    def reached(self) -> bool:
        """Whether no more traces are wanted."""
        return self.target is not None and self.accepted >= self.target


class Share(NamedTuple):
    """Some of the problems, by the hashes of their ids, and the accepted traces that are wanted of them."""

    goal: Goal
    number: int = 0
    of: int = 1

    def has(self, problem: Problem) -> bool:
        """Whether a problem belongs to it; each belongs to one of the `of` shares."""
        return id_number(problem["problem_id"]) % self.of == self.number


def sample(
    problems: Sequence[Problem], rollouts: Rollouts, models: Streams, config: GenerateConfig, goal: Goal
) -> Iterator[pa.Table]:
    """Yield traces (TRACES) in batches of a few seconds until none is missing, or the goal is reached.

    Problems come in order, `in_flight` of them at once. What is in flight when the goal is reached is given up.

    Raises:
        EngineError: a model cannot be loaded or reached; every trace that came before has been yielded.
    """
    if goal.target is not None:
        goal.accepted += sum(map(rollouts.finished, problems))
    waiting = (problem for problem in problems if not goal.reached and rollouts.wanted(problem))
    jobs = (partial(_take, problem, rollouts, goal) for problem in waiting)
    told = goal.accepted
    for batch in models.stream(jobs, every_s=EVERY_S, in_flight=config.in_flight):
        yield trace_table(batch, models, config)
        tokens = sum(one.completion.completion_tokens or 0 for one in batch)
        watcher().measured(STAGE, {"tokens": tokens, "accepted": goal.accepted - told})
        watcher().advanced(STAGE, len(batch))
        told = goal.accepted
        if goal.reached:
            return
    watcher().measured(STAGE, {"accepted": goal.accepted - told})


async def _take(problem: Problem, rollouts: Rollouts, goal: Goal, emit: Emit) -> None:
    # Read after the wait: other problems count in the meantime.
    right = await rollouts.take(problem, emit)
    goal.accepted += right


def trace_table(samples: Sequence[Sampled], models: Samples, config: GenerateConfig) -> pa.Table:
    """Samples as traces (TRACES): with their steps, and all that is known of how they were sampled."""
    identities = {name: models.identity(one.model) for name, one in config.samplers.items()}
    records = [_record(one, identities[one.sampler], config.samplers[one.sampler]) for one in samples]
    columns: dict[str, Any] = {
        column.name: pa.array([record.get(column.name) for record in records], column.type) for column in TRACES
    }
    columns["step_offsets"] = split_column(columns["text"])
    return conform(pa.table(columns), TRACES, at=STAGE)


def _record(one: Sampled, identity: Identity, sampler: Sampler) -> Mapping[str, object]:
    return {
        "trace_id": one.trace_id,
        "problem_id": one.problem_id,
        "sample_index": one.number,
        "origin": str(Origin.GENERATED),
        "text": one.completion.text,
        "splitter": SPLITTER,
        "model": identity.model,
        "model_revision": identity.revision,
        "engine": identity.engine,
        "template_hash": identity.template_hash,
        "temperature": one.temperature,
        "top_p": sampler.sampling.top_p,
        "seed": one.seed,
        "max_tokens": sampler.sampling.max_tokens,
        "prompt_tokens": one.completion.prompt_tokens,
        "completion_tokens": one.completion.completion_tokens,
        "finish_reason": str(one.completion.finish),
        "on_policy": sampler.on_policy,
        "source": one.sampler,
    }


def stored_texts(tables: Iterable[pa.Table], config: GenerateConfig) -> dict[str, str]:
    """The texts of traces (TRACES) by id, empty where one cannot be used."""
    texts: dict[str, str] = {}
    for table in tables:
        for row in table.select(["trace_id", "text", "finish_reason", "source"]).to_pylist():
            bad = fault(row["text"], row["finish_reason"], config.samplers.get(row["source"]), config)
            texts[row["trace_id"]] = "" if bad else row["text"]
    return texts
