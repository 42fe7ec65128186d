"""How Prefect behaves in a run that a person starts by hand: quiet, and without calling anywhere."""

import os
from typing import Final

_DEFAULTS: Final = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_SERVER_LEVEL": "CRITICAL",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
}


def quiet_prefect() -> None:
    """Set what Prefect reads when it is imported; what a user has set stays."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
