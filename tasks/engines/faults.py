"""What it means that a server did not answer with a completion, and how long to wait before it is asked again."""

import random
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Final, NamedTuple

_WAIT_FIRST_S: Final = 0.5
_WAIT_MOST_S: Final = 30.0
_MESSAGE_MAX: Final = 500
_TOO_LONG: Final = re.compile(
    r"context[ _-]?(length|window|size)|maximum[^.]*(context|tokens|length)|max[ _-](model[ _-])?(context|len)"
    r"|(prompt|input)[^.]*(too long|longer than)|exceeds?[^.]*context",
    re.IGNORECASE,
)


class Blame(Enum):
    """Whose fault it is."""

    ROW = auto()
    """The request is turned down, and would be again."""
    LENGTH = auto()
    """It is longer than the model's context."""
    SETTING = auto()
    """No request would be answered: the key, the address or the model's name is wrong."""
    BUSY = auto()
    """The server asks for patience, whoever asks it."""
    SERVER = auto()
    """It broke, was silent for too long, or cannot be reached."""


class Fault(NamedTuple):
    """Why there is no completion; `wait_s` is what the server asked for."""

    blame: Blame
    detail: str
    wait_s: float | None = None
    status: int | None = None


class GarbledReplyError(ValueError):
    """A server's reply is not what it should be."""


_BY_STATUS: Final = (
    {400: Blame.ROW, 413: Blame.ROW, 422: Blame.ROW, 429: Blame.BUSY, 503: Blame.BUSY}
    | {408: Blame.SERVER, 409: Blame.SERVER}
    | dict.fromkeys((401, 403, 404), Blame.SETTING)
)


def fault_of_status(status: int, message: str, headers: Mapping[str, str]) -> Fault:
    """What a reply with an HTTP status of 400 or more means."""
    blame = _BY_STATUS.get(status, Blame.SERVER if status >= 500 else Blame.SETTING)
    if blame is Blame.ROW and _TOO_LONG.search(message):
        blame = Blame.LENGTH
    return Fault(blame, f"status {status}: {message[:_MESSAGE_MAX]}", _retry_after(headers), status)


def pause(failures: int, wait_s: float | None) -> float:
    """Seconds before the next try, after so many failures in a row.

    Exponential with full jitter (Brooker, AWS Architecture Blog, 2015); at least what the server asked for.
    """
    ceiling = min(_WAIT_MOST_S, _WAIT_FIRST_S * 2.0 ** min(failures, 16))
    jitter = random.uniform(0, ceiling if wait_s is None else _WAIT_FIRST_S)  # noqa: S311 - no secret
    return jitter + (wait_s or 0)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    told = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", told, re.ASCII):
        return float(told)
    try:
        date = parsedate_to_datetime(told)
    except ValueError:
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
