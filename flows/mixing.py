"""The releases that a mixture is made of: found, checked, and fetched where they lie in another lake."""

from collections.abc import Sequence

import yaml

from flows.mix_config import MixConfig
from schemas.errors import LakeError, RecipeError
from schemas.refs import ReleaseManifest
from tasks.export.published import find, folder
from tasks.lake import Lake
from tasks.mix.config import EntryConfig
from tasks.mix.fetch import check, fetch
from tasks.mix.offers import Release
from tasks.terms import NOT_STATED, UNKNOWN


def releases(store: Lake, config: MixConfig) -> tuple[list[Release], dict[str, dict[str, str]]]:
    """The recipe's releases, all in this lake, and the licences that each has to keep.

    Raises:
        RecipeError: a release or version is not there, is there twice, or is the mixture itself.
        DamagedError: one of the tables that a release is made of is missing or damaged.
        LakeError: a lake cannot be read, or a table is here with other content.
    """
    found = [_find(store, config, at, one) for at, one in enumerate(config.mix.releases)]
    names = _names(found, config.mix.releases)
    made: list[Release] = []
    for name, (lake, manifest) in zip(names, found, strict=True):
        made.append(Release(name, manifest.key, manifest.tables))
        if lake.address == store.address:
            check(store, made[-1])
        else:
            fetch(store, lake, made[-1])
    return made, {name: _licenses(name, *one) for name, one in zip(names, found, strict=True)}


def _find(store: Lake, config: MixConfig, at: int, entry: EntryConfig) -> tuple[Lake, ReleaseManifest]:
    lake = Lake(entry.lake) if entry.lake else store
    if entry.release == (config.export.release or config.name) and lake.address == store.address:
        raise RecipeError(
            f"mix.releases[{at}].release: {entry.release} is what this recipe publishes; give the mixture another name"
        )
    try:
        return lake, find(lake.storage, "/".join(filter(None, (entry.release, entry.version))))
    except LakeError as exc:
        raise RecipeError(f"mix.releases[{at}].release: {exc}") from exc


def _names(found: Sequence[tuple[Lake, ReleaseManifest]], entries: Sequence[EntryConfig]) -> list[str]:
    """Each release as `name/version`; one whose name another lake's has too, with its lake."""
    names: list[str] = []
    for at, ((_, manifest), entry) in enumerate(zip(found, entries, strict=True)):
        name = f"{manifest.name}/{manifest.version}"
        if name in names and entry.lake:
            name = f"{name} of {entry.lake.rstrip('/').rsplit('/', 1)[-1]}"
        if name in names:
            raise RecipeError(f"mix.releases[{at}].release: {name} is there twice; give it one entry")
        names.append(name)
    return names


def _licenses(name: str, lake: Lake, manifest: ReleaseManifest) -> dict[str, str]:
    """A release's own licence under its name, and under `name: source` those of what it was made of."""
    own = manifest.license or _on_the_card(lake, manifest)
    sources = {f"{name}: {source}": said for source, said in manifest.licenses.items()}
    return {name: NOT_STATED if own == UNKNOWN else own} | sources


def _on_the_card(lake: Lake, manifest: ReleaseManifest) -> str:
    """The licence that the card states, for manifests that do not say it."""
    card = lake.storage.read(f"{folder(manifest.name, manifest.version)}/README.md") or b""
    head = card.decode().split("---")
    return str(yaml.safe_load(head[1]).get("license", UNKNOWN)) if len(head) > 2 else UNKNOWN
