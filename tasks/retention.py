"""What a lake may lose: all that no kept release and no kept run needs, and that is older than a while.

Releases keep the tables that they were made of, runs those that a next one asks for again, and tables keep those that
they were made from. Reviews are people's work, and what this file does not know stays as well.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from pydantic import Field

from schemas.base import ConfigBase
from schemas.errors import RecipeError
from schemas.refs import Ref, ReleaseManifest, Snapshot
from schemas.tables import TABLES
from tasks.lake import STAGE_FILE, Lake, manifest_of
from tasks.running import alone
from tasks.storage import TEMPORARY, Found, Storage

NOTES: Final = "snapshots"
PLANS: Final = "plans"
RELEASES: Final = "releases"
MANIFEST: Final = "manifest.json"
YOUNG: Final = "younger than --older-than"
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Keeping(ConfigBase):
    """What stays whatever else goes."""

    releases: int | None = Field(default=None, ge=1, description="the newest so many of each name; null: all")
    runs: int = Field(default=1, ge=1, description="the newest so many of each recipe")
    older_than: timedelta = Field(default=timedelta(hours=24), ge=timedelta(0))


class Made(NamedTuple):
    """Of a table's manifest: what the table was made from, and its parts' names."""

    inputs: tuple[Ref, ...]
    parts: frozenset[str]


class Held(NamedTuple):
    """What a lake holds."""

    files: tuple[Found, ...]
    tables: Mapping[Ref, Made]
    """The finished ones."""
    runs: Mapping[str, Snapshot]
    """By the path of the note."""
    releases: Mapping[str, ReleaseManifest]
    """The finished ones, by folder."""


class Item(NamedTuple):
    """A table, a release, a note or single files that go, or a table or release that stays, and why."""

    what: str
    path: str
    why: str
    files: tuple[Found, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(file.size for file in self.files)


class Plan(NamedTuple):
    """What goes, and what stays."""

    goes: tuple[Item, ...]
    stays: tuple[Item, ...]


def duration(text: str) -> timedelta:
    """A time such as `90s`, `30m`, `24h`, `7d`, `2w`.

    Raises:
        RecipeError: it is none.
    """
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip())
    if not found:
        raise RecipeError(f"--older-than {text}: is no time; give one like 90s, 30m, 24h, 7d or 2w")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def held(lake: Lake) -> Held:
    """Look through a lake.

    Raises:
        LakeError: it cannot be read.
    """
    files = tuple(lake.storage.files())
    folders = {_folder(file.path): file for file in files if file.path.endswith(f"/{MANIFEST}")}
    tables = {_ref(path): made for path, made in _tables(lake.storage, [path for path in folders if _is_table(path)])}
    notes = [file.path for file in files if file.path.startswith(f"{NOTES}/") and file.path.endswith(".json")]
    runs = zip(notes, lake.storage.read_all(notes), strict=True)
    released = [path for path in folders if path.startswith(f"{RELEASES}/") and path.count("/") == 2]
    releases = zip(released, lake.storage.read_all([f"{path}/{MANIFEST}" for path in released]), strict=True)
    return Held(
        files,
        tables,
        {path: Snapshot.model_validate_json(data) for path, data in runs if data},
        {path: ReleaseManifest.model_validate_json(data) for path, data in releases if data},
    )


def plan(lake: Held, keeping: Keeping, now: datetime) -> Plan:
    """What may go at a time, and what stays for which reason."""
    cutoff = now - keeping.older_than
    groups: dict[str, list[Found]] = {}
    for file in lake.files:
        groups.setdefault(_folder(file.path), []).append(file)
    young = {path for path, files in groups.items() if max(file.modified for file in files) > cutoff}
    runs, releases = _runs(lake.runs, keeping.runs, cutoff), _releases(lake.releases, keeping.releases)
    whys: dict[str, str] = {ref.path: why for ref, why in _needed(lake, runs, releases, young).items()}
    whys |= dict.fromkeys((path for path in young if path.startswith(f"{RELEASES}/")), YOUNG) | releases
    goes: list[Item] = []
    stays: list[Item] = []
    for path, files in groups.items():
        one = Item(_what(path), path, whys.get(path, ""), tuple(files))
        if "/" not in path:
            goes.append(one._replace(why="over", files=tuple(f for f in files if _passes(f, lake, runs, cutoff))))
        elif one.why:
            left = tuple(file for file in files if _is_left(file, lake, cutoff))
            stays.append(one._replace(files=tuple(file for file in files if file not in left)))
            goes.append(one._replace(why="left over in what stays", files=left))
        else:
            goes.append(one._replace(why="needed no more" if _finished(path, lake) else "never finished"))
    return Plan(tuple(one for one in goes if one.files), tuple(stays))


def clear(lake: Lake, keeping: Keeping, now: datetime) -> Plan:
    """Remove what may go; what that was.

    A crash in the middle does no harm: notes of runs go before what they name, and manifests before parts, so that a
    half removed table is none.

    Raises:
        LakeError: a run is under way, or the lake cannot be read or written.
    """
    with alone(lake.storage):
        planned = plan(held(lake), keeping, now)
        files = [file for one in planned.goes for file in one.files]
        newest_first = sorted(files, key=lambda file: file.modified, reverse=True)
        for turn in range(3):
            lake.storage.remove_all([file.path for file in newest_first if _turn(file.path) == turn])
    return planned


def _turn(path: str) -> int:
    return 0 if path.startswith(f"{NOTES}/") else 1 if path.endswith(f"/{MANIFEST}") else 2


def _tables(storage: Storage, paths: list[str]) -> Iterator[tuple[str, Made]]:
    for path, data in zip(paths, storage.read_all([f"{path}/{MANIFEST}" for path in paths]), strict=True):
        if made := manifest_of(data):
            yield path, Made(made.stage.inputs, frozenset(part.name for part in made.parts))


def _runs(runs: Mapping[str, Snapshot], keep: int, cutoff: datetime) -> dict[str, str]:
    """The notes of each recipe's newest runs, of its newest that came to numbers, and young ones; why each stays."""
    kept = {path: YOUNG for path, one in runs.items() if one.created > cutoff}
    newest_first = sorted(runs.items(), key=lambda one: one[1].created, reverse=True)
    for recipe in {one.recipe for one in runs.values()}:
        own = [(path, one) for path, one in newest_first if one.recipe == recipe]
        for some in (own, [(path, one) for path, one in own if one.summary]):
            different: list[object] = []
            for path, one in some:
                if one.tables not in different:
                    different.append(one.tables)
                if len(different) <= keep:
                    kept[path] = f"newest runs of {recipe}"
    return kept


def _releases(releases: Mapping[str, ReleaseManifest], keep: int | None) -> dict[str, str]:
    """The folders of the newest releases of each name; why each is kept."""
    names: dict[str, list[str]] = {}
    for path in releases:
        names.setdefault(path.split("/")[1], []).append(path)
    number = {path: int("".join(filter(str.isdecimal, path.rsplit("/", 1)[-1])) or 0) for path in releases}
    ranked = {name: sorted(paths, key=number.__getitem__, reverse=True) for name, paths in names.items()}
    return {path: f"release {name}" for name, paths in ranked.items() for path in paths[:keep]}


def _needed(lake: Held, runs: Mapping[str, str], releases: Mapping[str, str], young: Iterable[str]) -> dict[Ref, str]:
    """Each table that stays, and why."""
    found: dict[Ref, str] = {}
    ground: list[tuple[str, Iterable[Ref]]] = [
        *((why, _all(lake.releases[path].tables)) for path, why in releases.items()),
        *((why, (*_all(lake.runs[path].tables), *lake.runs[path].uses)) for path, why in runs.items()),
        (YOUNG, [_ref(path) for path in young if _is_table(path)]),
    ]
    for why, refs in ground:
        following = list(refs)
        while following:
            ref = following.pop()
            if ref not in found:
                found[ref] = why
                following += lake.tables[ref].inputs if ref in lake.tables else ()
    return found


def _all(tables: Mapping[str, tuple[Ref, ...]]) -> Iterator[Ref]:
    return (ref for refs in tables.values() for ref in refs)


def _finished(path: str, lake: Held) -> bool:
    return _ref(path) in lake.tables if _is_table(path) else path in lake.releases


def _passes(file: Found, lake: Held, runs: Mapping[str, str], cutoff: datetime) -> bool:
    """Whether a file goes that is of no table and no release."""
    if file.path in lake.runs:
        return file.path not in runs
    return file.modified <= cutoff and (file.path.startswith(f"{PLANS}/") or _is_temporary(file.path))


def _is_left(file: Found, lake: Held, cutoff: datetime) -> bool:
    """Whether a file of a table or release that stays is none of its own: a journal's, or a temporary one."""
    folder, name = file.path.rsplit("/", 1)
    made = lake.tables.get(_ref(folder)) if _is_table(folder) else None
    strange = made is not None and name not in {MANIFEST, STAGE_FILE, *made.parts}
    return file.modified <= cutoff and (strange or _is_temporary(file.path))


def _is_temporary(path: str) -> bool:
    return path.rsplit("/", 1)[-1].startswith(TEMPORARY)


def _folder(path: str) -> str:
    """The folder that goes or stays as one: a table's, a release's; of other files the topmost."""
    top, *rest = path.split("/")
    depth = 2 if top == RELEASES else 1 if top in TABLES else 0
    return "/".join([top, *rest[:depth]]) if len(rest) > depth else top


def _is_table(path: str) -> bool:
    return path.count("/") == 1 and path.partition("/")[0] in TABLES


def _ref(path: str) -> Ref:
    table, key = path.split("/")
    return Ref(table=table, key=key)


def _what(path: str) -> str:
    return {NOTES: "notes of runs", PLANS: "plans"}.get(path, path.partition("/")[0])
