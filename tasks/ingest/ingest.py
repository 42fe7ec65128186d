"""Rows of a source become problems and traces, in parts.

A row that cannot be used is dropped with its reason and place; a row that is broken (see `on_bad_row`) ends the
run unless the recipe says to drop it too. Rows with the same question share one problem.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import pyarrow as pa

from schemas.conform import conform, rows
from schemas.errors import SourceError
from schemas.tables import DROPPED, PROBLEMS, TRACES, Origin
from tasks.fields import BadRowError, RowError, UnusableRowError, check_columns, usable
from tasks.ids import content_id, question_id
from tasks.ingest.config import IngestConfig
from tasks.ingest.reading import Completion, completions, problem
from tasks.sources import Row
from tasks.text.steps import SPLITTER, split_column

VERSION: Final = "2"


class Imported(NamedTuple):
    """One part: the problems first seen in it, its traces, and what was left out."""

    problems: pa.Table
    traces: pa.Table
    dropped: pa.Table


class Before(NamedTuple):
    """What earlier rounds hold: rows of problems that are there already are passed over."""

    problem_ids: Collection[str] = frozenset()
    rounds: int = 0


NOTHING: Final = Before()


def import_rows(source: Iterable[Row], config: IngestConfig, before: Before = NOTHING) -> Iterator[Imported]:
    """Turn rows into parts of about `config.part_rows` traces, or problems; a row's traces stay together.

    Raises:
        SourceError: a mapped column is not in the file, or a row is broken and `on_bad_row` is `fail`.
    """
    importer = _Importer(config, before)
    for row in source:
        importer.add(row)
        if max(len(importer.traces), len(importer.problems)) >= config.part_rows:
            yield importer.take()
    yield importer.take()


@dataclass
class _Importer:
    config: IngestConfig
    before: Before
    problems: list[dict[str, Any]] = field(default_factory=list)
    traces: list[dict[str, Any]] = field(default_factory=list)
    dropped: list[dict[str, Any]] = field(default_factory=list)
    references: dict[str, str | None] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    samples: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    copies: Counter[str] = field(default_factory=Counter)

    def add(self, row: Row) -> None:
        """Take one row in, or say why not."""
        if row.number == 0 and row.fault is None:
            check_columns(row, _columns(self.config))
        try:
            found = completions(row, self.config)
        except BadRowError as exc:
            self._bad(row, exc)
            return
        try:
            problem_id = self._problem(row)
        except BadRowError as exc:
            self._bad(row, exc)
        except UnusableRowError as exc:
            self._drop("problems", row.place, exc)
            for index in range(len(found)):
                self._drop("traces", f"{row.place}#{index}", UnusableRowError("its problem cannot be used"))
        else:
            for index, completion in enumerate(found if problem_id not in self.before.problem_ids else ()):
                self._trace(row, index, problem_id, completion)

    def take(self) -> Imported:
        """The part so far; a new one begins."""
        part = Imported(
            rows(self.problems, PROBLEMS, at="ingest"),
            _trace_table(self.traces),
            rows(self.dropped, DROPPED, at="ingest"),
        )
        self.problems, self.traces, self.dropped = [], [], []
        return part

    def _problem(self, row: Row) -> str:
        found = problem(row, self.config)
        if found.name is not None:
            first = self.places.setdefault(found.name, row.place)
            if first != row.place:
                raise BadRowError("id given twice", f"{found.name!r}, first at {first}")
        name = question_id(self.config.problem.domain, found.question)
        if name in self.before.problem_ids:
            return name
        if name not in self.references:
            self.references[name] = found.reference
            self.problems.append(
                {
                    "problem_id": name,
                    "domain": str(self.config.problem.domain),
                    "question": found.question,
                    "reference": found.reference,
                    "tests": found.tests,
                    "constraints": found.constraints,
                    "persona_id": None,
                    "source": self.config.source.path,
                    "source_row": row.number,
                    "round": self.before.rounds,
                }
            )
        elif self.references[name] != found.reference:
            raise UnusableRowError("an earlier row gives this question another reference", f"problem {name}")
        return name

    def _trace(self, row: Row, index: int, problem_id: str, completion: Completion) -> None:
        try:
            text = usable(completion.text, "completion", self.config.max_chars)
        except UnusableRowError as exc:
            self._drop("traces", f"{row.place}#{index}", exc)
            return
        content = content_id(problem_id, completion.model, text)
        sampled = (problem_id, completion.model)
        self.traces.append(
            {
                "trace_id": content_id(content, self.copies[content]),
                "problem_id": problem_id,
                "sample_index": self.samples[sampled],
                "text": text,
                "model": completion.model,
                "on_policy": completion.on_policy,
                "source": completion.source or self.config.source.path,
                "source_row": row.number,
                "source_labels": list(completion.labels.items()) or None,
            }
        )
        self.copies[content] += 1
        self.samples[sampled] += 1

    def _bad(self, row: Row, fault: BadRowError) -> None:
        if self.config.on_bad_row == "fail":
            advice = "mend the file, or leave such rows out with --set ingest.on_bad_row=drop"
            raise SourceError(f"{row.place}: {fault}; {advice}")
        self._drop("problems", row.place, fault)

    def _drop(self, table: str, row_id: str, why: RowError) -> None:
        self.dropped.append(
            {
                "table": table,
                "row_id": row_id,
                "stage": "ingest",
                "reason": why.reason,
                "evidence": why.evidence,
                "duplicate_of": None,
            }
        )


def _columns(config: IngestConfig) -> dict[str, str | None]:
    """The columns that the settings name, by setting."""
    problem = config.problem.model_dump(include={"question", "reference", "tests", "constraints", "id"})
    wanted = {f"ingest.problem.{key}": path for key, path in problem.items()}
    for index, one in enumerate(config.completions):
        columns = {"text": one.text, "model_column": one.model_column} | {
            f"labels.{k}": v for k, v in one.labels.items()
        }
        wanted |= {f"ingest.completions.{index}.{key}": path for key, path in columns.items()}
    return wanted


def _trace_table(records: list[dict[str, Any]]) -> pa.Table:
    """Traces with what an import knows of them; all other columns are null."""
    given = {name: [record[name] for record in records] for name in records[0]} if records else {}
    columns: dict[str, Any] = {
        column.name: pa.array(given[column.name], column.type)
        if column.name in given
        else pa.nulls(len(records), column.type)
        for column in TRACES
    }
    columns["origin"] = pa.repeat(str(Origin.IMPORTED), len(records))
    columns["splitter"] = pa.repeat(SPLITTER, len(records))
    columns["step_offsets"] = split_column(columns["text"])
    return conform(pa.table(columns), TRACES, at="ingest")
