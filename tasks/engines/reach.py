"""Patience with a server: it may be out of reach for a while, but not for ever."""

import time
from typing import Final

from schemas.errors import EngineError
from tasks.progress import watcher

_TELL_S: Final = 3.0
"""A shorter silence is not worth a word."""


class Reach:
    """When a server last answered a request, and since when it has not; any answer ends the waiting."""

    def __init__(self, server: str, patience_s: float) -> None:
        self._server, self._patience_s = server, patience_s
        self._answered: float | None = None
        self._silent: float | None = None
        self._told = False

    def answered(self) -> None:
        """A request was answered, if only by turning it down."""
        if self._told:
            watcher().noted(f"{self._server} answers again")
            self._told = False
        self._answered, self._silent = time.monotonic(), None

    def failed(self, detail: str) -> None:
        """A request was not answered, because of `detail`.

        Raises:
            EngineError: none has been for as long as patience lasts.
        """
        now = time.monotonic()
        self._silent = now if self._silent is None else self._silent
        if now - self._silent >= self._patience_s:
            raise EngineError(
                f"{self._server} answered no request for {now - self._silent:.0f} s ({detail}): what was finished is "
                "stored; start the server and run the same command again, or raise `patience_s`"
            )
        if now - self._silent >= _TELL_S and not self._told:
            watcher().noted(f"{self._server} does not answer ({detail}): waiting {self.left_s:.0f} s more for it")
            self._told = True

    @property
    def left_s(self) -> float:
        """Seconds of patience."""
        waited = time.monotonic() - self._silent if self._silent is not None else 0.0
        return max(0.0, self._patience_s - waited)

    @property
    def lively(self) -> bool:
        """Whether the server has answered within the time that patience lasts."""
        return self._answered is not None and time.monotonic() - self._answered < self._patience_s
