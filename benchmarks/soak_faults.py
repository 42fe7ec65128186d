"""What goes wrong in a soak: damage between two refreshes, and trouble in the middle of one."""

import atexit
import contextlib
import itertools
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest import mock

from schemas.errors import EngineError, LakeError, TracemillError
from schemas.refs import Ref

_START_S: Final = 120.0
_LOOK_S: Final = 0.02
_SMALL: Final = 1024
"""Bytes; no file may be larger while the disk is full."""


class Server:
    """A Prefect server in a process of its own, with its history in a folder that goes with it.

    It ends with this process, after all that Prefect still sends at its end: made before Prefect is imported.
    """

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}/api"
        self._home = tempfile.mkdtemp(prefix="tracemill-soak-")
        os.environ |= {"PREFECT_API_URL": self.url, "PREFECT_HOME": self._home}
        atexit.register(shutil.rmtree, self._home, ignore_errors=True)
        atexit.register(self.kill)
        self.start()

    def start(self) -> None:
        """Start it, again on the same port with the same history, and wait until it answers."""
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self._port)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        until = time.monotonic() + _START_S
        while time.monotonic() < until:
            with contextlib.suppress(urllib.error.URLError, OSError):
                urllib.request.urlopen(f"{self.url}/health", timeout=5).close()
                return
            time.sleep(0.1)
        raise TimeoutError(f"Prefect's server does not answer at {self.url}")

    def kill(self) -> None:
        """`kill -9`, with all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid


class Ground(NamedTuple):
    """Where the faults happen."""

    lake: str
    recipe: str
    server: Server
    draw: random.Random

    def files(self, pattern: str) -> list[Path]:
        """Files of the newest run's tables, but those of releases."""
        from tasks.lake import Lake

        refs: set[Ref] = {ref for those in Lake(self.lake).newest().values() for ref in those}
        return [path for ref in sorted(refs, key=str) for path in sorted(Path(self.lake, ref.path).glob(pattern))]


class Fault(NamedTuple):
    """Something that goes wrong around one refresh, and the ways in which it may end."""

    inject: Callable[[Ground], AbstractContextManager[None]]
    ends: tuple[type[BaseException], ...] = ()


@contextmanager
def flipped(ground: Ground) -> Iterator[None]:
    """A byte of a part is another one."""
    part = ground.draw.choice(ground.files("part-*"))
    data = bytearray(part.read_bytes())
    data[ground.draw.randrange(len(data))] ^= 0x20
    part.write_bytes(data)
    yield


@contextmanager
def deleted(ground: Ground) -> Iterator[None]:
    """A part is gone."""
    ground.draw.choice(ground.files("part-*")).unlink()
    yield


@contextmanager
def truncated(ground: Ground) -> Iterator[None]:
    """Half a manifest is gone."""
    manifest = ground.draw.choice(ground.files("manifest.json"))
    data = manifest.read_bytes()
    manifest.write_bytes(data[: len(data) // 2])
    yield


@contextmanager
def rival(ground: Ground) -> Iterator[None]:
    """Another process refreshes the same lake, and is killed in the middle."""
    command = [sys.executable, "-m", "flows.cli", "refresh", ground.recipe, "--lake", ground.lake]
    before = _journals(ground)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + _START_S
        while _journals(ground) == before and process.poll() is None and time.monotonic() < until:
            time.sleep(_LOOK_S)
        timer = threading.Timer(ground.draw.uniform(0, 2), process.kill)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            process.kill()


@contextmanager
def engine(ground: Ground) -> Iterator[None]:
    """The model's engine breaks after a few completions."""
    from tasks.engines.kinds.transformers import TransformersEngine

    left = itertools.count(ground.draw.randint(1, 20), -1)
    whole = TransformersEngine.complete

    async def breaking(self: TransformersEngine, request: Any) -> Any:
        if next(left) <= 0:
            raise EngineError("the engine broke, as this soak has it")
        return await whole(self, request)

    with mock.patch.object(TransformersEngine, "complete", breaking):
        yield


@contextmanager
def worker(_: Ground) -> Iterator[None]:
    """A verifier's process is killed as soon as there is one."""

    def kill() -> bool:
        found = [child for child in children() if b"tasks.worker_process" in _command(child)]
        for child in found[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        return bool(found)

    with _meanwhile(kill):
        yield


@contextmanager
def disk(ground: Ground) -> Iterator[None]:
    """From the first stored samples on, nothing can be written."""
    before, limits = _journals(ground), resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill() -> bool:
        full = _journals(ground) != before
        if full:
            resource.setrlimit(resource.RLIMIT_FSIZE, (_SMALL, limits[1]))
        return full

    try:
        with _meanwhile(fill):
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextmanager
def interrupt(ground: Ground) -> Iterator[None]:
    """Ctrl+C, or a cancelled run, when the first samples are stored."""
    before = _journals(ground)

    def stop() -> bool:
        stored = _journals(ground) != before
        if stored:
            os.kill(os.getpid(), signal.SIGINT)
        return stored

    with _meanwhile(stop):
        yield


@contextmanager
def server(ground: Ground) -> Iterator[None]:
    """Prefect's server is killed when the first samples are stored, and started again."""
    before, killed = _journals(ground), threading.Event()

    def kill() -> bool:
        if _journals(ground) != before:
            ground.server.kill()
            ground.server.start()
            killed.set()
        return killed.is_set()

    with _meanwhile(kill):
        yield


def children() -> list[int]:
    """The processes that this one started and that live, theirs not counted."""
    return [int(one) for path in Path("/proc/self/task").glob("*/children") for one in path.read_text().split()]


@contextmanager
def _meanwhile(strike: Callable[[], bool]) -> Iterator[None]:
    """Beside the block, again and again until it says that it struck."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_S) and not strike():
            pass

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _journals(ground: Ground) -> set[Path]:
    """Folders of samples that are under way."""
    return {path for name in ("traces", "completions") for path in Path(ground.lake, name).glob("*/journal-*")}


def _command(process: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""


FAULTS: Final = {
    "flipped": Fault(flipped),
    "deleted": Fault(deleted),
    "truncated": Fault(truncated),
    "rival": Fault(rival, (LakeError,)),
    "engine": Fault(engine, (EngineError,)),
    "worker": Fault(worker),
    "disk": Fault(disk, (LakeError, OSError)),
    "interrupt": Fault(interrupt, (KeyboardInterrupt,)),
    "server": Fault(server, (TracemillError, OSError, RuntimeError)),
}
