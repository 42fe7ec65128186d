"""How jobs are done."""

from dataclasses import dataclass
from datetime import timedelta

from review.jobs.queue import LEASE


@dataclass(frozen=True)
class Pace:
    """How many at once, and when to give up waiting."""

    together: int = 32
    """Jobs of one model in flight."""
    aside: int = 8
    """Of these so many at most that nobody waits for: suggestions and effects."""
    poll_s: float = 0.2
    """Between two looks for jobs."""
    lease: timedelta = LEASE
    """A server without a sign of life for so long is taken for dead; it gives one each third of that."""
    idle_s: float = 300.0
    """An engine that nothing was asked of for so long is ended."""
