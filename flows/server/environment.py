"""What server, worker and runs find in their environment."""

import os
import re
from collections.abc import Mapping
from typing import Final

from flows.environment import history
from flows.server.folder import MARK, VARIABLE, Folder, Settings

DATABASE: Final = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
_OTHER_DATABASE: Final = re.compile(r"PREFECT_(SERVER|API)_DATABASE_")
HEARTBEAT_S: Final = 30
"""As often as Prefect allows."""
_ALWAYS: Final = {
    "DO_NOT_TRACK": "1",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_V2_ENABLED": "false",  # it calls an analytics host all the same
    # Slots of concurrency limits outlast a server that dies; in memory they would be lost, and their runs ended.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_LOGGING_SERVER_LEVEL": "WARNING",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO",
    "PYTHONUNBUFFERED": "1",
}
_UNLESS_SET: Final = {
    # A run or worker waits up to eight minutes for a server that is away; a database that is away is status 500.
    "PREFECT_CLIENT_MAX_RETRIES": "8",
    "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S),
    "PREFECT_WORKER_QUERY_SECONDS": "5",
}


def environment(folder: Folder, settings: Settings) -> dict[str, str]:
    """The environment of everything that a server starts: this process's, with Prefect set to this server."""
    mine = dict(os.environ)
    if mine.get("PREFECT_SERVER_DATABASE_NAME") == history():
        # The command line's own: runs by hand keep their history elsewhere.
        del mine["PREFECT_SERVER_DATABASE_NAME"]
        mine.pop("PREFECT_SERVER_DATABASE_DRIVER", None)
    if not any(map(_OTHER_DATABASE.match, mine)):
        mine[DATABASE] = f"sqlite+aiosqlite:///{folder.path}/prefect.db"
    home = {"PREFECT_HOME": str(folder.path / "prefect")}
    known = dict.fromkeys((VARIABLE, MARK), str(folder.path))
    own = known | {"PREFECT_API_URL": settings.api, "PREFECT_UI_URL": settings.page}
    return home | _UNLESS_SET | mine | _ALWAYS | own


def database(variables: Mapping[str, str]) -> str:
    """Where Prefect keeps its runs, without user and password."""
    url = variables.get(DATABASE)
    if url is None:
        return "a database of the environment's PREFECT_SERVER_DATABASE_* variables"
    scheme, _, rest = url.partition("://")
    place = rest.rpartition("@")[2].partition("?")[0]
    # With a second @, one of the two is part of a password.
    return f"{scheme}://{'…' if rest.count('@') > 1 else place}"
