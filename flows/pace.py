"""How fast a stage goes, what it costs, and how long it will take."""

import time
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple


class Took(NamedTuple):
    """What a stage, or several turns of it, took and brought."""

    seconds: float = 0.0
    rows: int = 0
    tokens: int = 0


class Pace:
    """Counts a stage's rows, and what else it measures, from the moment it is made."""

    def __init__(self, total: int | None) -> None:
        self.total = total
        self.rows = 0
        self.amounts: Counter[str] = Counter()
        self.began = time.monotonic()

    def measure(self, amounts: Mapping[str, int]) -> None:
        """Add tokens, accepted traces."""
        self.amounts.update(amounts)

    @property
    def took_s(self) -> float:
        """Seconds so far."""
        return time.monotonic() - self.began

    def after(self, before: Took) -> Took:
        """What the stage took so far, with its earlier turns."""
        return Took(before.seconds + self.took_s, before.rows + self.rows, before.tokens + self.amounts["tokens"])

    @property
    def share(self) -> float:
        """The share that is done, 0 to 1; 0 while the total is unknown."""
        return min(1.0, self.rows / self.total) if self.total else 0.0

    def speed(self) -> str:
        """Tokens a second and what an accepted trace costs; rows a second where no tokens are sampled."""
        took = max(self.took_s, 1e-6)
        tokens, accepted = self.amounts["tokens"], self.amounts["accepted"]
        if not tokens:
            return f"{self.rows / took:,.0f} rows/s"
        speed = f"{tokens / took:,.0f} tokens/s"
        if not accepted:
            return speed
        return (
            f"{speed}, {accepted:,} accepted, {60 * accepted / took:,.0f}/min, "
            f"{tokens / accepted:,.0f} tokens and {took / accepted:.2g} s each"
        )

    def line(self) -> str:
        """Rows, speed, and the time left where the total is known."""
        if not self.total:
            return f"{self.rows:,} rows, {self.speed()}"
        left = (self.total - self.rows) * self.took_s / self.rows if self.rows else 0
        return f"{self.rows:,} of {self.total:,} rows, {self.speed()}, {left:,.0f} s left"

    def outcome(self) -> str:
        """What the stage came to."""
        if not self.rows:
            return "done before, kept"
        more = f", {self.speed()}" if self.amounts else ""
        return f"{self.rows:,} rows in {self.took_s:.1f} s{more}"
