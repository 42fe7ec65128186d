"""Which model this is, to the byte: a folder by its files, a hub id by its commit."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from schemas.errors import EngineError

_WHOLE: Final = 32 << 20
"""Bytes; a larger file is a weight file, of which samples are read."""
_SAMPLE: Final = 64 << 10
_SAMPLES: Final = 32
_HEADER: Final = 64 << 20
_NOT_THE_MODEL: Final = frozenset({".md", ".png", ".jpg", ".pdf", ".lock"})
_HUB_ID: Final = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


def folder_of(model: str) -> Path | None:
    """The folder that `model` names, None where it is a hub id.

    Raises:
        EngineError: it names a file, or a path where nothing is.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        if not any(path.glob("*.json")):
            raise EngineError(f"model: the folder {model} holds no model (no config.json, no tokenizer)")
        return path
    if path.exists():
        raise EngineError(f"model: {model} is a file; give the folder that holds config.json and the weights")
    if _HUB_ID.fullmatch(model) is None:
        raise EngineError(f"model: there is no folder {model}; give a folder or a hub id such as `owner/name`")
    return None


def revision_of(model: str, revision: str | None = None) -> str | None:
    """A digest of a local folder's files; of a hub id the commit that is cached, else `revision` as it was given.

    Of files over 32 MiB only size, safetensors header and samples are read, so that 100 GB cost well under a second.

    Raises:
        EngineError: there is no such folder, or it cannot be read.
    """
    folder = folder_of(model)
    if folder is None:
        return _cached_commit(model, revision) or revision
    try:
        return _digest(folder)
    except OSError as exc:
        raise EngineError(f"model: {model} cannot be read: {exc}") from exc


def _digest(folder: Path) -> str:
    files = [path for path in folder.rglob("*") if path.is_file() and _of_the_model(path.relative_to(folder))]
    digest = hashlib.sha256()
    for path in sorted(files):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder).as_posix()}\0{size}\0".encode())
        for block in _samples(path, size):
            digest.update(block)
    return digest.hexdigest()[:20]


def _of_the_model(path: Path) -> bool:
    return path.suffix not in _NOT_THE_MODEL and not any(part.startswith(".") for part in path.parts)


def _samples(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        if size <= _WHOLE:
            yield file.read()
            return
        if path.suffix == ".safetensors":
            yield file.read(min(int.from_bytes(file.read(8), "little"), _HEADER))
        for index in range(_SAMPLES):
            file.seek((size - _SAMPLE) * index // (_SAMPLES - 1))
            yield file.read(_SAMPLE)


def _cached_commit(model: str, revision: str | None) -> str | None:
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(model, "config.json", revision=revision)
    return Path(cached).parent.name if isinstance(cached, str) else None
