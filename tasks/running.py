"""Runs under way, as notes in the lake: `running/<id>.json`, written anew every minute for as long as the run lasts.

A run writes its note and waits while the lake is cleared; who clears writes a note, and does nothing while a run is
under way. Whichever comes second sees the other's note.
"""

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import ValidationError

from schemas.base import ConfigBase
from schemas.errors import LakeError
from tasks.storage import Storage, alive

FOLDER: Final = "running"
CLEARING: Final = "gc"
EVERY_S: Final = 60.0
STALE: Final = timedelta(minutes=15)
"""A run that has given no sign for so long is dead."""


class Mark(ConfigBase):
    """A run's sign of life."""

    what: str
    host: str
    pid: int
    started: datetime
    seen: datetime

    @property
    def alive(self) -> bool:
        """Whether the run may be under way still: its process is there, or is another machine's and gave a sign."""
        if datetime.now(UTC) - self.seen > STALE:
            return False
        return self.host != socket.gethostname() or alive(self.pid)

    def __str__(self) -> str:
        return f"{self.what} (process {self.pid} of {self.host}, since {self.started:%Y-%m-%d %H:%M} UTC)"


def under_way(storage: Storage) -> list[Mark]:
    """The runs that are under way in this lake, and whoever clears it."""
    return [mark for mark in _marks(storage).values() if mark and mark.alive]


@contextmanager
def running(storage: Storage, what: str) -> Iterator[None]:
    """Tell others that a run is under way for as long as the block lasts; waits while the lake is cleared.

    Raises:
        LakeError: the lake cannot be written.
    """
    with _marked(storage, what):
        while any(mark.what == CLEARING for mark in under_way(storage)):
            time.sleep(1)
        yield


@contextmanager
def alone(storage: Storage) -> Iterator[None]:
    """Have the lake to oneself, to clear it.

    Raises:
        LakeError: a run is under way, or the lake cannot be written.
    """
    with _marked(storage, CLEARING) as mine:
        others = [mark for path, mark in _marks(storage).items() if mark and mark.alive and path != mine]
        if others:
            told = "; ".join(map(str, others))
            raise LakeError(f"lake {storage.url}: {told} is under way; try again when that is over")
        yield


@contextmanager
def _marked(storage: Storage, what: str) -> Iterator[str]:
    for path, mark in _marks(storage).items():
        if mark is None or not mark.alive:
            storage.remove(path)
    path, now = f"{FOLDER}/{uuid.uuid4().hex}.json", datetime.now(UTC)
    mark = Mark(what=what, host=socket.gethostname(), pid=os.getpid(), started=now, seen=now)
    over = threading.Event()

    def beat() -> None:
        while not over.wait(EVERY_S):
            try:
                _write(storage, path, mark.model_copy(update={"seen": datetime.now(UTC)}))
            except LakeError as exc:
                logging.getLogger(__name__).warning("%s: no sign of life could be given: %s", what, exc)

    _write(storage, path, mark)
    beating = threading.Thread(target=beat, name="sign of life", daemon=True)
    beating.start()
    try:
        yield path
    finally:
        over.set()
        beating.join()
        storage.remove(path)


def _write(storage: Storage, path: str, mark: Mark) -> None:
    storage.write(path, mark.model_dump_json(indent=2).encode())


def _marks(storage: Storage) -> dict[str, Mark | None]:
    paths = [f"{FOLDER}/{name}" for name in storage.names(FOLDER)]
    return {path: _read(data) for path, data in zip(paths, storage.read_all(paths), strict=True) if data is not None}


def _read(data: bytes) -> Mark | None:
    try:
        return Mark.model_validate_json(data)
    except ValidationError:
        return None
