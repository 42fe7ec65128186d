"""The process that keeps server and worker up: whichever ends is started again, after a pause that grows.

In a thread beside it, runs that died are taken up again.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psutil

from flows.server.answers import answers
from flows.server.environment import environment
from flows.server.folder import SERVER, SUPERVISOR, WORKER, Folder, Settings

PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
STEADY_S: Final = 120.0
"""What has run for so long had started well: the pause is short again."""
DEAF_S: Final = 180.0
"""A server that has not answered for so long is ended, and started again."""
LOG_BYTES: Final = 20 * 2**20
_LOOK_S: Final = 1.0
_ASK_S: Final = 15.0
_RECOVER_S: Final = 5.0


class Kept:
    """A process that is kept up; one that was there already, left by another supervisor, is taken over."""

    def __init__(self, folder: Folder, name: str, command: list[str]) -> None:
        self.folder, self.name, self.command = folder, name, command
        self.pause = PAUSE_S
        self.due = self.since = 0.0
        self.process = folder.process(name)
        if self.process:
            say(f"{name} (pid {self.process.pid}) is still up: taken over")

    def look(self, now: float, variables: Mapping[str, str]) -> None:
        """Start it if it has ended and its pause is over."""
        if self.process and not _ended(self.process):
            self.pause = PAUSE_S if now - self.since > STEADY_S else self.pause
        elif self.process:
            self.process = None
            self.due = now + self.pause
            say(f"{self.name} has ended; it is started again in {self.pause:.0f} s")
            self.pause = min(2 * self.pause, LONGEST_PAUSE_S)
        elif now >= self.due:
            self.since = now
            self.process = launch(self.command, variables, self.folder.log(self.name))
            self.folder.note(self.name, self.process)
            say(f"{self.name} is started (pid {self.process.pid})")


def launch(command: list[str], variables: Mapping[str, str], log: Path) -> psutil.Process:
    """Start a process that outlives this one; what it prints is added to the log."""
    with log.open("ab") as output:
        started = subprocess.Popen(
            command, env=variables, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    return psutil.Process(started.pid)


def commands(settings: Settings) -> dict[str, list[str]]:
    """How server and worker are started."""
    prefect = [sys.executable, "-m", "prefect"]
    return {
        SERVER: [*prefect, "server", "start", "--host", "127.0.0.1", "--port", str(settings.port)],
        WORKER: [*prefect, "worker", "start", "--pool", settings.pool, "--type", "process"],
    }


def supervise(folder: Folder, settings: Settings, ended: threading.Event) -> None:
    """Keep server and worker up until `ended` is set; the worker is first started when the server answers."""
    variables = environment(folder, settings)
    server, worker = (Kept(folder, name, command) for name, command in commands(settings).items())
    heard = asked = time.monotonic()
    answered = False
    while not ended.wait(_LOOK_S):
        now = time.monotonic()
        server.look(now, variables)
        if answered or worker.process:
            worker.look(now, variables)
        if not answered or now - asked > _ASK_S:
            asked = now
            if answers(settings.api):
                heard, answered = now, True
        if server.process and now - max(heard, server.since) > DEAF_S:
            say(f"server (pid {server.process.pid}) has not answered for {DEAF_S:.0f} s: ended")
            server.process.kill()
            heard = now
        for name in (SUPERVISOR, SERVER, WORKER):
            bound(folder.log(name))


def recover(settings: Settings, ended: threading.Event) -> None:
    """Take up runs that died, until `ended` is set; while the server is away, wait for it."""
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectException
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    from flows.server.recover import Recovery

    recovery, away = Recovery(settings.silence), True
    with temporary_settings({PREFECT_API_URL: settings.api, PREFECT_CLIENT_MAX_RETRIES: 0}):
        while not ended.wait(_RECOVER_S):
            try:
                with get_client(sync_client=True) as client:
                    for line in recovery.look(client, datetime.now(UTC)):
                        say(line)
                away = False
            except (httpx.HTTPError, PrefectException) as exc:
                recovery.missed()
                if not away:
                    say(f"runs cannot be looked after, the server does not answer: {type(exc).__name__}")
                away = True


def bound(log: Path, most: int = LOG_BYTES) -> None:
    """Put a log that has become long aside as `<name>.1`; whoever writes to it goes on in what is now empty."""
    if log.exists() and log.stat().st_size > most:
        # The writers' handles stay valid, and they only ever add at the end.
        log.with_suffix(".log.1").write_bytes(log.read_bytes())
        os.truncate(log, 0)


def say(line: str) -> None:
    """Add a line to the supervisor's log."""
    print(time.strftime("%Y-%m-%d %H:%M:%S"), line, flush=True)  # noqa: T201 - it is written to the log


def _ended(process: psutil.Process) -> bool:
    try:
        process.wait(0)
    except psutil.TimeoutExpired:
        return False
    return True


def main() -> None:
    """Keep up what the folder's settings say, until told to end; what was started then goes on."""
    folder, ended = Folder(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    settings = folder.settings()
    assert settings is not None
    threading.Thread(target=recover, args=(settings, ended), daemon=True).start()
    supervise(folder, settings, ended)
    say("supervisor ends")


if __name__ == "__main__":
    main()
