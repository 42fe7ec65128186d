"""What one source row says of its problem and its completions."""

from typing import Any, NamedTuple

import orjson

from tasks.columns import MISSING, follow, parse
from tasks.fields import BadRowError, UnusableRowError, as_text, text_of, usable, value_of
from tasks.ingest.config import CompletionColumns, IngestConfig
from tasks.sources import Row


class Problem(NamedTuple):
    """The problem of a row."""

    name: str | None
    question: str
    reference: str | None
    tests: str | None
    constraints: str | None


class Completion(NamedTuple):
    """One completion of a row; its text may yet turn out unusable."""

    text: str | None
    model: str | None
    labels: dict[str, str]
    source: str | None = None
    on_policy: bool | None = None


def problem(row: Row, config: IngestConfig) -> Problem:
    """Read a row's problem.

    Raises:
        BadRowError: a value has the wrong type or is missing.
        UnusableRowError: the question is empty or too long, or the reference lacks its marker.
    """
    columns = config.problem
    name = value_of(row, columns.id)
    reference = text_of(row, columns.reference)
    return Problem(
        name=None if name is None else str(name),
        question=usable(text_of(row, columns.question), "question", config.max_chars),
        reference=reference if columns.reference_marker is None else _after(reference, columns.reference_marker),
        tests=text_of(row, columns.tests),
        constraints=text_of(row, columns.constraints),
    )


def completions(row: Row, config: IngestConfig) -> list[Completion]:
    """Read a row's completions, in the order of the recipe and of its lists.

    Raises:
        BadRowError: the row itself could not be read, or a value has the wrong type or is missing.
    """
    if row.fault is not None:
        raise BadRowError(*row.fault)
    return [one for columns in config.completions for one in _completions(row, columns)]


def _completions(row: Row, columns: CompletionColumns) -> list[Completion]:
    texts = _listed(value_of(row, columns.text), columns.text)
    models = _spread(row, columns.model_column, len(texts))
    labels = {name: _spread(row, path, len(texts)) for name, path in columns.labels.items()}
    return [
        Completion(
            text=as_text(text, columns.text),
            model=columns.model if columns.model is not None else _label(models[index]),
            source=columns.source,
            on_policy=columns.on_policy,
            labels={name: label for name, values in labels.items() if (label := _label(values[index])) is not None},
        )
        for index, text in enumerate(texts)
    ]


def _listed(value: Any, path: str) -> list[Any]:
    if not parse(path).many:
        return [value]
    return [] if value is None else list(value)


def _spread(row: Row, path: str | None, count: int) -> list[Any]:
    """One value for each of `count` completions: a list's own, or one for all."""
    if path is None:
        return [None] * count
    value = follow(row.values, parse(path))
    if not parse(path).many:
        return [value] * count
    if value is MISSING or len(value) != count:
        raise BadRowError("not one value for each completion", f"{count} completions, column {path!r}")
    return list(value)


def _label(value: Any) -> str | None:
    if value is None or value is MISSING:
        return None
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()


def _after(text: str | None, marker: str) -> str | None:
    """What follows the last marker, to the line's end."""
    if text is None:
        return None
    _, found, rest = text.rpartition(marker)
    if not found:
        raise UnusableRowError("no marker in the reference", repr(marker))
    return rest.split("\n", 1)[0].strip()
