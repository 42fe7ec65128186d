"""What a source row's columns hold, as text; or why the row cannot be used."""

from collections.abc import Mapping
from typing import Any

from schemas.errors import SourceError
from tasks.columns import MISSING, follow, parse
from tasks.sources import Row


class RowError(Exception):
    """A row cannot be used: the reason, one of few, and its evidence."""

    def __init__(self, reason: str, evidence: str | None = None) -> None:
        super().__init__(reason if evidence is None else f"{reason}: {evidence}")
        self.reason = reason
        self.evidence = evidence


class BadRowError(RowError):
    """A fault of the file: it ends the run, or drops the row, as the stage says."""


class UnusableRowError(RowError):
    """A sound row that nothing can be made of."""


def check_columns(row: Row, wanted: Mapping[str, str | None]) -> None:
    """Check that a source's first row has the columns that settings name.

    `wanted` is column paths by setting; None stands for a setting that names no column.

    Raises:
        SourceError: one is not there; the message names the setting and the columns there are.
    """
    for setting, path in wanted.items():
        if path is not None and parse(path).root not in row.values:
            raise SourceError(
                f"{row.place}: no column {parse(path).root!r}, which {setting} names; there are {', '.join(row.values)}"
            )


def usable(text: str | None, what: str, max_chars: int) -> str:
    """The text, if there is any and not too much of it.

    Raises:
        UnusableRowError: otherwise.
    """
    if text is None or not text.strip():
        raise UnusableRowError(f"empty {what}")
    if len(text) > max_chars:
        raise UnusableRowError(f"{what} longer than max_chars", f"{len(text)} characters, max_chars {max_chars}")
    return text


def value_of(row: Row, path: str | None) -> Any:
    """What a column path leads to in the row; None where there is no path.

    Raises:
        BadRowError: the row could not be read, or the path leads nowhere.
    """
    if row.fault is not None:
        raise BadRowError(*row.fault)
    if path is None:
        return None
    found = follow(row.values, parse(path))
    if found is MISSING:
        raise BadRowError("missing column", repr(path))
    return found


def text_of(row: Row, path: str | None) -> str | None:
    """The text that a column path leads to; None where there is no path, or null in the column.

    Raises:
        BadRowError: as `value_of`, or it is no text.
    """
    return None if path is None else as_text(value_of(row, path), path)


def as_text(found: Any, path: str) -> str | None:
    """A string, or a number as one; numbers are how many sets hold their reference answers.

    Raises:
        BadRowError: it is neither.
    """
    if found is None or isinstance(found, str):
        return found
    if isinstance(found, int | float) and not isinstance(found, bool):
        return str(found)
    raise wrong_type(found, path)


def wrong_type(found: Any, path: str) -> BadRowError:
    """The fault of a column that holds something else than text."""
    kind = "nothing" if found is MISSING else type(found).__name__
    return BadRowError("wrong type", f"column {path!r} holds {kind} where text should be")
