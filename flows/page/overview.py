"""A run in five lines: the first thing that a person sees of it."""

from collections import Counter
from typing import NamedTuple

from schemas.summary import Summary
from tasks import report

_REASONS = 3


class Gain(NamedTuple):
    """What a run added to the release before; all that there is, where there is none before."""

    traces: int
    accepted: int

    @classmethod
    def of(cls, summary: Summary, before: Summary | None) -> "Gain":
        """What is in `summary` beyond `before`; negative where settings changed and less was accepted."""
        return cls(
            traces(summary) - (traces(before) if before else 0),
            summary.accepted - (before.accepted if before else 0),
        )


def overview(summary: Summary, before: Summary | None, release: str, cost: str) -> str:
    """The run's outcome; `release` and `cost` are told as given."""
    gain = Gain.of(summary, before)
    had = f"; {report.share(before.accepted, traces(before))} before" if before and traces(before) else ""
    new = f" ({gain.accepted:+,})" if before else ""
    all_of = f"{report.share(summary.accepted, traces(summary)) or 'none'} of all traces{had}"
    of_new = f"{report.share(gain.accepted, gain.traces)} of the new ones, " if before and gain.traces > 0 else ""
    # No table: the page breaks no lines in its cells.
    lines = [
        ("new traces", f"{gain.traces:,}" + (f" of {traces(summary):,}" if before else "")),
        ("accepted", f"{summary.accepted:,}{new}"),
        ("yield", of_new + all_of),
        ("dropped most by", dropped_most(summary, before)),
        ("release", release),
        ("cost", cost),
    ]
    return f"## {summary.recipe}\n\n" + "\n".join(f"- **{name}**: {said}" for name, said in lines)


def dropped_most(summary: Summary, before: Summary | None) -> str:
    """The reasons for which most rows were dropped beyond those that were dropped before."""
    fresh = drops(summary)
    fresh.subtract(drops(before) if before else {})
    most = [(why, rows) for why, rows in fresh.most_common(_REASONS) if rows > 0]
    return "; ".join(f"{stage}: {reason} ({rows:,} {table})" for (stage, table, reason), rows in most) or "nothing"


def drops(summary: Summary) -> Counter[tuple[str, str, str]]:
    """Dropped rows by stage, table and reason."""
    return Counter(
        {(step.stage, step.table, reason): rows for step in summary.funnel for reason, rows in step.reasons.items()}
    )


def traces(summary: Summary) -> int:
    """How many traces there are, accepted or not."""
    return sum(summary.verdicts.values())
