"""The child's side of `tasks.workers`: take items, do them one after the other, report each.

Imports nothing heavy: a worker starts in the time Python takes. What crosses the connection, in order: a job
(function and preparation, pickled), answered with `Ready` or a `Broken`; then batches of pickled items, answered
with one `Report` per item. The parent counts an item's time from the report before it.
"""

import contextlib
import fcntl
import os
import pickle
import resource
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, NamedTuple


class Ready(NamedTuple):
    """The job is loaded and its preparation done."""


class Broken(NamedTuple):
    """The job cannot be loaded or prepared, and never will."""

    message: str


class Report(NamedTuple):
    """How one item ended; `value` is pickled, None where the item raised."""

    item: int
    value: bytes | None
    message: str
    elapsed_ms: float


def serve(link_fd: int, lifeline_fd: int, memory_bytes: int | None) -> None:
    """Work until the parent closes the link or dies."""
    _die_with_parent(lifeline_fd)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    function: Callable[[Any], Any] = _no_job
    with Connection(link_fd) as link, contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            message = link.recv()
            if isinstance(message, bytes):
                loaded = _load(message)
                link.send(loaded if isinstance(loaded, Broken) else Ready())
                function = _no_job if isinstance(loaded, Broken) else loaded
            else:
                for index, item in message:
                    link.send(_do(function, index, item))


def _die_with_parent(lifeline_fd: int) -> None:
    """Have the kernel kill this process group once the lifeline's other end closes, however the parent ended.

    PR_SET_PDEATHSIG would fire when the *thread* that started the worker ends, and a thread that waits for
    end-of-file cannot run while a C loop holds the interpreter lock. Where the kernel has no F_SETSIG (not Linux), a
    worker ends at its next read.
    """
    if sys.platform == "linux":
        fcntl.fcntl(lifeline_fd, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline_fd, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline_fd, fcntl.F_SETFL, os.O_RDONLY | os.O_ASYNC | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            if os.read(lifeline_fd, 1) == b"":  # the parent died before the kernel was told
                os.killpg(os.getpgrp(), signal.SIGKILL)


def _load(job: bytes) -> "Callable[[Any], Any] | Broken":
    try:
        function, prepare = pickle.loads(job)  # noqa: S301 - it comes from our own parent
        if prepare is not None:
            prepare()
    except BaseException as exc:  # noqa: BLE001 - whatever it was, the parent raises it as a WorkerError
        return Broken(_describe(exc))
    return function  # type: ignore[no-any-return]


def _do(function: Callable[[Any], Any], index: int, item: bytes) -> Report:
    start = time.perf_counter()
    value, message = None, ""
    try:
        value = pickle.dumps(function(pickle.loads(item)))  # noqa: S301 - it comes from our own parent
    except BaseException as exc:  # noqa: BLE001 - a bad item is data, not a crash; SystemExit is one of its ways
        message = _describe(exc)
    return Report(index, value, message, (time.perf_counter() - start) * 1000)


def _describe(exc: BaseException) -> str:
    return f"{type(exc).__name__}: {str(exc)[:500]}" if str(exc) else type(exc).__name__


def _no_job(item: object) -> object:
    raise RuntimeError(f"an item came before any job: {item!r}")
