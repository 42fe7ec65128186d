"""What a comparison may take: threads, and memory, beyond which large arrays lie in temporary files."""

import math
import mmap
import os
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from schemas.errors import LakeError

Kind = TypeVar("Kind", bound="np.generic[Any]")
T = TypeVar("T")
R = TypeVar("R")

MIB: Final = 1 << 20


class Effort(NamedTuple):
    """What a comparison may take; its outcome does not depend on it."""

    memory: int = 1024 * MIB
    """Bytes beside the texts; what must be held at once and is more lies in temporary files."""
    threads: int = os.cpu_count() or 1

    def map(self, work: Callable[[T], R], shares: Iterable[T]) -> list[R]:
        """Do all shares of some work, which should leave the interpreter's lock to others."""
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(work, shares))


def space(shape: tuple[int, ...], kind: type[Kind], limit: int) -> NDArray[Kind]:
    """An array yet to be filled. One of more than `limit` bytes is a mapped temporary file, which goes when it does.

    Raises:
        LakeError: there is no room for the file.
    """
    size = math.prod(shape) * np.dtype(kind).itemsize
    if size <= limit:
        return np.empty(shape, kind)
    with tempfile.TemporaryFile() as file:
        try:
            # All of it at once: a write to a mapped file on a full disk would kill the process.
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as exc:
            raise LakeError(
                f"{tempfile.gettempdir()}: no room for {size / MIB:,.0f} MiB that memory_mb does not allow in memory: "
                f"raise it, or set TMPDIR to a folder with room: {exc}"
            ) from exc
        return np.frombuffer(mmap.mmap(file.fileno(), size), kind).reshape(shape)
