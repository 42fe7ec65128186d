"""Publishing a release: `releases/<name>/<version>/<format>/<split>/*.parquet`, card, lineage and diff; manifest last.

A version is claimed before it is written, by the key of everything it is made of: running again goes on with the
same version, and two runs at once never write into each other's.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

import pyarrow as pa
from pydantic import Field, model_validator

from schemas.errors import EmptyError
from schemas.refs import Manifest, Ref, ReleaseManifest, Stage, Tables
from schemas.summary import Summary
from tasks import plugins
from tasks.export import published
from tasks.export.beside import beside, lengths
from tasks.export.card import CardFacts, card
from tasks.export.diff import between
from tasks.export.pieces import PACKAGE, VERSION, Format, Making, decided_by, formats, put, taken_of
from tasks.export.published import Files
from tasks.export.repeats import by_release
from tasks.export.split import Splitting
from tasks.export.tokens import Tokenizer
from tasks.lake import Lake, tool_versions
from tasks.parts import parquet_bytes
from tasks.pictures import pictures
from tasks.places import portable
from tasks.rounds import rounds_of


class ExportConfig(Splitting):
    """What is published."""

    release: str | None = Field(default=None, pattern=r"^[\w.-]+$", description="its name; the recipe's unless set")
    license: str = Field(default="unknown", description="the licence that the card states")
    formats: dict[str, dict[str, Any]] = Field(
        default={"sft": {}, "dpo": {}}, min_length=1, description="settings by exporter name"
    )
    part_rows: int = Field(default=100_000, gt=0, description="rows a Parquet file")
    tokenizer: str | None = Field(
        default=None,
        description="counts tokens, in columns `<column>_tokens`: one of the recipe's models, a folder or a hub id",
    )

    @model_validator(mode="after")
    def _known(self) -> Self:
        plugins.configure(PACKAGE, self.formats)
        return self


class Plan(NamedTuple):
    """What a release is made of."""

    name: str
    description: str
    config: ExportConfig
    tables: Tables
    summary: Summary
    licenses: Mapping[str, str]
    """By the name of each source that the recipe reads."""
    tokenizer: Tokenizer | None = None

    @property
    def key(self) -> str:
        """Names the release's content."""
        inputs = tuple(ref for table in sorted(self.tables) for ref in self.tables[table])
        said = {"name": self.name, "description": self.description, "licenses": dict(self.licenses)}
        config = self.config.model_dump(mode="json", exclude={"tokenizer", *Splitting.model_fields})
        config |= said | decided_by(self.config, self.tokenizer)
        return Stage(name="export", version=VERSION, config=config, inputs=inputs, tables=()).key


def publish(lake: Lake, plan: Plan) -> ReleaseManifest:
    """Publish a plan as the next version of its release, or return the version that holds it already.

    Raises:
        EmptyError: no format has a row.
        RecipeError: the tokenizer cannot be loaded.
        LakeError: the lake cannot be written.
    """
    finished = [published.read(lake.storage, plan.name, one) for one in published.versions(lake.storage, plan.name)]
    for release in finished:
        if release is not None and release.key == plan.key and published.whole(lake.storage, release):
            return release
    making = Making(plan.config.formats, plan.config, plan.tokenizer)
    made = formats(lake, rounds_of(lake, plan.tables), making, finished[-1] if finished else None)
    if not any(one.row_count for one in made):
        raise EmptyError(
            f"release {plan.name}: nothing is left to publish ({_why(plan.summary)}); see `tracemill stats`"
        )
    return _write(lake, plan, made)


def _why(summary: Summary) -> str:
    lost = [
        f"{step.before - step.after:,} {step.table} by {step.stage}"
        for step in summary.funnel
        if step.before > step.after
    ]
    unpaired = [f"{reason}: {count:,}" for reason, count in (summary.no_pairs | summary.refused_pairs).items()]
    told = {"dropped": lost, "no pairs": unpaired}
    return (
        "; ".join(f"{what}: {', '.join(those)}" for what, those in told.items() if those)
        or "no row fits the formats; traces that used tools fit sft_tools, dpo_tools and llamafactory_tools"
    )


def lineage(lake: Lake, tables: Mapping[str, tuple[Ref, ...]]) -> tuple[Manifest, ...]:
    """The manifests of these tables and of all that they were made from, inputs first."""
    found: dict[str, Manifest] = {}

    def visit(ref: Ref) -> None:
        manifest = None if ref.path in found else lake.manifest(ref)
        if manifest is not None:
            for before in manifest.stage.inputs:
                visit(before)
            found[ref.path] = manifest

    for name in sorted(tables):
        for ref in tables[name]:
            visit(ref)
    return tuple(found.values())


def _write(lake: Lake, plan: Plan, made: Sequence[Format]) -> ReleaseManifest:
    version, claim = published.claim(lake.storage, plan.name, plan.key)
    folder = published.folder(plan.name, version)
    lake.storage.sweep(folder)
    files = {one.path: put(lake, f"{folder}/{one.path}", one, plan.config.part_rows) for one in made}
    digests = beside(lake.storage, folder, made, files)
    diff = _diff(lake, plan, made, files, claim.previous)
    counted = {
        "exported": {one.path: one.row_count for one in made},
        "tokens_by_column": lengths(made, files),
        "toolless": tuple(sorted({one.name for one in made if not one.exporter.tools})),
    }
    summary = plan.summary.model_copy(update=counted | _from_releases(lake, plan, files))
    stages = lineage(lake, plan.tables)
    facts = CardFacts(
        name=plan.name,
        version=version,
        description=plan.description,
        license=plan.config.license,
        licenses=plan.licenses,
        summary=summary,
        stages=stages,
        changes=_changes(diff),
        previous=claim.previous,
    )
    others = {
        "README.md": card(facts).encode(),
        **pictures(summary),
        "lineage.json": _lineage_json(plan, stages),
        "diff.parquet": parquet_bytes(diff),
    }
    for name, data in others.items():
        lake.storage.write(f"{folder}/{name}", data)
    manifest = ReleaseManifest(
        name=plan.name,
        version=version,
        key=plan.key,
        previous=claim.previous,
        formats={path: one.parts for path, one in files.items()},
        files=digests | {name: hashlib.sha256(data).hexdigest() for name, data in others.items()},
        tables=plan.tables,
        changes=facts.changes,
        summary=summary,
        tools=tool_versions(),
        created=datetime.now(UTC),
        license=plan.config.license,
        licenses=dict(plan.licenses),
    )
    lake.storage.write(f"{folder}/manifest.json", manifest.model_dump_json(indent=2).encode())
    return manifest


def _from_releases(lake: Lake, plan: Plan, files: Mapping[str, Files]) -> dict[str, Any]:
    """Of a mixture how many exported rows come from each release."""
    if plan.summary.mixture is None:
        return {}
    exported = by_release(files, taken_of(lake, plan.tables))
    return {"mixture": plan.summary.mixture.model_copy(update={"exported": exported})}


def _diff(lake: Lake, plan: Plan, made: Sequence[Format], files: Mapping[str, Files], previous: str | None) -> pa.Table:
    """What every format and split has that the version before had not, and the other way round."""
    before = published.read(lake.storage, plan.name, previous) if previous else None
    dropped = lake.rows(plan.tables, "dropped")
    diffs = []
    for one in made:
        old = published.files(lake.storage, before, one.path) if before else None
        diffs.append(between(one.path, one.exporter.id_column, files[one.path], old, dropped))
    return pa.concat_tables(diffs)


def _changes(diff: pa.Table) -> dict[str, int]:
    counted = diff.group_by(["format", "change"]).aggregate([([], "count_all")]).to_pylist()
    return dict(sorted((f"{one['format']} {one['change']}", int(one["count_all"])) for one in counted))


def _lineage_json(plan: Plan, stages: tuple[Manifest, ...]) -> bytes:
    """Deterministic, and portable: what differs from run to run (times, digests of verdicts) is left out."""
    made = [
        {"table": one.table, "key": one.stage.key, "rows": one.rows, "counts": one.counts, "tools": one.tools}
        | one.stage.model_dump(mode="json")
        for one in stages
    ]
    return json.dumps({"release": plan.name, "key": plan.key, "stages": portable(made)}, indent=2).encode()
