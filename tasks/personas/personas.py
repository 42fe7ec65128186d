"""Rows of a source become personas, in parts; a row that holds none is dropped with its reason and place."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import pyarrow as pa
from pydantic import Field, field_validator

from schemas.base import ConfigBase
from schemas.conform import rows
from schemas.errors import EmptyError
from schemas.tables import DROPPED, PERSONAS
from tasks.columns import parse
from tasks.fields import RowError, check_columns, text_of, usable, value_of, wrong_type
from tasks.ids import content_id
from tasks.places import DATA
from tasks.sources import Row, SourceConfig

VERSION: Final = "1"
STAGE: Final = "personas"
BUNDLED: Final = "bundled"
"""What the column `source` says of the personas that come with tracemill."""
DUPLICATE: Final = "exact duplicate"
_FILE: Final = DATA / "personas/personas.jsonl"


class PersonasConfig(ConfigBase):
    """Where personas come from: a file, a set that `datasets` loads, or those that come with tracemill."""

    source: SourceConfig | None = Field(default=None, description="null: the personas that come with tracemill")
    persona: str = Field(default="persona", description="the column with the description; a path such as `a.b`")
    domain: str | None = Field(
        default=None, description="the column that says what field a persona is from, if there is one"
    )
    max_chars: int = Field(default=2000, gt=0, description="longer descriptions are dropped")
    limit: int | None = Field(default=None, gt=0, description="read only so many rows of the source")
    part_rows: int = Field(default=50_000, gt=0, description="personas a part")

    _paths = field_validator("persona", "domain")(lambda path: path if path is None else parse(path).text)

    @property
    def rows_from(self) -> SourceConfig:
        """What to read."""
        return self.source or SourceConfig(format="jsonl", path=str(_FILE))

    @property
    def columns(self) -> tuple[str, str | None]:
        """The columns of the description and of its field."""
        return ("persona", "domain") if self.source is None else (self.persona, self.domain)


class PersonasResult(NamedTuple):
    """One part: the personas first seen in it (PERSONAS), and what was left out (DROPPED)."""

    personas: pa.Table
    dropped: pa.Table


def load_personas(source: Iterable[Row], config: PersonasConfig) -> Iterator[PersonasResult]:
    """Turn rows into parts of `config.part_rows` personas, each persona once.

    A persona's id is of its text, in which runs of whitespace are equal.

    Raises:
        SourceError: the first row lacks a column that the settings name.
        EmptyError: no row holds a persona.
    """
    loader = _Loader(config)
    for row in source:
        loader.add(row)
        if len(loader.personas) >= config.part_rows:
            yield loader.take()
    if not loader.seen:
        reason = f"; the first: {loader.dropped[0]['row_id']}: {loader.dropped[0]['reason']}" if loader.dropped else ""
        raise EmptyError(f"no persona in {config.rows_from.path}{reason}; check the file and personas.persona")
    yield loader.take()


@dataclass
class _Loader:
    config: PersonasConfig
    personas: list[dict[str, Any]] = field(default_factory=list)
    dropped: list[dict[str, Any]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def add(self, row: Row) -> None:
        """Take one row in, or say why not."""
        column, domain_column = self.config.columns
        if row.number == 0 and row.fault is None:
            check_columns(row, {"personas.persona": column, "personas.domain": domain_column})
        try:
            persona = _persona(row, column, self.config.max_chars)
            domain = text_of(row, domain_column)
        except RowError as exc:
            self._drop(row.place, exc.reason, exc.evidence)
            return
        persona_id = content_id(" ".join(persona.split()))
        if persona_id in self.seen:
            self._drop(row.place, DUPLICATE, None, persona_id)
            return
        self.seen.add(persona_id)
        source = BUNDLED if self.config.source is None else self.config.source.path
        self.personas.append({"persona_id": persona_id, "persona": persona, "domain": domain, "source": source})

    def take(self) -> PersonasResult:
        """The part so far; a new one begins."""
        part = PersonasResult(rows(self.personas, PERSONAS, at=STAGE), rows(self.dropped, DROPPED, at=STAGE))
        self.personas, self.dropped = [], []
        return part

    def _drop(self, place: str, reason: str, evidence: str | None, duplicate_of: str | None = None) -> None:
        self.dropped.append(
            {
                "table": "personas",
                "row_id": place,
                "stage": STAGE,
                "reason": reason,
                "evidence": evidence,
                "duplicate_of": duplicate_of,
            }
        )


def _persona(row: Row, path: str, max_chars: int) -> str:
    found = value_of(row, path)
    if not isinstance(found, str | None):
        raise wrong_type(found, path)
    return usable(found, "persona", max_chars).strip()
