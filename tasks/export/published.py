"""The releases that a lake holds: their versions, and the claims on versions being written."""

from collections.abc import Collection
from typing import NamedTuple

import pyarrow as pa
import pyarrow.dataset as ds
from pydantic import ValidationError

from schemas.base import ConfigBase
from schemas.errors import LakeError
from schemas.refs import ReleaseManifest, ReleasePart
from tasks.parts import intact
from tasks.storage import Storage


class Claim(ConfigBase):
    """Who may write a version: the run whose export has this key. `previous` is what its diff is against."""

    key: str
    previous: str | None


class Files(NamedTuple):
    """The Parquet files of one format and split of a version."""

    storage: Storage
    folder: str
    parts: tuple[ReleasePart, ...]

    def dataset(self, without: Collection[str] = ()) -> ds.Dataset:
        """Their rows, but for the files with one of these keys."""
        chosen = [part for part in self.parts if part.key not in without]
        found = self.storage.dataset({f"{self.folder}/{part.name}": part.bytes for part in chosen or self.parts[:1]})
        return found if chosen else ds.dataset(pa.Table.from_batches([], found.schema))


def files(storage: Storage, release: ReleaseManifest, path: str) -> Files | None:
    """The files of a `<format>/<split>`; None where the version has it not."""
    parts = release.formats.get(path)
    return Files(storage, f"{folder(release.name, release.version)}/{path}", parts) if parts else None


def folder(name: str, version: str) -> str:
    """Where a version lies below the lake's root."""
    return f"releases/{name}/{version}"


def names(storage: Storage) -> list[str]:
    """All releases by name."""
    return storage.names("releases")


def versions(storage: Storage, name: str) -> list[str]:
    """The finished versions of a release, oldest first."""
    return [version for version in _numbered(storage, name) if read(storage, name, version) is not None]


def read(storage: Storage, name: str, version: str) -> ReleaseManifest | None:
    """A version's manifest; None if it was never finished."""
    data = storage.read(f"{folder(name, version)}/manifest.json")
    try:
        return None if data is None else ReleaseManifest.model_validate_json(data)
    except ValidationError:
        return None


def newest(storage: Storage, name: str) -> ReleaseManifest | None:
    """The newest finished version of a release; None if it has none."""
    finished = versions(storage, name)
    return read(storage, name, finished[-1]) if finished else None


def find(storage: Storage, release: str) -> ReleaseManifest:
    """The release that `name` (its newest version) or `name/version` means.

    Raises:
        LakeError: there is none.
    """
    name, _, version = release.partition("/")
    finished = versions(storage, name)
    wanted = version or (finished[-1] if finished else "")
    found = read(storage, name, wanted) if wanted in finished else None
    if found is None:
        there = ", ".join([f"{name}/{one}" for one in finished] or names(storage)) or "none"
        raise LakeError(f"lake {storage.url}: no release {release}; there are: {there}")
    return found


def whole(storage: Storage, manifest: ReleaseManifest) -> bool:
    """Whether every file of a version is there and matches its digest."""
    place = folder(manifest.name, manifest.version)
    return all(
        intact(storage, f"{place}/{name}", parts) for name, parts in manifest.formats.items()
    ) and storage.digests([f"{place}/{name}" for name in manifest.files]) == list(manifest.files.values())


def claim(storage: Storage, name: str, key: str) -> tuple[str, Claim]:
    """The version that holds, or is to hold, the export with this key: an old one of its own, or the next free."""
    for version in _numbered(storage, name):
        held = _read_claim(storage, name, version)
        if held is not None and held.key == key:
            return version, held
    while True:
        taken = _numbered(storage, name)
        version = f"v{int(taken[-1][1:]) + 1 if taken else 1}"
        finished = versions(storage, name)
        mine = Claim(key=key, previous=finished[-1] if finished else None)
        if storage.create(f"{folder(name, version)}/claim.json", mine.model_dump_json().encode()):
            return version, mine
        held = _read_claim(storage, name, version)
        if held is not None and held.key == key:
            return version, held


def _read_claim(storage: Storage, name: str, version: str) -> Claim | None:
    data = storage.read(f"{folder(name, version)}/claim.json")
    return None if data is None else Claim.model_validate_json(data)


def _numbered(storage: Storage, name: str) -> list[str]:
    found = [version for version in storage.names(f"releases/{name}") if version[1:].isdecimal()]
    return sorted(found, key=lambda version: int(version[1:]))
