"""Names for what lies in the lake: stages, references, manifests, snapshots."""

import hashlib
import json
from datetime import datetime
from typing import Any

from pydantic import Field

from schemas.base import ConfigBase


class Ref(ConfigBase):
    """One table as one stage wrote it: `<lake>/<table>/<key>/`."""

    table: str
    key: str

    @property
    def path(self) -> str:
        """Folder below the lake's root."""
        return f"{self.table}/{self.key}"


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

    def output(self, table: str) -> Ref:
        """Where this stage writes `table`."""
        return Ref(table=table, key=self.key)


class Part(ConfigBase):
    """One Parquet file of a table; its name carries its index and the head of its digest."""

    name: str
    rows: int
    bytes: int
    sha256: str


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
    tables: dict[str, tuple[Ref, ...]]
    created: datetime
    release: str | None = None
