"""The warm interpreter that becomes a program by forking, in the jail or as close to one as the kernel permits.

Run as a fresh interpreter that imports little and starts no thread, so that its forks are cheap and safe. Every program
is the first process of a process namespace of its own: when it ends, or is killed, the kernel kills all that it left.
"""

import gc
import importlib
import os
import pickle
import random
import resource
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Final, NamedTuple, NoReturn

from tasks.sandbox import filters, jail, kernel, landlock
from tasks.sandbox.messages import REPORT_BYTES, Broken, Ended, Hello, Order

_WARM: Final = (
    "bisect collections copy dataclasses datetime decimal enum fractions functools heapq itertools json math "
    "operator re statistics string typing"
)
_SETUP: Final = 5
"""The descriptor that tells, before the program starts, that it cannot."""
_PAYLOAD: Final = 6
_CHUNK: Final = 65_536


class _Job(NamedTuple):
    """What to run, and the descriptors of its files."""

    order: Order
    payload: int
    stdin: int


class World(NamedTuple):
    """What keeps programs in: a namespace of its own for each or else Landlock, and a filter."""

    namespaces: bool
    landlock: bool
    seccomp: bool
    me: int
    temporary: str


class _Child:
    """A program that runs: its process, and what came out of it."""

    def __init__(self, job: _Job, pid: int, pipes: tuple[int, ...], folder: str | None) -> None:
        self.limits, self.pid, self.folder = job.order.limits, pid, folder
        self.handle = os.pidfd_open(pid)
        self.pipes = pipes
        self.heard = dict.fromkeys(pipes, b"")
        self.fault = ""
        for pipe in pipes:
            os.set_blocking(pipe, False)

    def listen(self, pipe: int) -> bool:
        """Read what there is; whether more may come."""
        chunk = os.read(pipe, _CHUNK)
        stdout, stderr, *_ = self.pipes
        heard = self.heard[pipe] + chunk
        most = self.limits.output_bytes
        if pipe == stdout and len(heard) > most:
            self.fault = f"it printed more than {most} bytes"
        self.heard[pipe] = heard[-most:] if pipe == stderr else heard[: max(most, REPORT_BYTES)]
        return bool(chunk)

    def end(self) -> "Ended | Broken":
        """Kill what is left of it, and say how it went."""
        killed = not select.select([self.handle], [], [], 0)[0]
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.handle, signal.SIGKILL)
        with suppress(ProcessLookupError, PermissionError):  # what it started, where there are no namespaces
            os.killpg(self.pid, signal.SIGKILL)
        _, status, usage = os.wait4(self.pid, 0)
        for pipe in self.pipes:
            with suppress(BlockingIOError):
                while not self.fault and self.listen(pipe):
                    pass
            os.close(pipe)
        os.close(self.handle)
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        stdout, stderr, report, setup = self.heard.values()
        if setup:
            return Broken(f"the sandbox cannot start a program: {setup.decode(errors='replace')}")
        code = None if killed else os.waitstatus_to_exitcode(status)
        cpu_s = usage.ru_utime + usage.ru_stime
        late = f"timed out after {self.limits.time_s:g} s"
        if code == -signal.SIGKILL and not self.fault:
            if cpu_s >= _whole(self.limits.time_s) - 0.5:
                self.fault = late
            elif self.folder is None:  # no first process of a namespace can do that to itself
                return Broken("a program was killed from outside: is the machine out of memory?")
        return Ended(stdout, stderr, report, code, self.fault, cpu_s)


def serve(link_fd: int, modules: tuple[str, ...], root: str, temporary: str, *, isolate: bool) -> None:
    """Run what the other end of the link asks for until it is closed; `root` is where `tasks` is imported from."""
    for name in (*_WARM.split(), *modules):
        importlib.import_module(name)
    sys.path.remove(root)
    with Connection(link_fd) as link, socket.socket(fileno=os.dup(link_fd)) as orders:
        try:
            world = _settle(temporary, isolate=isolate)
        except OSError as exc:
            link.send(Broken(f"{exc.filename}: {exc.strerror}"))
            return
        gc.collect()
        gc.freeze()
        link.send(Hello(_missing(world)))
        with suppress(EOFError, BrokenPipeError, ConnectionResetError):
            while True:
                given, files, *_ = socket.recv_fds(orders, _CHUNK, 4)
                if not given:
                    return
                link.send(_run(_jobs(given, files), world, link_fd))


def _settle(temporary: str, *, isolate: bool) -> World:
    """Get into the jail, as its first process; the process outside ends when that one does."""
    if isolate:
        jail.enter(temporary)
        first = os.fork()
        if first:
            os.closerange(3, 256)
            os.waitpid(first, 0)
            os._exit(0)
        kernel.die_with_parent(signal.SIGKILL)
    seccomp = filters.supported()
    if seccomp:
        filters.program(1)  # made once, for all that will be number 1 of their namespace
    return World(isolate, not isolate and landlock.version() > 0, seccomp, os.pidfd_open(os.getpid()), temporary)


def _missing(world: World) -> dict[str, str]:
    missing = {}
    if not world.seccomp:
        missing["seccomp"] = "not in this kernel, or not known for this processor"
    if not world.namespaces and not world.landlock:
        missing["landlock"] = "not in this kernel"
    return missing


def _jobs(given: bytes, files: list[int]) -> list[_Job]:
    orders = pickle.loads(given)  # noqa: S301 - it comes from our own parent
    return [_Job(order, *files[2 * place : 2 * place + 2]) for place, order in enumerate(orders)]


def _run(jobs: list[_Job], world: World, link: int) -> tuple[Ended | Broken, ...]:
    """Run one job, or two with a connection between them, until the first has ended; then end the other."""
    peers = socket.socketpair() if len(jobs) > 1 else ()
    children: list[_Child] = []
    try:
        for job, peer in zip(jobs, peers or (None,), strict=True):
            children.append(_start(job, peer, world))
        for peer in peers:
            peer.close()
        _watch(children, link)
    finally:
        ended = tuple(child.end() for child in children)
    return ended


def _watch(children: list[_Child], link: int) -> None:
    """Listen until the first has ended, one breaks a limit or the time is over."""
    leader = children[0]
    deadline = time.monotonic() + leader.limits.time_s
    owners = {pipe: child for child in children for pipe in child.pipes}
    poll = select.poll()
    for descriptor in (link, leader.handle, *owners):
        poll.register(descriptor, select.POLLIN)
    while not any(child.fault for child in children):
        left = deadline - time.monotonic()
        if left <= 0:
            leader.fault = f"timed out after {leader.limits.time_s:g} s"
            return
        ready = {descriptor for descriptor, _ in poll.poll(left * 1000 + 1)}
        if link in ready:
            raise EOFError
        for pipe in ready & owners.keys():
            if not owners[pipe].listen(pipe):
                poll.unregister(pipe)
        if leader.handle in ready:
            return


def _start(job: _Job, peer: socket.socket | None, world: World) -> _Child:
    pipes = [os.pipe() for _ in range(4)]
    folder = None if world.namespaces else tempfile.mkdtemp(dir=world.temporary)
    if world.namespaces:
        kernel.enter_pids(world.me)
        kernel.unshare(kernel.NEW_PIDS)
    pid = os.fork()
    out, err, report, setup = (end for _, end in pipes)
    ends = [job.stdin, out, err, peer.fileno() if peer else job.stdin, report, setup, job.payload]
    if pid == 0:
        _become(job, ends, world, folder)
    for end in (job.stdin, job.payload, out, err, report, setup):
        os.close(end)
    return _Child(job, pid, tuple(pipe for pipe, _ in pipes), folder)


def _become(job: _Job, ends: list[int], world: World, folder: str | None) -> NoReturn:
    """In the child: give up what a program does not need, then be the program."""
    try:
        try:
            _take_descriptors(ends)
            _confine(job, world, folder)
            module, _, function = job.order.main.partition(":")
            main = getattr(sys.modules[module], function)
        except BaseException as exc:  # noqa: BLE001 - told to the parent, which reports it
            os.write(_SETUP, f"{type(exc).__name__}: {exc}".encode())
            os._exit(1)
        os.close(_SETUP)
        with open(_PAYLOAD, "rb") as file:  # noqa: PTH123 - a descriptor
            payload = file.read()
        main(payload)
    finally:
        os._exit(1)


def _take_descriptors(ends: list[int]) -> None:
    os.setsid()
    for place, end in enumerate(ends):
        os.dup2(end, 64 + place)
    for place in range(len(ends)):
        os.dup2(64 + place, place)
    os.closerange(len(ends), 256)
    sys.stdin = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115


def _confine(job: _Job, world: World, folder: str | None) -> None:
    limits = job.order.limits
    if folder is None:
        jail.own_scratch(limits.file_bytes)
    else:
        os.chdir(folder)
    for limit, most in _rlimits(job, world).items():
        _, hard = resource.getrlimit(limit)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (allowed, allowed))
    kernel.drop_privileges()
    if folder is not None and world.landlock:
        landlock.restrict(jail.readable(), [folder])
    if world.seccomp:
        filters.install(filters.program(os.getpid()))
    random.seed(0)


def _rlimits(job: _Job, world: World) -> dict[int, int]:
    limits = job.order.limits
    # The kernel counts threads and processes of a user in its namespace: here the zygote and two programs.
    counted = {resource.RLIMIT_NPROC: limits.threads + 3} if world.namespaces else {}
    if not world.namespaces and not world.seccomp:
        counted = {resource.RLIMIT_NPROC: 0}
    return counted | {
        resource.RLIMIT_CPU: _whole(limits.time_s),
        resource.RLIMIT_AS: limits.memory_mb * 2**20,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_CORE: 0,
    }


def _whole(seconds: float) -> int:
    return int(seconds) + (seconds > int(seconds))
