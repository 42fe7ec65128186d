"""Patience with a server: it may be out of reach for a while, but not for ever."""

import time

from schemas.errors import EngineError


class Reach:
    """When a server last answered a request, and since when it has not; any answer ends the waiting."""

    def __init__(self, server: str, patience_s: float) -> None:
        self._server, self._patience_s = server, patience_s
        self._answered: float | None = None
        self._silent: float | None = None

    def answered(self) -> None:
        """A request was answered, if only by turning it down."""
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

    @property
    def left_s(self) -> float:
        """Seconds of patience."""
        waited = time.monotonic() - self._silent if self._silent is not None else 0.0
        return max(0.0, self._patience_s - waited)

    @property
    def lively(self) -> bool:
        """Whether the server has answered within the time that patience lasts."""
        return self._answered is not None and time.monotonic() - self._answered < self._patience_s
