"""What each round comes to in each format and split: taken over from the version before where nothing of it changed."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from schemas.refs import Part, ReleaseManifest, ReleasePart, Stage, Tables
from tasks import plugins
from tasks.alive import alive
from tasks.export import published
from tasks.export.dialogues import without_tools
from tasks.export.published import Files
from tasks.export.repeats import READ, repeated
from tasks.export.selection import Exporter, Selection
from tasks.export.split import Splitting, part_of
from tasks.export.tokens import Tokenizer, with_tokens
from tasks.lake import Lake
from tasks.parts import intact, sound_parts, write_part

VERSION: Final = "3"
PACKAGE: Final = "tasks.export.exporters"
_MADE_OF: Final = (
    "problems",
    "traces",
    "standings",
    "pairs",
    "references",
    "verdicts",
    "dropped",
    "judgement_pairs",
    "rewrites",
    "mixture",
)
_STEPS: Final = ["trace_id", "verifier", "verifier_version", "first_wrong_step", "step_scores"]


class Piece(NamedTuple):
    """One round in one format and split: its rows, or the files in which an earlier version has them."""

    key: str
    content: pa.Table | Files

    @property
    def row_count(self) -> int:
        """How many rows these are."""
        content = self.content
        return sum(part.rows for part in content.parts) if isinstance(content, Files) else content.num_rows


class Format(NamedTuple):
    """All rounds in one format and split."""

    name: str
    split: str
    exporter: Exporter
    pieces: tuple[Piece, ...]

    @property
    def path(self) -> str:
        """`<format>/<split>`: its name in the manifest, and its folder below the version's."""
        return f"{self.name}/{self.split}"

    @property
    def row_count(self) -> int:
        """How many rows these are."""
        return sum(piece.row_count for piece in self.pieces)


class Making(NamedTuple):
    """What decides how rounds become formats."""

    formats: Mapping[str, dict[str, Any]]
    """Settings by exporter name."""
    splitting: Splitting
    tokenizer: Tokenizer | None


def formats(lake: Lake, rounds: Sequence[Tables], making: Making, before: ReleaseManifest | None) -> tuple[Format, ...]:
    """What a release is to hold; `before` is the newest version of it."""
    selected = [_Selected(lake, one, making.splitting) for one in rounds]
    found = []
    for name, config in plugins.configure(PACKAGE, making.formats).items():
        exporter: Exporter = plugins.load(PACKAGE, name).build(config)
        if making.tokenizer:
            exporter = with_tokens(exporter, making.tokenizer)
        for split in making.splitting.splits:
            settings = config.model_dump(mode="json")
            settings = {"exporter": settings, "split": split, **decided_by(making.splitting, making.tokenizer)}
            stage = Stage(name=f"export {name}", version=VERSION, config=settings, tables=())
            old = published.files(lake.storage, before, f"{name}/{split}") if before else None
            pieces = tuple(_piece(exporter, stage, one, old) for one in selected)
            found.append(Format(name, split, exporter, pieces))
    return tuple(found)


def decided_by(splitting: Splitting, tokenizer: Tokenizer | None) -> dict[str, Any]:
    """What of the split and the tokenizer decides the content of a release."""
    fields = set(Splitting.model_fields)
    return {
        "splitting": splitting.model_dump(mode="json", include=fields) if splitting.validation else None,
        "tokenizer": tokenizer.identity if tokenizer else None,
    }


def put(lake: Lake, folder: str, one: Format, part_rows: int) -> Files:
    """Write a format's files, of up to so many rows each: at least one, which may have none."""
    lake.storage.sweep(folder)
    sound = sound_parts(lake.storage, folder)
    none = pa.Table.from_batches([], one.exporter.columns)
    pieces = [piece for piece in one.pieces if piece.row_count] or [Piece("", none)]
    made: list[ReleasePart] = []
    for piece in pieces:
        if isinstance(piece.content, Files):
            parts = _copied(piece.content, folder, len(made))
        else:
            tables = _slices(piece.content, part_rows)
            parts = (
                sound.get(index) or write_part(lake.storage, folder, index, table)
                for index, table in enumerate(tables, len(made))
            )
        made += [ReleasePart(**part.model_dump(exclude={"key"}), key=piece.key) for part in parts]
    return Files(lake.storage, folder, tuple(made))


def _copied(old: Files, folder: str, first: int) -> Iterator[Part]:
    for index, part in enumerate(old.parts, first):
        name = f"part-{index:05d}-{part.sha256[:16]}.parquet"
        old.storage.copy(f"{old.folder}/{part.name}", f"{folder}/{name}")
        yield part.model_copy(update={"name": name})


def _slices(rows: pa.Table, size: int) -> Iterator[pa.Table]:
    return (rows.slice(start, size) for start in range(0, max(rows.num_rows, 1), size))


def _piece(exporter: Exporter, stage: Stage, one: "_Selected", old: Files | None) -> Piece:
    key = stage.model_copy(update={"inputs": tuple(ref for table in _MADE_OF for ref in one.tables.get(table, ()))}).key
    same = old._replace(parts=tuple(part for part in old.parts if part.key == key)) if old else None
    if same and same.parts and intact(same.storage, same.folder, same.parts):
        return Piece(key, same)
    selection = one.selection(stage.config["split"])
    rows = exporter.rows(selection if exporter.tools else without_tools(selection))
    return Piece(key, repeated(rows, exporter.id_column, selection))


class _Selected:
    """A round, read when it is needed."""

    def __init__(self, lake: Lake, tables: Tables, splitting: Splitting) -> None:
        self.tables = tables
        self._lake = lake
        self._splitting = splitting
        self.selection = cache(self._selection)

    def _selection(self, split: str) -> Selection:
        return part_of(self._whole, split, self._splitting)

    @cached_property
    def _whole(self) -> Selection:
        lake, tables = self._lake, self.tables
        dropped = lake.rows(tables, "dropped")
        return Selection(
            problems=alive(lake.rows(tables, "problems"), "problems", dropped),
            traces=alive(lake.rows(tables, "traces"), "traces", dropped),
            standings=lake.rows(tables, "standings"),
            pairs=lake.rows(tables, "pairs"),
            references=lake.rows(tables, "references"),
            verdicts=_of_steps(lake.rows(tables, "verdicts", _STEPS)),
            judgements=lake.rows(tables, "judgements", ["judgement_id", "messages", "reply"]),
            judgement_pairs=lake.rows(tables, "judgement_pairs"),
            rewrites=lake.rows(tables, "rewrites"),
            mixture=taken_of(lake, tables),
        )


def taken_of(lake: Lake, tables: Tables) -> pa.Table:
    """Of a mixture the traces that it takes (READ of tasks/export/repeats.py)."""
    mixture = lake.rows(tables, "mixture", READ)
    return mixture.filter(pc.greater(mixture["repeats"], pa.scalar(0)))


def _of_steps(verdicts: pa.Table) -> pa.Table:
    told = pc.or_(pc.is_valid(verdicts["first_wrong_step"]), pc.is_valid(verdicts["step_scores"]))
    return verdicts.filter(told)
