"""Progress of long work, reported to whoever watches: the terminal, a page, or nobody."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol


class Watcher(Protocol):
    """Told what a stage is doing; rate and time left are the watcher's to work out."""

    def started(self, stage: str, total: int | None) -> None:
        """A stage begins; `total` rows are to come, None where that is not known."""

    def advanced(self, stage: str, rows: int) -> None:
        """`rows` more rows are done."""

    def measured(self, stage: str, amounts: Mapping[str, int]) -> None:
        """More of what a stage measures beside rows: `tokens` that were sampled, traces that were `accepted`."""

    def noted(self, message: str) -> None:
        """Something that explains to a person why work does not go on as it should."""

    def finished(self, stage: str) -> None:
        """A stage is done; where no row advanced, its tables were there already."""


class _Nobody:
    def started(self, stage: str, total: int | None) -> None: ...
    def advanced(self, stage: str, rows: int) -> None: ...
    def measured(self, stage: str, amounts: Mapping[str, int]) -> None: ...
    def noted(self, message: str) -> None: ...
    def finished(self, stage: str) -> None: ...


@dataclass(eq=False)
class Record(_Nobody):
    """Keeps what parts of a stage report, for a watcher in another process."""

    rows: Counter[str] = field(default_factory=Counter)
    amounts: dict[str, Counter[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def advanced(self, stage: str, rows: int) -> None:
        """Count rows."""
        self.rows[stage] += rows

    def measured(self, stage: str, amounts: Mapping[str, int]) -> None:
        """Count what is measured."""
        self.amounts.setdefault(stage, Counter()).update(amounts)

    def noted(self, message: str) -> None:
        """Keep it."""
        self.notes.append(message)

    def told_to(self, other: Watcher) -> None:
        """Report all of it."""
        for stage, rows in self.rows.items():
            other.advanced(stage, rows)
        for stage, amounts in self.amounts.items():
            other.measured(stage, amounts)
        for message in self.notes:
            other.noted(message)


_watchers: list[Watcher] = [_Nobody()]


def watcher() -> Watcher:
    """Whoever watches now."""
    return _watchers[-1]


@contextmanager
def watched_by(new: Watcher) -> Iterator[None]:
    """Report to `new` inside the block."""
    _watchers.append(new)
    try:
        yield
    finally:
        _watchers.remove(new)


@contextmanager
def reported(stage: str, total: int | None = None) -> Iterator[None]:
    """Tell the watcher that the block is a stage's work, `total` rows of it."""
    watcher().started(stage, total)
    yield
    watcher().finished(stage)
