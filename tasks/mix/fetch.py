"""Releases of another lake: their tables are copied into this one, manifests, digests and all."""

import hashlib

from schemas.errors import DamagedError, LakeError
from schemas.refs import Ref
from tasks.lake import STAGE_FILE, Lake
from tasks.mix.offers import Release


def fetch(lake: Lake, other: Lake, release: Release) -> None:
    """Have the tables of a release of `other` in `lake`, under their own keys; those that are there are not copied.

    Raises:
        LakeError: a table of the same key is here with other content.
        DamagedError: a table is missing there, or a part of it does not match its digest.
    """
    for ref in release.refs:
        _copy(lake, other, ref, release.name)


def check(lake: Lake, release: Release) -> None:
    """Look whether all tables of a release are whole.

    Raises:
        DamagedError: one is not.
    """
    for ref in release.refs:
        if not lake.whole(ref):
            raise DamagedError(
                f"lake {lake.url}: {ref.path}, of which release {release.name} is made, is missing or damaged; run the "
                "recipe of that release again, or mix another version of it"
            )


def _copy(lake: Lake, other: Lake, ref: Ref, release: str) -> None:
    theirs, ours = other.manifest(ref), lake.manifest(ref)
    if theirs is None:
        raise DamagedError(f"lake {other.url}: {ref.path}, of which release {release} is made, is not there; mend it")
    if ours is not None and lake.whole(ref):
        if [part.sha256 for part in ours.parts] == [part.sha256 for part in theirs.parts]:
            return
        raise LakeError(
            f"lake {lake.url}: {ref.path} is here with other content than in {other.url}, where release {release} is "
            "made of it; mix them in a lake of their own"
        )
    for part in theirs.parts:
        data = other.storage.read(f"{ref.path}/{part.name}")
        if data is None or hashlib.sha256(data).hexdigest() != part.sha256:
            raise DamagedError(f"lake {other.url}: {ref.path}/{part.name}, of release {release}, is missing or damaged")
        lake.storage.write(f"{ref.path}/{part.name}", data)
    lake.storage.write(f"{ref.path}/{STAGE_FILE}", theirs.stage.model_dump_json().encode())
    lake.storage.write(f"{ref.path}/manifest.json", theirs.model_dump_json(indent=2).encode())
