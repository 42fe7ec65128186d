"""Keeping keys out of messages and logs."""

import logging
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import quote

HIDDEN: Final = "[hidden]"
_URL_LOGIN: Final = re.compile(r"(?<=://)[^\s/@]+@")
_LOOKS_SECRET: Final = re.compile(
    r"(?i:(?<=bearer )|(?<=basic ))[\w.~+/-]{8,}=*|\b(?:sk|pk|hf|gsk|xai|nvapi)[-_][\w-]{8,}[\w*-]*"
)
_CLIENTS: Final = ("openai", "httpx", "httpcore")
_SHORT: Final = 4
"""Characters; a shorter key stands in too many words, and protects nothing."""


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without the secrets, without logins in URLs, and without what looks like a bearer token or a key.

    Secrets are found in Base64 and as URLs have them, too.
    """
    for secret in secrets:
        if len(secret) >= _SHORT:
            for form in (secret, quote(secret, safe=""), b64encode(secret.encode()).decode().rstrip("=")):
                text = text.replace(form, HIDDEN)
    return _LOOKS_SECRET.sub(HIDDEN, _URL_LOGIN.sub(f"{HIDDEN}@", text))


@contextmanager
def redacted_logs(secrets: Iterable[str]) -> Iterator[None]:
    """Inside the block the loggers of the HTTP clients write no secret."""
    hide = _Hide(tuple(secrets))
    # A filter counts for its own logger only, not for the ones below it.
    loggers = [logging.getLogger(name) for name in sorted(logging.root.manager.loggerDict) if name.startswith(_CLIENTS)]
    for logger in loggers:
        logger.addFilter(hide)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(hide)


class _Hide(logging.Filter):
    def __init__(self, secrets: tuple[str, ...]) -> None:
        super().__init__()
        self._secrets = secrets

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage(), self._secrets), ()
        return True
