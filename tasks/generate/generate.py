"""Traces of problems, in batches as they come."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import pyarrow as pa

from schemas.conform import conform
from schemas.tables import TRACES, Origin
from tasks.asking import Question, completion_table, record
from tasks.engines.contract import Completion, Finish, Identity, Request, Samples
from tasks.engines.flight import GradingStreams
from tasks.generate.config import GenerateConfig, Sampler
from tasks.generate.contract import Asked, Emit, Problem, Reply
from tasks.generate.rollouts import Rollouts
from tasks.generate.screen import fault
from tasks.generate.tree import Grown, Sampled
from tasks.ids import id_number
from tasks.progress import watcher
from tasks.text.steps import SPLITTER, split_column

STAGE: Final = "generate"
VERSION: Final = "1"
SEARCH: Final = "search"
"""The stage of the completions that searches ask for."""
CUT: Final = "search/1"
"""What cuts a searched trace into steps: the search did, as it grew."""
REPLY: Final = ["completion_id", "text", "finish_reason", "prompt_tokens", "completion_tokens", "detail"]
"""What is read of such a completion."""
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


class Batch(NamedTuple):
    """What came within a few seconds."""

    traces: pa.Table
    """TRACES; all branches of a search come together, when it is over."""
    completions: pa.Table
    """COMPLETIONS that searches asked for; `subject_id` is the problem's."""


def sample(
    problems: Sequence[Problem], rollouts: Rollouts, models: GradingStreams, config: GenerateConfig, goal: Goal
) -> Iterator[Batch]:
    """Yield batches of a few seconds until no sample is missing, or the goal is reached.

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
        came = [one for one in batch if isinstance(one, Sampled)]
        asked = [one for one in batch if isinstance(one, Asked)]
        replies = completion_table([_completion(one, models) for one in asked], SEARCH)
        yield Batch(trace_table(came, models, config), replies)
        tokens = sum(one.completion.completion_tokens or 0 for one in came if one.grown is None)
        tokens += sum(one.reply.completion_tokens or 0 for one in asked)
        watcher().measured(STAGE, {"tokens": tokens, "accepted": goal.accepted - told})
        watcher().advanced(STAGE, sum(one.own for one in came))
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
    cut = split_column(columns["text"])
    if any(one.grown for one in samples):
        offsets = zip(samples, cut.to_pylist(), strict=True)
        cut = pa.array([one.grown.cuts if one.grown else at for one, at in offsets], cut.type)
    columns["step_offsets"] = cut
    return conform(pa.table(columns), TRACES, at=STAGE)


def _completion(one: Asked, models: Samples) -> dict[str, Any]:
    """What a search asked as a row of COMPLETIONS; the text does not repeat what it goes on from."""
    question = Question(one.kind, one.problem_id, one.number, one.model, Request(one.completion_id, (), one.sampling))
    reply = one.reply
    done = Completion(
        one.completion_id, reply.text, reply.finish, reply.prompt_tokens, reply.completion_tokens, reply.detail
    )
    return record(question, done, models.identity(one.model))


def stored_replies(tables: Iterable[pa.Table]) -> dict[str, Reply]:
    """What searches were told (REPLY of COMPLETIONS), by the completions' ids."""
    found: dict[str, Reply] = {}
    for table in tables:
        for name, text, finish, read, taken, detail in zip(*(table[one].to_pylist() for one in REPLY), strict=True):
            found[name] = Reply(text, Finish(finish), read, taken, detail or "")
    return found


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
        **(_grown(one.grown) if one.grown else {}),
    }


def _grown(one: Grown) -> Mapping[str, object]:
    return {
        "origin": str(one.origin),
        "splitter": CUT,
        "parent_trace_id": one.parent_trace_id,
        "fork_step": one.fork_step,
        "search": one.search,
        "conversation": one.conversation,
    }


def stored_texts(tables: Iterable[pa.Table], config: GenerateConfig) -> dict[str, str]:
    """The texts of traces (TRACES) by id, empty where one cannot be used."""
    texts: dict[str, str] = {}
    for table in tables:
        for row in table.select(["trace_id", "text", "finish_reason", "source"]).to_pylist():
            bad = fault(row["text"], row["finish_reason"], config.samplers.get(row["source"]), config)
            texts[row["trace_id"]] = "" if bad else row["text"]
    return texts
