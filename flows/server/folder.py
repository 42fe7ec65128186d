"""The folder with what a server is known by: settings, the processes that were started, their logs."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil
from pydantic import Field, ValidationError

from schemas.base import ConfigBase
from schemas.errors import ServerError

VARIABLE: Final = "TRACEMILL_STATE"
"""The environment variable with the folder's path; a shell may have it, too."""
MARK: Final = "TRACEMILL_STARTED_BY"
"""Whatever a server started has this variable with the folder's path, runs and engines too."""
SUPERVISOR: Final = "supervisor"
SERVER: Final = "server"
WORKER: Final = "worker"


class Settings(ConfigBase):
    """How a server was started; it is started again in the same way."""

    port: int = Field(default=4200, ge=1, le=65535)
    pool: str = Field(default="tracemill", min_length=1)
    silence: int = Field(default=300, ge=60, description="seconds without a sign of life until a run counts as dead")
    database: str = Field(default="", description="where runs are kept, without a password")
    deployed: str = Field(default="", description="digest of the deployments that the server was given")

    @property
    def page(self) -> str:
        """The Prefect page's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def api(self) -> str:
        """The address of Prefect's API."""
        return f"{self.page}/api"


class _Started(ConfigBase):
    """A process, told from another one with the same pid by its start, in seconds since the machine's."""

    pid: int
    started: float


class Folder:
    """A server's folder: that of TRACEMILL_STATE, else `.tracemill` of the working directory."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = (path or Path(os.environ.get(VARIABLE, ".tracemill"))).resolve()

    def create(self) -> None:
        """Have the folder, which only its user may read: there may be runs' parameters in it.

        Raises:
            ServerError: it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.log(SUPERVISOR).touch()
        except OSError as exc:
            raise ServerError(
                f"{self.path}: cannot be written ({exc.strerror}); name another folder: {VARIABLE}"
            ) from exc

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nobody else start or stop the server meanwhile."""
        with (self.path / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def log(self, name: str) -> Path:
        """Where a process writes."""
        return self.path / f"{name}.log"

    def settings(self) -> Settings | None:
        """How the server was started; None before that."""
        try:
            return Settings.model_validate_json((self.path / "settings.json").read_bytes())
        except (OSError, ValidationError):
            return None

    def keep(self, settings: Settings) -> None:
        """Note how the server was started."""
        self._put("settings.json", settings.model_dump_json(indent=2))

    def note(self, name: str, process: psutil.Process) -> None:
        """Note a process that was started."""
        self._put(f"{name}.json", _Started(pid=process.pid, started=_started(process)).model_dump_json())

    def process(self, name: str) -> psutil.Process | None:
        """The process that was started as `name`; None if it has ended. A later one with its pid is not it."""
        try:
            noted = _Started.model_validate_json((self.path / f"{name}.json").read_bytes())
            process = psutil.Process(noted.pid)
            same = abs(_started(process) - noted.started) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except (OSError, ValidationError, psutil.NoSuchProcess):
            return None
        return process if same else None

    def forget(self, name: str) -> None:
        """Note that a process has ended."""
        (self.path / f"{name}.json").unlink(missing_ok=True)

    def offspring(self) -> list[psutil.Process]:
        """All processes that carry this folder's name in their environment: what runs started, and outlives them."""
        return [one for one in psutil.process_iter() if one.pid != os.getpid() and self._marked(one)]

    def _marked(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(MARK) == str(self.path) and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.Error, OSError):  # Somebody else's, or gone.
            return False

    def _put(self, name: str, text: str) -> None:
        new = self.path / f"{name}.new"
        new.write_text(text)
        new.replace(self.path / name)


def _started(process: psutil.Process) -> float:
    return process.create_time() - psutil.boot_time()
