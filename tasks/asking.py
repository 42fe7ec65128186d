"""Completions that are no traces, such as problems and judgements: asked of a model, and on disk as they come."""

from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

import pyarrow as pa

from schemas.conform import conform
from schemas.refs import Ref, Stage, Tables
from schemas.tables import COMPLETIONS
from tasks.engines.contract import Completion, Identity, Request
from tasks.engines.flight import Streams
from tasks.journal import collect
from tasks.lake import Lake
from tasks.progress import reported, watcher

Answer = TypeVar("Answer", bound=NamedTuple)

EVERY_S: Final = 2.0
"""A completion is on disk about so many seconds after it came."""


class Question(NamedTuple):
    """One request, and what it is asked for."""

    kind: str
    """Why: `persona:word_problem`, `program`, `judge:grader`."""
    subject_id: str
    """Of what: a persona's, a problem's or a trace's id."""
    number: int
    """The how manieth of this kind and subject."""
    model: str
    """The model's name in the recipe."""
    request: Request


class _Answered(NamedTuple):
    question: Question
    completion: Completion


Asking = Callable[[Question], Awaitable[Completion]]
"""How a question gets its answer, where that is not by `complete`."""


def ask(
    lake: Lake,
    stage: Stage,
    questions: Callable[[], Iterable[Question]],
    models: Streams,
    *,
    label: str | None = None,
    by: Asking | None = None,
) -> Tables:
    """Ask what is not stored yet, and store the answers (COMPLETIONS) under the requests' ids.

    `questions` is called twice, to count and to ask, and need not hold all in memory; no id comes twice. `label` is
    what progress calls the stage, unless by its name; `by` asks a model otherwise than by `complete`.

    Raises:
        EngineError: a model cannot be loaded or reached; every answer that came before is stored.
    """
    asking = by or partial(_completed, models)

    def rest(stored: Iterator[pa.Table]) -> Iterator[pa.Table]:
        known = {str(one) for table in stored for one in table["completion_id"].to_pylist()}

        def missing() -> Iterator[Question]:
            return (one for one in questions() if one.request.request_id not in known)

        name = label or stage.name
        with reported(name, sum(1 for _ in missing())):
            for batch in models.stream((partial(_answer, one, asking) for one in missing()), every_s=EVERY_S):
                yield _table(batch, models, stage.name)
                tokens = sum(one.completion.completion_tokens or 0 for one in batch)
                watcher().measured(name, {"tokens": tokens})
                watcher().advanced(name, len(batch))

    return collect(lake, stage, rest)


def replies_of(lake: Lake, tables: Tables, stages: Collection[str], **settings: Collection[str]) -> tuple[Ref, ...]:
    """Those of a run's tables of completions that these stages asked for, with one of these values of each setting."""

    def theirs(ref: Ref) -> bool:
        made = lake.manifest(ref)
        if made is None or made.stage.name not in stages:
            return False
        return all(made.stage.config[name] in those for name, those in settings.items())

    return tuple(filter(theirs, tables.get("completions", ())))


def answers(lake: Lake, completions: tuple[Ref, ...], kind: type[Answer]) -> dict[str, Answer]:
    """Stored completions by their requests' ids; the fields of `kind` are columns of COMPLETIONS."""
    names = ["completion_id", *kind._fields]
    columns = lake.rows({"completions": completions}, "completions", names)
    return {row[0]: kind._make(row[1:]) for row in zip(*(columns[name].to_pylist() for name in names), strict=True)}


def _answer(question: Question, asking: Asking, emit: Callable[[_Answered], None]) -> Coroutine[Any, Any, None]:
    async def asked() -> None:
        emit(_Answered(question, await asking(question)))

    return asked()


async def _completed(models: Streams, question: Question) -> Completion:
    return await models.complete(question.model, question.request)


def _table(batch: Sequence[_Answered], models: Streams, stage: str) -> pa.Table:
    records = [record(one.question, one.completion, models.identity(one.question.model)) for one in batch]
    return completion_table(records, stage)


def completion_table(records: Sequence[Mapping[str, Any]], stage: str) -> pa.Table:
    """Rows as `record` makes them, as COMPLETIONS."""
    columns = {
        column.name: pa.array([record[column.name] for record in records], column.type) for column in COMPLETIONS
    }
    return conform(pa.table(columns), COMPLETIONS, at=stage)


def record(question: Question, done: Completion, identity: Identity) -> dict[str, Any]:
    """A row of COMPLETIONS; its text begins with the request's prefix."""
    sampling = question.request.sampling
    return {
        "completion_id": question.request.request_id,
        "kind": question.kind,
        "subject_id": question.subject_id,
        "number": question.number,
        "text": question.request.prefix + done.text,
        "model": identity.model,
        "model_revision": identity.revision,
        "engine": identity.engine,
        "template_hash": identity.template_hash,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "max_tokens": sampling.max_tokens,
        "prompt_tokens": done.prompt_tokens,
        "completion_tokens": done.completion_tokens,
        "finish_reason": str(done.finish),
        "detail": done.detail or None,
    }
