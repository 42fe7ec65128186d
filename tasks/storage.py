"""Whole files on any fsspec URL, written all or nothing.

A local file is written under a temporary name, synced and renamed; object stores and `memory://` replace whole
objects anyway (`tasks/objects.py`). Errors of the storage become LakeErrors that name the path and say what to do.
"""

import errno
import hashlib
import os
import socket
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import fsspec
import pyarrow as pa
import pyarrow.dataset as ds
from fsspec.implementations.local import LocalFileSystem

from schemas.errors import LakeError
from tasks import objects
from tasks.keys import plain

TEMPORARY: Final = ".tmp-"
_AT_ONCE: Final = 16
"""Requests to an object store, each of which takes some 20 ms, whatever its size."""
T = TypeVar("T")


class Found(NamedTuple):
    """A file, its bytes, and when it was written."""

    path: str
    size: int
    modified: datetime


class Storage:
    """A folder at an fsspec URL; every path is relative to it."""

    def __init__(self, url: str) -> None:
        self.url = plain(url)

    def __reduce__(self) -> tuple[type["Storage"], tuple[str]]:
        return Storage, (self.url,)

    @cached_property
    def _location(self) -> tuple[Any, str]:
        # Listings that are kept would hide what other processes write.
        settings = {"use_listings_cache": False} if "://" in self.url else {}
        try:
            filesystem, root = fsspec.core.url_to_fs(self.url, **settings)
        except ImportError as exc:
            raise LakeError(f"lake {self.url}: {exc}; for s3:// that is pip install 'tracemill[s3]'") from exc
        except ValueError as exc:
            raise LakeError(f"lake {self.url}: {exc}; give a folder or an fsspec URL") from exc
        objects.connect(filesystem)
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

    def shown(self, path: str) -> str:
        """The path as a person finds it."""
        return self.full(path) if self.local else f"{self.url.rstrip('/')}/{path}"

    def read(self, path: str) -> bytes | None:
        """The file's bytes; None if there is no such file."""
        with _explained(f"reading {self.url}/{path}"):
            try:
                return objects.read(self.filesystem, self.full(path))
            except FileNotFoundError as exc:
                objects.raise_without_bucket(exc)
                return None

    def read_all(self, paths: Sequence[str]) -> list[bytes | None]:
        """Each file's bytes, as `read` has them; of an object store many at once."""
        return self._at_once(self.read, paths)

    def digest(self, path: str) -> str | None:
        """The file's sha256; None if there is no such file. S3 says what it has checked when the file was written."""
        with _explained(f"reading {self.url}/{path}"):
            try:
                if known := objects.checksum(self.filesystem, self.full(path)):
                    return known
                with self.filesystem.open(self.full(path), "rb") as file:
                    return hashlib.file_digest(file, "sha256").hexdigest()
            except FileNotFoundError:
                return None

    def digests(self, paths: Sequence[str]) -> list[str | None]:
        """Each file's sha256, as `digest` has it; of an object store many at once."""
        return self._at_once(self.digest, paths)

    def size(self, path: str) -> int:
        """The file's bytes."""
        with _explained(f"reading {self.url}/{path}"):
            return int(self.filesystem.size(self.full(path)))

    def dataset(self, sizes: Mapping[str, int], schema: pa.Schema | None = None) -> ds.Dataset:
        """Parquet files as one Arrow dataset, in order; their bytes by path."""
        known = {self.full(path): size for path, size in sizes.items()}
        readable = objects.readable(self.filesystem, known)
        return ds.dataset(list(known), schema=schema, format="parquet", filesystem=readable)

    def fetch(self, path: str, target: Path) -> None:
        """Have a copy of the file on this machine."""
        with _explained(f"reading {self.url}/{path}"):
            target.parent.mkdir(parents=True, exist_ok=True)
            self.filesystem.get_file(self.full(path), str(target))

    def names(self, folder: str) -> list[str]:
        """The finished files and folders in `folder`, sorted; none if it does not exist."""
        with _explained(f"listing {self.url}/{folder}"):
            try:
                found = self.filesystem.ls(self.full(folder), detail=False)
            except FileNotFoundError as exc:
                objects.raise_without_bucket(exc)
                return []
        return sorted(name for name in (str(path).rsplit("/", 1)[-1] for path in found) if not name.startswith("."))

    def files(self, folder: str = "") -> list[Found]:
        """All files below `folder`, temporary ones too, by path."""
        root = self.full("")
        with _explained(f"listing {self.shown(folder)}"):
            try:
                found = self.filesystem.find(self.full(folder).rstrip("/"), detail=True)
            except FileNotFoundError as exc:
                objects.raise_without_bucket(exc)
                return []
        # An empty prefix comes as a folder of its own.
        plain = {str(path).removeprefix(root): info for path, info in found.items() if info["type"] == "file"}
        return [Found(path, int(info["size"]), _modified(info)) for path, info in plain.items()]

    def write(self, path: str, data: bytes) -> None:
        """Put `data` at `path`, whole or not at all, replacing what was there."""
        with _explained(f"writing {self.url}/{path}"):
            if not self.local:
                objects.put(self.filesystem, self.full(path), data)
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
                    objects.upload(self.filesystem, file.name, self.full(path), digest.hexdigest(), file.tell())
        return digest.hexdigest()

    def create(self, path: str, data: bytes) -> bool:
        """Put `data` at `path` unless a file is there already; whether it was put.

        Of several processes exactly one succeeds, in object storage where `exclusive` holds.
        """
        with _explained(f"writing {self.url}/{path}"):
            if not self.local:
                return objects.create(self.filesystem, self.full(path), data)
            with _synced_temporary(Path(self.full(path)), [data]) as temporary:
                try:
                    os.link(temporary, self.full(path))
                except FileExistsError:
                    return False
                return True

    def exclusive(self) -> bool:
        """Whether `create` lets exactly one of several writers through: tried with a file that is removed again."""
        if self.local:
            return True
        probe = f"probe-{uuid.uuid4().hex}"
        with _explained(f"writing {self.url}/{probe}"):
            try:
                return [objects.put_new(self.filesystem, self.full(probe), b"tracemill") for _ in "12"] == [True, False]
            finally:
                self.remove(probe)

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

    def remove_all(self, paths: Sequence[str]) -> None:
        """Remove files that may be there, and of a folder of this machine the folders that are empty then."""
        with _explained(f"removing files of {self.url}"):
            if objects.remove(self.filesystem, [self.full(path) for path in paths]):
                return
        for path in paths:
            self.remove(path)
        if self.local:
            folders = {parent for path in paths for parent in Path(path).parents if parent.name}
            for folder in sorted(folders, reverse=True):
                with suppress(OSError):
                    Path(self.full(str(folder))).rmdir()

    def sweep(self, folder: str) -> None:
        """Remove the temporary files that dead processes of this machine left in `folder`."""
        if not self.local:
            return
        for leftover in Path(self.full(folder)).glob(f"{TEMPORARY}{socket.gethostname()}@*"):
            if not alive(int(leftover.name.split("@")[1])):
                leftover.unlink(missing_ok=True)

    def _at_once(self, call: Callable[[str], T], paths: Sequence[str]) -> list[T]:
        if self.local or len(paths) < 2:
            return [call(path) for path in paths]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(call, paths))


@contextmanager
def _synced_temporary(target: Path, chunks: Iterable[bytes]) -> Iterator[Path]:
    """A synced file beside `target` that the block renames or links; gone afterwards in any case."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f"{TEMPORARY}{socket.gethostname()}@{os.getpid()}@{uuid.uuid4().hex}"
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


def alive(pid: int) -> bool:
    """Whether a process of this machine is there."""
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
    except objects.errors() as exc:
        raise LakeError(f"{doing}: {objects.advice(exc) or _advice(exc)}") from exc


def _modified(info: dict[str, Any]) -> datetime:
    """As folders, S3, memory and other stores call it."""
    names = ("mtime", "LastModified", "last_modified", "updated", "created")
    told = next(info[name] for name in names if name in info)
    if isinstance(told, str):
        told = datetime.fromisoformat(told)
    return told if isinstance(told, datetime) else datetime.fromtimestamp(told, UTC)


def _advice(exc: Exception) -> str:
    match number := getattr(exc, "errno", None):
        case errno.ENOSPC | errno.EDQUOT:
            return "no space left; free some and run again, finished parts are kept"
        case errno.EROFS | errno.EACCES | errno.EPERM:
            return "the lake is not writable or not readable for this user; choose another with --lake"
        case errno.ENOTDIR | errno.EISDIR | errno.EEXIST:
            why = os.strerror(number)
            return f"a file is where a folder should be, or the other way round ({why}); choose another --lake"
        case _:
            return str(exc)
