"""Whole files on any fsspec URL, written all or nothing.

A local file is written under a temporary name, synced and renamed; object stores and `memory://` replace whole
objects anyway. Errors of the storage become LakeErrors that name the path and say what to do.
"""

import errno
import hashlib
import os
import socket
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from schemas.errors import LakeError
from tasks.keys import plain

_TEMPORARY = ".tmp-"


class Storage:
    """A folder at an fsspec URL; every path is relative to it."""

    def __init__(self, url: str) -> None:
        self.url = plain(url)

    def __reduce__(self) -> tuple[type["Storage"], tuple[str]]:
        return Storage, (self.url,)

    @cached_property
    def _location(self) -> tuple[Any, str]:
        try:
            filesystem, root = fsspec.core.url_to_fs(self.url)
        except (ValueError, ImportError) as exc:
            raise LakeError(f"lake {self.url}: {exc}; give a folder or an fsspec URL") from exc
        return filesystem, root.rstrip("/")

    @property
    def filesystem(self) -> Any:
        """The fsspec file system."""
        return self._location[0]

    @property
    def local(self) -> bool:
        """Whether it is a folder of this machine."""
        return isinstance(self.filesystem, LocalFileSystem)

    def full(self, path: str) -> str:
        """The path as the file system names it."""
        return f"{self._location[1]}/{path}"

    def read(self, path: str) -> bytes | None:
        """The file's bytes; None if there is no such file."""
        with _explained(f"reading {self.url}/{path}"):
            try:
                return bytes(self.filesystem.cat_file(self.full(path)))
            except FileNotFoundError:
                return None

    def digest(self, path: str) -> str | None:
        """The file's sha256; None if there is no such file."""
        with _explained(f"reading {self.url}/{path}"):
            try:
                with self.filesystem.open(self.full(path), "rb") as file:
                    return hashlib.file_digest(file, "sha256").hexdigest()
            except FileNotFoundError:
                return None

    def size(self, path: str) -> int:
        """The file's bytes."""
        with _explained(f"reading {self.url}/{path}"):
            return int(self.filesystem.size(self.full(path)))

    def fetch(self, path: str, target: Path) -> None:
        """Have a copy of the file on this machine."""
        with _explained(f"reading {self.url}/{path}"):
            target.parent.mkdir(parents=True, exist_ok=True)
            self.filesystem.get_file(self.full(path), str(target))

    def names(self, folder: str) -> list[str]:
        """The finished files and folders in `folder`, sorted; none if it does not exist."""
        with _explained(f"listing {self.url}/{folder}"):
            self.filesystem.invalidate_cache()
            try:
                found = self.filesystem.ls(self.full(folder), detail=False)
            except FileNotFoundError:
                return []
        return sorted(name for name in (str(path).rsplit("/", 1)[-1] for path in found) if not name.startswith("."))

    def write(self, path: str, data: bytes) -> None:
        """Put `data` at `path`, whole or not at all, replacing what was there."""
        with _explained(f"writing {self.url}/{path}"):
            if not self.local:
                self.filesystem.pipe_file(self.full(path), data)
                return
            with _synced_temporary(Path(self.full(path)), [data]) as temporary:
                temporary.replace(self.full(path))

    def stream(self, path: str, chunks: Iterable[bytes]) -> str:
        """As `write`, with the bytes as they come, so that they need no room in memory; returns their sha256."""
        digest = hashlib.sha256()

        def seen() -> Iterator[bytes]:
            for chunk in chunks:
                digest.update(chunk)
                yield chunk

        with _explained(f"writing {self.url}/{path}"):
            if self.local:
                with _synced_temporary(Path(self.full(path)), seen()) as temporary:
                    temporary.replace(self.full(path))
            else:
                with tempfile.NamedTemporaryFile() as file:
                    file.writelines(seen())
                    file.flush()
                    self.filesystem.put_file(file.name, self.full(path))
        return digest.hexdigest()

    def create(self, path: str, data: bytes) -> bool:
        """Put `data` at `path` unless a file is there already; whether it was put.

        Of several local processes exactly one succeeds.
        """
        with _explained(f"writing {self.url}/{path}"):
            if not self.local:
                if self.filesystem.exists(self.full(path)):
                    return False
                self.filesystem.pipe_file(self.full(path), data)
                return True
            with _synced_temporary(Path(self.full(path)), [data]) as temporary:
                try:
                    os.link(temporary, self.full(path))
                except FileExistsError:
                    return False
                return True

    def copy(self, source: str, target: str) -> None:
        """Have the file `source` at `target` as well; on one disk it takes no room."""
        with _explained(f"copying {self.url}/{source} to {target}"):
            if not self.local:
                self.filesystem.cp_file(self.full(source), self.full(target))
                return
            Path(self.full(target)).parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(self.full(source), self.full(target))
            except FileExistsError:
                return
            except OSError:
                self.write(target, Path(self.full(source)).read_bytes())

    def remove(self, path: str) -> None:
        """Remove a file that may be there."""
        with _explained(f"removing {self.url}/{path}"), suppress(FileNotFoundError):
            self.filesystem.rm_file(self.full(path))

    def sweep(self, folder: str) -> None:
        """Remove the temporary files that dead processes of this machine left in `folder`."""
        if not self.local:
            return
        for leftover in Path(self.full(folder)).glob(f"{_TEMPORARY}{socket.gethostname()}@*"):
            if not _alive(int(leftover.name.split("@")[1])):
                leftover.unlink(missing_ok=True)


@contextmanager
def _synced_temporary(target: Path, chunks: Iterable[bytes]) -> Iterator[Path]:
    """A synced file beside `target` that the block renames or links; gone afterwards in any case."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f"{_TEMPORARY}{socket.gethostname()}@{os.getpid()}@{uuid.uuid4().hex}"
    try:
        with temporary.open("wb") as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
        _sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _explained(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise LakeError(f"{doing}: {_advice(exc)}") from exc


def _advice(exc: OSError) -> str:
    match exc.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return "no space left; free some and run again, finished parts are kept"
        case errno.EROFS | errno.EACCES | errno.EPERM:
            return "the lake is not writable or not readable for this user; choose another with --lake"
        case errno.ENOTDIR | errno.EISDIR | errno.EEXIST:
            return f"a file is where a folder should be, or the other way round ({exc.strerror}); choose another --lake"
        case _:
            return str(exc)
