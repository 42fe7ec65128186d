"""Nothing that an engine started outlives it, however it ends: by its own end, an exception, or `kill -9`.

vLLM runs its model in processes of its own, which wait for ever for a parent that was killed. While they start, the
environment carries a mark that they inherit; a small process beside the engine waits for the engine's end, or its
process's, and kills whatever still bears the mark. It reads /proc: Linux only, elsewhere it finds nothing to kill.
"""

import multiprocessing
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Final
from uuid import uuid4

_NAME: Final = "TRACEMILL_ENGINE"
_PATIENCE_S: Final = 10.0


class Guard:
    """The small process; it starts at once, `close` ends it and all that was started inside `marking`."""

    def __init__(self) -> None:
        self._mark = uuid4().hex
        # A file, not a module: it has nothing to import. It shares the engine's session and hears no signal.
        command = [sys.executable, "-I", __file__, f"{_NAME}={self._mark}", str(os.getpid())]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE)

    @contextmanager
    def marking(self) -> Iterator[None]:
        """Let every process that starts inside the block, from any thread, bear the mark."""
        # Python's own helper, which outlives any one engine, must not bear it.
        resource_tracker.ensure_running()
        # setproctitle, with which vLLM names its processes, writes over the environment unless told not to.
        os.environ.update({_NAME: self._mark, "SPT_NOENV": "1"})
        try:
            yield
        finally:
            os.environ.pop(_NAME, None)

    def close(self) -> None:
        """Kill what is left; return when it is gone."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        # Asking for them is how multiprocessing buries its dead.
        multiprocessing.active_children()


def _bearing(mark: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def _kill_all(mark: str) -> None:
    """Again and again, since one that is about to die may just have started another."""
    until = time.monotonic() + _PATIENCE_S
    while (left := _bearing(mark)) and time.monotonic() < until:
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.05)


def _watch(mark: str, parent: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # A forked child may hold the pipe open, so the parent's number is looked at too.
    while os.getppid() == parent and not select.select([sys.stdin], [], [], 1.0)[0]:
        pass
    _kill_all(mark)


if __name__ == "__main__":
    _watch(sys.argv[1], int(sys.argv[2]))
