"""Rewrites as a source has them."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final, NamedTuple, TypeVar

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from schemas.conform import rows
from schemas.tables import DROPPED
from tasks.fields import BadRowError, RowError, UnusableRowError, check_columns, text_of, usable, value_of, wrong_type
from tasks.ids import content_id
from tasks.plugins import explain
from tasks.rewrite.config import RewriteColumns
from tasks.rewrite.given import Continuation
from tasks.sources import Row

STAGE: Final = "rewrite"
TABLE: Final = "rewrites"
_LONGEST: Final = 100_000
"""Characters of a step."""
_LATEST: Final = 2**31 - 1
_CONTINUATIONS: Final = TypeAdapter(tuple[Continuation, ...])
T = TypeVar("T")
Cut = tuple[int, ...]
"""Where a reviewer's own steps start; empty: as the trace has them."""
Change = tuple[tuple[str, int, str], Cut]
"""A trace's id, a step, its new text; and the cut that the step counts by."""


class Rewrite(NamedTuple):
    """One step of one trace, as a person has written it anew."""

    place: str
    """Where it stands: `file:line`."""
    trace_id: str
    step: int
    after: str
    reviewer: str
    item: str
    round: int | None
    opened_at: datetime | None
    saved_at: datetime | None
    offsets: Cut = ()
    """Where the reviewer's own steps start; none: those of the trace."""
    continuations: tuple[Continuation, ...] = ()
    """What a model went on with already."""

    @property
    def edit(self) -> tuple[str, int, str]:
        """What is changed, whoever did: two people may write the same. What parts steps is no part of the new one."""
        return self.trace_id, self.step, self.after.rstrip().lstrip("\n")

    @property
    def change(self) -> "Change":
        """The edit, and the cut that its step counts by."""
        return self.edit, self.offsets


class Unusable(NamedTuple):
    """A row that nothing can be made of."""

    place: str
    reason: str
    evidence: str | None


class Read(NamedTuple):
    """All rows of a source."""

    rewrites: tuple[Rewrite, ...]
    unusable: tuple[Unusable, ...]


def read(source: Iterable[Row], columns: RewriteColumns) -> Read:
    """Read all rows.

    Raises:
        SourceError: the source cannot be read, or lacks a column.
    """
    found: list[Rewrite] = []
    lost: list[Unusable] = []
    for row in source:
        if row.number == 0 and row.fault is None:
            check_columns(row, {f"rewrite.columns.{name}": path for name, path in columns.model_dump().items()})
        try:
            found.append(_rewrite(row, columns))
        except RowError as exc:
            lost.append(Unusable(row.place, exc.reason, exc.evidence))
    return Read(tuple(found), tuple(lost))


def left(
    rewrites: Iterable[Rewrite], taken: Collection[Change], traces: Mapping[str, Mapping[str, Any]]
) -> Iterator[Unusable]:
    """Those whose change was not `taken`, and why; `traces` by id: text, step_offsets."""
    for one in rewrites:
        if one.change in taken:
            continue
        trace = traces.get(one.trace_id)
        if trace is None:
            yield Unusable(one.place, "unknown trace", one.trace_id)
        elif one.offsets and one.offsets[-1] >= len(trace["text"]):
            yield Unusable(one.place, "no such cut", f"at {one.offsets[-1]}, the trace has {len(trace['text'])}")
        elif one.step >= (count := len(one.offsets or trace["step_offsets"])):
            yield Unusable(one.place, "no such step", f"step {one.step}, the trace has {count}, from 0")
        else:
            yield Unusable(one.place, "rewritten more often than rewrite.rounds", one.trace_id)


def dropped(lost: Sequence[Unusable]) -> pa.Table:
    """Rows of DROPPED, named by where they stand."""
    made: list[dict[str, object]] = [
        {
            "table": TABLE,
            "row_id": one.place,
            "stage": STAGE,
            "reason": one.reason,
            "evidence": one.evidence,
            "duplicate_of": None,
        }
        for one in lost
    ]
    return rows(made, DROPPED, at=STAGE)


def digest(rewrites: Iterable[tuple[Any, ...]]) -> str:
    """What names these rewrites, in any order."""
    return content_id(*sorted(repr(tuple(one)) for one in rewrites))


def _rewrite(row: Row, columns: RewriteColumns) -> Rewrite:
    trace_id = usable(text_of(row, columns.trace_id), "trace id", _LONGEST)
    return Rewrite(
        place=row.place,
        trace_id=trace_id,
        step=_needed(_whole(row, columns.step), "step"),
        after=usable(text_of(row, columns.after), "rewritten step", _LONGEST),
        reviewer=usable(text_of(row, columns.reviewer), "reviewer", _LONGEST),
        item=text_of(row, columns.item) or trace_id,
        round=_whole(row, columns.round),
        opened_at=_time(row, columns.opened_at),
        saved_at=_time(row, columns.saved_at),
        offsets=_cut(row, columns.offsets),
        continuations=_continuations(row, columns.continuations),
    )


def _cut(row: Row, path: str | None) -> Cut:
    value = value_of(row, path)
    if value is None or path is None:
        return ()
    if not isinstance(value, list) or not all(type(one) is int for one in value):
        raise BadRowError("wrong type", f"column {path!r} holds something else than a list of whole numbers")
    if not value or value[0] != 0 or any(one >= another for one, another in pairwise(value)):
        raise UnusableRowError("no such cut", f"{value} in column {path!r}: steps start at 0 and rise")
    return tuple(value)


def _continuations(row: Row, path: str | None) -> tuple[Continuation, ...]:
    try:
        return _CONTINUATIONS.validate_python(value_of(row, path) or ())
    except ValidationError as exc:
        raise BadRowError("wrong type", f"column {path!r}: {explain(exc)}") from exc


def _needed(value: T | None, what: str) -> T:
    if value is None:
        raise UnusableRowError(f"empty {what}")
    return value


def _whole(row: Row, path: str | None) -> int | None:
    value = value_of(row, path)
    if value is None or path is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadRowError("wrong type", f"column {path!r} holds {type(value).__name__} where a whole number should be")
    if not 0 <= value <= _LATEST:
        raise UnusableRowError("no such step", f"{value} in column {path!r}")
    return value


def _time(row: Row, path: str | None) -> datetime | None:
    value: Any = value_of(row, path)
    if value is None or path is None:
        return None
    if not isinstance(value, str | datetime):
        raise wrong_type(value, path)
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise BadRowError("not a time", f"{value!r} in column {path!r}") from exc
