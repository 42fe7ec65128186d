"""Starting and stopping a server: only what is missing is started, only what was started is ended."""

import os
import socket
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import psutil

from flows.server.answers import answers, ready
from flows.server.environment import database, environment
from flows.server.folder import SERVER, SUPERVISOR, WORKER, Folder, Settings
from flows.server.supervise import launch
from schemas.errors import ServerError

STARTING_S: Final = 180.0
"""How long a server may take until it answers."""
GRACE_S: Final = 30.0
"""How long a process may take to end by itself."""
_LAST_LINES: Final = 5


def start(folder: Folder, wanted: Settings, prepare: Callable[[Folder, Settings], str]) -> Settings:
    """Have a server with a worker, up and prepared; both go on when this returns.

    `prepare` gives the server its deployments once it answers, and returns their digest.

    Raises:
        ServerError: there are no deployments here, the port is taken, the folder cannot be written, another server is
            up that was started otherwise, or the new one does not answer.
    """
    if not Path("prefect.yaml").is_file():
        raise ServerError(f"{Path.cwd()} has no prefect.yaml: start the server in tracemill's project folder")
    folder.create()
    with folder.held():
        before = folder.settings()
        kept = before.deployed if before else ""
        settings = wanted.model_copy(update={"database": database(environment(folder, wanted)), "deployed": kept})
        up = [name for name in (SUPERVISOR, SERVER, WORKER) if folder.process(name)]
        if before and up:
            _check_same(before, settings)
        if SERVER not in up:
            _check_port(settings)
        folder.keep(settings)
        if SUPERVISOR not in up:
            command = [sys.executable, "-m", "flows.server.supervise"]
            folder.note(SUPERVISOR, launch(command, environment(folder, settings), folder.log(SUPERVISOR)))
        _await(lambda: answers(settings.api) and ready(settings.api), folder, SERVER)
        folder.keep(settings.model_copy(update={"deployed": prepare(folder, settings)}))
        _await(lambda: folder.process(WORKER) is not None, folder, WORKER)
    return settings


def stop(folder: Folder, grace_s: float = GRACE_S) -> list[str]:
    """End what was started, the worker with its runs first; says what was done, a line for each process."""
    if not folder.path.is_dir():
        return []
    with folder.held():
        said = []
        for name in (SUPERVISOR, WORKER, SERVER):
            process = folder.process(name)
            if process:
                said.append(f"{name} (pid {process.pid}) {end([process], grace_s)}")
            folder.forget(name)
            if name == WORKER and (left := _runs(folder)):
                said.append(f"runs and what they started ({len(left)} processes) {end(left, grace_s)}")
    return said


def status(folder: Folder) -> dict[str, str]:
    """Each process with its pid, or that it is not up."""
    found = {name: folder.process(name) for name in (SUPERVISOR, SERVER, WORKER)}
    return {name: f"up, pid {process.pid}" if process else "not up" for name, process in found.items()}


def end(processes: Iterable[psutil.Process], grace_s: float) -> str:
    """Ask processes to end, and kill those that do not in time; says which of the two it took."""
    asked = list(processes)
    for process in asked:
        _unless_gone(process.terminate)
    _, left = psutil.wait_procs(asked, timeout=grace_s)
    for process in left:
        _unless_gone(process.kill)
    psutil.wait_procs(left, timeout=grace_s)
    return "was killed" if left else "has ended"


def _runs(folder: Folder) -> list[psutil.Process]:
    server = folder.process(SERVER)
    return [one for one in folder.offspring() if one != server and one.pid not in _ancestors()]


def _ancestors() -> set[int]:
    return {os.getpid(), *(one.pid for one in psutil.Process().parents())}


def _unless_gone(act: Callable[[], None]) -> None:
    try:
        act()
    except psutil.NoSuchProcess:
        return


def _check_same(running: Settings, wanted: Settings) -> None:
    for name in ("port", "pool", "silence", "database"):
        there, asked = getattr(running, name), getattr(wanted, name)
        if there != asked:
            raise ServerError(f"the server is up with {name} {there}, not {asked}; `tracemill server stop` it first")


def _check_port(settings: Settings) -> None:
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            free.bind(("127.0.0.1", settings.port))
        except OSError as exc:
            whose = "a Prefect server that was not started here" if answers(settings.api) else "another program"
            raise ServerError(
                f"port {settings.port} is taken by {whose}; choose another one: --port {settings.port + 1}"
            ) from exc


def _await(up: Callable[[], bool], folder: Folder, name: str) -> None:
    deadline = time.monotonic() + STARTING_S
    while not up():
        if folder.process(SUPERVISOR) is None:
            raise ServerError(f"the supervisor has ended{_last_words(folder.log(SUPERVISOR))}")
        if time.monotonic() > deadline:
            raise ServerError(f"the {name} is not up after {STARTING_S:.0f} s{_last_words(folder.log(name))}")
        time.sleep(0.3)


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    said = " | ".join([line.strip() for line in lines if line.strip()][-_LAST_LINES:])
    return f"; {log} ends with: {said}" if said else f"; see {log}"
