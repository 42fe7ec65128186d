"""Small pools: problems and traces as records that name only what matters."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import pyarrow as pa
import pytest

from schemas.tables import DROPPED, PROBLEMS, RATINGS, STANDINGS, TRACES
from tasks.select.contract import Earlier, Pool
from tasks.select.select import build, pool_of, select

Records: TypeAlias = Sequence[dict[str, Any]]
Tables: TypeAlias = dict[str, pa.Table]
_ZERO: dict[pa.DataType, Any] = {pa.string(): "", pa.int32(): 0, pa.list_(pa.int32()): [], pa.float32(): 0.0}


def _table(schema: pa.Schema, records: Records) -> pa.Table:
    empty = {field.name: None if field.nullable else _ZERO[field.type] for field in schema}
    known = [{name: value for name, value in one.items() if name in schema.names} for one in records]
    return pa.Table.from_pylist([empty | {"domain": "math"} | one for one in known], schema)


def _tables(problems: Records, traces: Records) -> Tables:
    rated = [
        {"judge": "wise", "subject_id": one["trace_id"], "score": one["rated"]} for one in traces if "rated" in one
    ]
    return {
        "problems": _table(PROBLEMS, problems),
        "traces": _table(TRACES, traces),
        "standings": _table(STANDINGS, [one for one in traces if "status" in one]),
        "ratings": _table(RATINGS, rated),
        "dropped": DROPPED.empty_table(),
    }


@pytest.fixture(scope="session")
def tables() -> Callable[[Records, Records], Tables]:
    """A round's tables; a trace's record may have `status`, `score` and `rated` too."""
    return _tables


@pytest.fixture(scope="session")
def pool() -> Callable[..., Pool]:
    """The pool of such a round; `earlier` is another one, of which all is kept."""

    def make(problems: Records, traces: Records, earlier: tuple[Records, Records] = ((), ())) -> Pool:
        own, before = _tables(problems, traces), _tables(*earlier)
        return pool_of(own, own["traces"]["text"], Earlier(before["problems"], before["traces"]))

    return make


@pytest.fixture(scope="session")
def outcome() -> Callable[..., dict[str, str]]:
    """Why each id goes, by id."""

    def run(chosen_from: Pool, *steps: dict[str, Any]) -> dict[str, str]:
        dropped = select(chosen_from, build(steps))
        return dict(zip(*(dropped[name].to_pylist() for name in ("row_id", "reason")), strict=True))

    return run
