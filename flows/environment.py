"""How Prefect behaves in a run that a person starts by hand: quiet, calling nowhere, with a server of its own."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

from schemas.errors import ServerError
from tasks.engines.redact import redact

_DEFAULTS: Final = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_SERVER_LEVEL": "CRITICAL",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
}
_DATABASE: Final = re.compile(r"PREFECT_(SERVER|API)_DATABASE_")
_NO_SERVER: Final = re.compile(r"Failed to reach API at (?P<url>\S+)|ephemeral Prefect API server")


def quiet_prefect() -> None:
    """Set what Prefect reads when it is imported; what a user has set stays.

    A run that starts its own server keeps its history in a file for each version of Prefect: an older version cannot
    open the database of a newer one, and the environment with vLLM has an older version.
    """
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    if not any(map(_DATABASE.match, os.environ)):
        os.environ["PREFECT_SERVER_DATABASE_DRIVER"] = "sqlite+aiosqlite"
        os.environ["PREFECT_SERVER_DATABASE_NAME"] = history()


def history() -> str:
    """The file in which runs that start their own server keep their history."""
    home = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()
    return str(home / f"tracemill-{version('prefect')}.db")


@contextmanager
def reachable() -> Iterator[None]:
    """Say in one sentence where Prefect's server is missing.

    Raises:
        ServerError: the server that is set cannot be reached, or a temporary one does not start.
    """
    try:
        yield
    except RuntimeError as exc:
        found = _NO_SERVER.search(str(exc))
        if not found:
            raise
        if url := found["url"]:
            raise ServerError(
                f"no Prefect server answers at {redact(url)}; start it, or unset PREFECT_API_URL"
            ) from exc
        raise ServerError("Prefect's server does not start; `prefect server start` says why") from exc
