"""The lake: content-addressed tables of Parquet parts, each with a manifest that is written last.

`<lake>/<table>/<key>/part-<index>-<digest>.parquet` and `manifest.json`. A part's name carries the head of its
sha256, so a part found after a crash can be trusted or not without a manifest. A stage whose manifests are there
and whose parts' digests hold is not run again; a part that is missing or damaged is made again, alone.
"""

import hashlib
import io
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property, partial
from importlib.metadata import version
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pydantic import ValidationError

from schemas.conform import conform, updated
from schemas.errors import DamagedError, LakeError
from schemas.refs import Manifest, Part, Ref, Snapshot, Stage, Tables, joined
from schemas.tables import TABLES
from tasks import objects
from tasks.parts import intact, sound_part, sound_parts, write_part
from tasks.shards import Portable, crew
from tasks.storage import Storage

Make = Callable[[], Mapping[str, pa.Table]]
"""Makes one part of each of a stage's tables; one that is `Portable` may do so on another machine."""

STAGE_FILE: Final = "stage.json"
"""Beside the manifest, what made the table: once more, for a table that cannot be made without knowing it."""
_BATCH: Final = 16_384

_COUNTED: Final = {
    "completions": "kind",
    "traces": "model",
    "verdicts": "status",
    "judgements": "status",
    "ratings": "judge",
    "standings": "status",
    "dropped": "reason",
    "benchmarks": "benchmark",
    "contamination": "benchmark",
    "canaries": "variant",
    "pairs": "rule",
    "judgement_pairs": "rule",
}


@dataclass(frozen=True)
class Lake:
    """A lake at a folder or an fsspec URL. It holds no state but what it has read: many may use one lake at once."""

    url: str

    def __reduce__(self) -> tuple[type["Lake"], tuple[str]]:
        return Lake, (self.address,)

    @property
    def address(self) -> str:
        """Its URL, or a folder's full path: another process has another working folder."""
        return self.storage.full("").rstrip("/") if self.storage.local else self.url

    @cached_property
    def storage(self) -> Storage:
        """Its files."""
        return Storage(self.url)

    @cached_property
    def _manifests(self) -> dict[Ref, Manifest]:
        """Those read from an object store: what is finished is written again only where it was damaged."""
        return {}

    @cached_property
    def used(self) -> set[Ref]:
        """The tables that this object was asked to bring about: what a run needs to have nothing made again."""
        return set()

    def run(self, stage: Stage, parts: Callable[[], Iterable[Make]]) -> Tables:
        """Bring a stage's tables about and return where they are.

        Nothing runs if all of them are whole. Otherwise `parts()` is walked in order and just those parts are made
        that are not there or do not match their digest.

        Raises:
            LakeError: the lake cannot be written.
            SchemaError: a part breaks its table's contract.
        """
        if not self.done(stage):
            self._bring_about({table: _Target(ref, stage) for table, (ref,) in stage.outputs.items()}, parts)
        return stage.outputs

    def run_together(self, stages: Mapping[str, Stage], parts: Callable[[], Iterable[Make]]) -> Tables:
        """The same for stages of one table each whose parts are made together, by the names that they have here.

        Raises:
            LakeError: the lake cannot be written.
            SchemaError: a part breaks its table's contract.
        """
        targets = {name: _Target(ref, one) for name, one in stages.items() for (ref,) in one.outputs.values()}
        if targets:
            self._bring_about(targets, parts)
        return joined(*(one.outputs for one in stages.values()))

    def mapped(
        self, refs: Sequence[Ref], function: Callable[..., Mapping[str, pa.Table]], *arguments: object
    ) -> Iterator[Make]:
        """A `Make` for each part of these tables: `function(rows, *arguments)`.

        It may be called on another machine: `function` has to be a module's, and the arguments have to pickle; what is
        heavy is `Shared`.
        """
        for ref in refs:
            manifest = self.manifest(ref)
            for index, part in enumerate(manifest.parts if manifest else ()):
                yield Portable(partial(_of_part, self, ref, index, function, arguments), part.rows)

    def done(self, stage: Stage) -> bool:
        """Whether all tables of a stage are whole: it would not be run again."""
        self.used.update(ref for (ref,) in stage.outputs.values())
        return all(self.whole(ref) for (ref,) in stage.outputs.values())

    def finish(self, ref: Ref, stage: Stage, parts: Sequence[Part]) -> None:
        """Write the manifest: with it the table is complete."""
        schema = TABLES[ref.table]
        manifest = Manifest(
            table=ref.table,
            schema_version=(schema.metadata or {})[b"tracemill.version"].decode(),
            columns={field.name: str(field.type) for field in schema},
            rows=sum(part.rows for part in parts),
            counts=self._counts(ref, parts),
            parts=tuple(parts),
            stage=stage,
            tools=tool_versions(),
            created=datetime.now(UTC),
        )
        self.used.add(ref)
        self._manifests.pop(ref, None)
        self.storage.write(f"{ref.path}/{STAGE_FILE}", stage.model_dump_json().encode())
        self.storage.write(f"{ref.path}/manifest.json", manifest.model_dump_json(indent=2).encode())

    def manifest(self, ref: Ref) -> Manifest | None:
        """The manifest of a table; None if there is none that can be read."""
        if known := self._manifests.get(ref):
            return known
        found = manifest_of(self.storage.read(f"{ref.path}/manifest.json"))
        if found and not self.storage.local:
            self._manifests[ref] = found
        return found

    def stage_of(self, ref: Ref) -> Stage | None:
        """What made a table, though its manifest may be damaged; None if nothing says it."""
        if manifest := self.manifest(ref):
            return manifest.stage
        data = self.storage.read(f"{ref.path}/{STAGE_FILE}")
        try:
            return None if data is None else Stage.model_validate_json(data)
        except ValidationError:
            return None

    def part_count(self, ref: Ref) -> int:
        """How many parts a table has."""
        manifest = self.manifest(ref)
        return len(manifest.parts) if manifest else 0

    def places(self, refs: Sequence[Ref]) -> Iterator[tuple[Ref, int]]:
        """Each part of these tables, as `read_part` takes it."""
        return ((ref, index) for ref in refs for index in range(self.part_count(ref)))

    def row_count(self, refs: Sequence[Ref]) -> int:
        """How many rows a table has, in all these keys."""
        return sum(manifest.rows for ref in refs if (manifest := self.manifest(ref)))

    def whole(self, ref: Ref) -> bool:
        """Whether the manifest is there and every part matches its digest."""
        self.used.add(ref)
        self._manifests.pop(ref, None)
        manifest = self.manifest(ref)
        return manifest is not None and intact(self.storage, ref.path, manifest.parts)

    def dataset(self, table: str, refs: Sequence[Ref]) -> ds.Dataset:
        """Several keys of one table as one Arrow dataset, with the table's own schema.

        Raises:
            LakeError: one of them was never finished.
        """
        sizes: dict[str, int] = {}
        for ref in refs:
            manifest = self.manifest(ref)
            if manifest is None:
                raise LakeError(f"lake {self.url}: {ref.path} is not finished; run the recipe again")
            sizes |= _sizes(ref, manifest.parts)
        return self.storage.dataset(sizes, TABLES[table]) if sizes else ds.dataset(TABLES[table].empty_table())

    def read(self, *refs: Ref, columns: list[str] | None = None) -> pa.Table:
        """Read the parts of one table (of one or several keys) in order, all columns or some.

        Raises:
            DamagedError: a part is missing or cannot be read as Parquet.
        """
        with self._sound(*refs):
            return self.dataset(refs[0].table, refs).to_table(columns=columns)

    def parts(self, tables: Tables, name: str, column: str) -> Callable[[], Iterator["pa.Array[Any]"]]:
        """One column of one of a run's tables, to be read anew at each call, some thousand rows at a time.

        Raises:
            DamagedError: when read, if a part is missing or cannot be read as Parquet.
        """
        return lambda: (batch.column(0) for batch in self.batches(tables, name, [column]))

    def batches(self, tables: Tables, name: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Some columns of one of a run's tables, in order, some thousand rows at a time.

        Raises:
            DamagedError: a part is missing or cannot be read as Parquet.
        """
        refs = tables.get(name, ())
        with self._sound(*refs):
            some = self.dataset(name, refs)
            # Whoever asks for these has no memory for many.
            yield from some.to_batches(columns, batch_size=_BATCH, batch_readahead=1, fragment_readahead=1)

    def rows(self, tables: Tables, name: str, columns: list[str] | None = None) -> pa.Table:
        """One of a run's tables, all columns or some; empty where no stage wrote it."""
        refs = tables.get(name, ())
        return (
            self.read(*refs, columns=columns)
            if refs
            else TABLES[name].empty_table().select(columns or TABLES[name].names)
        )

    def chosen(
        self, tables: Tables, name: str, by: str, ids: Iterable[str], columns: list[str] | None = None
    ) -> pa.Table:
        """The rows of one of a run's tables whose column `by` is one of `ids`, in order; no more is held in memory.

        Raises:
            DamagedError: a part is missing or cannot be read as Parquet.
        """
        refs = tables.get(name, ())
        wanted = ds.field(by).isin(pa.array(list(ids), pa.string()))
        with self._sound(*refs):
            some = self.dataset(name, refs)
            return some.to_table(columns, wanted, batch_size=_BATCH, batch_readahead=1, fragment_readahead=1)

    def read_part(self, ref: Ref, index: int) -> pa.Table:
        """Read one part of a table."""
        manifest = self.manifest(ref)
        if manifest is None:
            raise LakeError(f"lake {self.url}: {ref.path} is not finished; run the recipe again")
        data = self.storage.read(f"{ref.path}/{manifest.parts[index].name}")
        if data is None or hashlib.sha256(data).hexdigest() != manifest.parts[index].sha256:
            raise DamagedError(f"lake {self.url}: {ref.path}/{manifest.parts[index].name} is missing or damaged")
        schema = TABLES[ref.table]
        return conform(updated(pq.read_table(io.BytesIO(data)), schema), schema, at=ref.path)

    def record(self, snapshot: Snapshot) -> None:
        """Note a finished run, and what it used. A run with the same outcome replaces its earlier note."""
        identity = snapshot.model_dump_json(exclude={"created", "uses"})
        name = hashlib.sha256(identity.encode()).hexdigest()[:20]
        told = {ref for refs in snapshot.tables.values() for ref in refs}
        uses = sorted(self.used - told, key=lambda ref: ref.path)
        snapshot = snapshot.model_copy(update={"uses": tuple(uses)})
        self.storage.sweep("snapshots")
        self.storage.write(f"snapshots/{name}.json", snapshot.model_dump_json(indent=2).encode())

    def snapshots(self) -> list[Snapshot]:
        """Every finished run, oldest first."""
        read = self.storage.read_all([f"snapshots/{name}" for name in self.storage.names("snapshots")])
        return sorted(
            (Snapshot.model_validate_json(data) for data in read if data is not None), key=lambda one: one.created
        )

    def last(self, recipe: str) -> Snapshot | None:
        """The newest finished run of a recipe, by its name."""
        return next((one for one in reversed(self.snapshots()) if one.recipe == recipe), None)

    def newest(self) -> Tables:
        """The newest version of each table, by name."""
        tables: Tables = {}
        for snapshot in self.snapshots():
            tables |= snapshot.tables
        return tables

    def _bring_about(self, targets: "Mapping[str, _Target]", parts: Callable[[], Iterable[Make]]) -> None:
        """Make the parts that are not there, wherever the crew does it; the manifests come last."""
        found: dict[str, dict[int, Part]] = {}
        for name, (ref, _) in targets.items():
            self.storage.sweep(ref.path)
            found[name] = sound_parts(self.storage, ref.path)
        total = 0

        def missing() -> Iterator[Callable[[], _Made]]:
            nonlocal total
            for total, make in enumerate(parts(), start=1):
                lacking = {name: one for name, one in targets.items() if total - 1 not in found[name]}
                if lacking:
                    work = partial(_made, self, lacking, total - 1, make)
                    yield Portable(work, make.rows) if isinstance(make, Portable) else work

        for index, made in crew().each(next(iter(targets.values())).stage.name, missing()):
            for name, part in made.items():
                found[name][index] = part
        for name, (ref, stage) in targets.items():
            self.storage.sweep(ref.path)
            self.finish(ref, stage, [found[name][index] for index in range(total)])

    @contextmanager
    def _sound(self, *refs: Ref) -> Iterator[None]:
        try:
            yield
        except objects.errors(pa.ArrowInvalid) as exc:
            names = ", ".join(ref.path for ref in refs)
            if told := objects.advice(exc):
                raise LakeError(f"reading {self.url}/{names}: {told}") from exc
            raise DamagedError(
                f"lake {self.url}: a part of {names} is missing or damaged; run the recipe again to remake it: {exc}"
            ) from exc

    def _counts(self, ref: Ref, parts: Sequence[Part]) -> dict[str, int]:
        column = _COUNTED.get(ref.table)
        if column is None or not parts:
            return {}
        with self._sound(ref):
            rows = self.storage.dataset(_sizes(ref, parts), TABLES[ref.table]).to_table(columns=[column])
        counted = rows.group_by(column).aggregate([([], "count_all")])
        return dict(sorted((str(row[column]), int(row["count_all"])) for row in counted.to_pylist()))


def manifest_of(data: bytes | None) -> Manifest | None:
    """A table's manifest; None if there is none, or one that cannot be read."""
    try:
        return None if data is None else Manifest.model_validate_json(data)
    except ValidationError:
        return None


def _sizes(ref: Ref, parts: Iterable[Part]) -> dict[str, int]:
    return {f"{ref.path}/{part.name}": part.bytes for part in parts}


class _Target(NamedTuple):
    """A table that is to be written, and what it is."""

    ref: Ref
    stage: Stage


_Made = tuple[int, dict[str, Part]]


def _made(lake: Lake, targets: Mapping[str, _Target], index: int, make: Make) -> _Made:
    """Make and write one part of each of these tables; one that has come meanwhile is not made again."""
    found = {name: sound_part(lake.storage, ref.path, index) for name, (ref, _) in targets.items()}
    tables = {} if all(found.values()) else make()
    return index, {
        name: found[name]
        or write_part(lake.storage, ref.path, index, conform(tables[name], TABLES[ref.table], at=stage.name))
        for name, (ref, stage) in targets.items()
    }


def _of_part(
    lake: Lake, ref: Ref, index: int, function: Callable[..., Mapping[str, pa.Table]], arguments: tuple[object, ...]
) -> Mapping[str, pa.Table]:
    return function(lake.read_part(ref, index), *arguments)


@cache
def tool_versions() -> dict[str, str]:
    """The versions that a result may depend on, by tool."""
    packages = ("tracemill", "pyarrow", "numpy", "numba", "math-verify", "datasets", "prefect")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}
