"""Names for what lies in the lake: stages, references, manifests, snapshots."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from schemas.base import ConfigBase
from schemas.summary import Summary


class Ref(ConfigBase):
    """One table as one stage wrote it: `<lake>/<table>/<key>/`."""

    table: str
    key: str

    @property
    def path(self) -> str:
        """Folder below the lake's root."""
        return f"{self.table}/{self.key}"


Tables = dict[str, tuple[Ref, ...]]
"""Where tables lie, by name; a table that several stages or rounds write has several keys."""


def joined(*several: Tables) -> Tables:
    """All refs of several stages, by table, in order, each once: stages may share one, such as a problem's vectors."""
    return {
        name: tuple(dict.fromkeys(ref for one in several for ref in one.get(name, ())))
        for one in several
        for name in one
    }


def added(rounds: Sequence[Tables], *more: Sequence[Tables]) -> list[Tables]:
    """Each round's tables with those that stages made of it."""
    return [joined(*tables) for tables in zip(rounds, *more, strict=True)]


class Stage(ConfigBase):
    """Everything that decides what a stage writes; its hash is the key of its tables."""

    name: str
    version: str
    """Version of the stage's code and of the tools whose verdict it is."""
    config: dict[str, Any]
    inputs: tuple[Ref, ...] = ()
    sources: dict[str, str] = Field(default_factory=dict)
    """Digests of what was read from outside the lake, by name."""
    tables: tuple[str, ...]

    @property
    def key(self) -> str:
        """hash(stage, code version, config, input keys): 20 hex digits."""
        identity = self.model_dump(mode="json", exclude={"tables"})
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:20]

    @property
    def outputs(self) -> Tables:
        """Where this stage writes its tables."""
        return {table: (Ref(table=table, key=self.key),) for table in self.tables}


class Part(ConfigBase):
    """One Parquet file of a table; its name carries its index and the head of its digest."""

    name: str
    rows: int
    bytes: int
    sha256: str


class ReleasePart(Part):
    """One Parquet file of a release; those with the same `key` are what one round comes to in a format and split."""

    key: str = ""


class Manifest(ConfigBase):
    """Written last, as `manifest.json`: the table is complete, and this is what it is made of."""

    table: str
    schema_version: str
    columns: dict[str, str]
    rows: int
    counts: dict[str, int]
    """Rows by the table's telling column: status, reason, rule, benchmark, model."""
    parts: tuple[Part, ...]
    stage: Stage
    tools: dict[str, str]
    created: datetime


class Snapshot(ConfigBase):
    """What one finished run consists of: the tables that `tracemill sql` and `stats` read."""

    recipe: str
    tables: Tables
    uses: tuple[Ref, ...] = ()
    """What else the run asked for: a next one with the same settings asks for it again."""
    created: datetime
    release: str | None = None
    summary: Summary | None = None


class ReleaseManifest(ConfigBase):
    """Written last, as `releases/<name>/<version>/manifest.json`: the release is complete."""

    name: str
    version: str
    key: str
    previous: str | None
    formats: dict[str, tuple[ReleasePart, ...]]
    """Parquet files by `<format>/<split>`, which is their folder."""
    files: dict[str, str]
    """The other files by their path below the version's folder, with their sha256."""
    tables: Tables
    changes: dict[str, int]
    """Rows of the diff against the version before, by format, split and change: `sft/train added`."""
    summary: Summary
    tools: dict[str, str]
    created: datetime
    license: str | None = None
    """As the card states it; None in manifests that do not say it."""
    licenses: dict[str, str] = Field(default_factory=dict)
    """Of the sources, by their names."""
