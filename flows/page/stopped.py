"""What a run that was cancelled leaves, and how to go on."""

from collections.abc import Mapping

from flows.pace import Pace, Took
from flows.page import cards


def show_stopped(took: Mapping[str, Took], under_way: Mapping[str, Pace]) -> str:
    """Show it as the run's overview; gives it in one sentence, for the log."""
    where = " and ".join(f"in {stage} ({_done(pace)})" for stage, pace in under_way.items()) or "between two stages"
    said = (
        f"stopped {where}; finished before: {', '.join(took) or 'nothing'}. What was made until then is stored in the "
        "lake, and every process of the run has ended. A run with the same recipe and lake goes on from here"
    )
    cards.text("overview", "The run was stopped before its end", f"**{said[0].upper()}{said[1:]}.**")
    return said


def _done(pace: Pace) -> str:
    return f"{pace.rows:,} of {pace.total:,} rows" if pace.total else f"{pace.rows:,} rows"
