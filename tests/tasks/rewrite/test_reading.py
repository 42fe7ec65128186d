"""Rewrites as files have them: what is of no use is told, row by row."""

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.errors import SourceError
from tasks.rewrite.config import RewriteColumns
from tasks.rewrite.reading import Rewrite, digest, dropped, left, read
from tasks.sources import Row

GOOD: dict[str, Any] = {"trace_id": "t1", "step": 2, "after": "2 + 2 = 4", "reviewer": "owl"}


def rows(*values: dict[str, Any]) -> list[Row]:
    return [Row(f"f:{number}", number, one) for number, one in enumerate(values)]


def test_a_row() -> None:
    found = read(rows(GOOD), RewriteColumns())
    assert found.rewrites == (Rewrite("f:0", "t1", 2, "2 + 2 = 4", "owl", "t1", None, None, None),)
    assert found.unusable == ()


def test_columns_by_other_names() -> None:
    columns = RewriteColumns(
        trace_id="of.trace", after="text", item="id", round="turn", opened_at="opened", saved_at="saved"
    )
    values = {"of": {"trace": "t1"}, "step": 0, "text": "x", "reviewer": "owl", "id": "7", "turn": 3}
    times = {"opened": "2026-01-02T03:04:05+01:00", "saved": datetime(2026, 1, 2, 5)}
    (one,) = read(rows(values | times), columns).rewrites
    assert (one.item, one.round) == ("7", 3)
    assert one.opened_at == datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)
    assert one.saved_at == datetime(2026, 1, 2, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"after": " \n"}, "empty rewritten step"),
        ({"after": None}, "empty rewritten step"),
        ({"trace_id": ""}, "empty trace id"),
        ({"step": None}, "empty step"),
        ({"step": -1}, "no such step"),
        ({"step": 2**40}, "no such step"),
        ({"step": "2"}, "wrong type"),
        ({"step": True}, "wrong type"),
        ({"after": ["x"]}, "wrong type"),
        ({"reviewer": ""}, "empty reviewer"),
        ({"at": "yesterday"}, "not a time"),
        ({"at": 5}, "wrong type"),
    ],
)
def test_rows_of_no_use(change: dict[str, Any], reason: str) -> None:
    found = read(rows(GOOD | {"at": None}, GOOD | {"at": None} | change), RewriteColumns(saved_at="at"))
    assert len(found.rewrites) == 1
    assert [(one.place, one.reason) for one in found.unusable] == [("f:1", reason)]
    (row,) = dropped(found.unusable).to_pylist()
    assert (row["table"], row["row_id"], row["stage"], row["reason"]) == ("rewrites", "f:1", "rewrite", reason)


def test_broken_rows_and_missing_columns() -> None:
    found = read([Row("f:0", 0, {}, ("broken JSON", "at 3"))], RewriteColumns())
    assert [one.reason for one in found.unusable] == ["broken JSON"]
    with pytest.raises(SourceError, match=r"no column 'after', which rewrite\.columns\.after names"):
        read(rows({"trace_id": "t", "step": 1, "reviewer": "owl"}), RewriteColumns())


def test_traces_and_steps_that_there_are_not() -> None:
    found = read(rows(GOOD, GOOD | {"trace_id": "t2"}, GOOD | {"step": 3}), RewriteColumns())
    trace = {"text": "a\nb\nc", "step_offsets": [0, 2, 4]}
    lost = list(left(found.rewrites, {found.rewrites[0].change}, {"t1": trace}))
    assert [(one.place, one.reason) for one in lost] == [("f:1", "unknown trace"), ("f:2", "no such step")]


def test_cuts_that_there_are_not() -> None:
    cut = RewriteColumns(offsets="cut")
    found = read(rows(*(GOOD | {"cut": one} for one in (None, [0, 2, 5], [0, 2], [1, 2], [0, 0], [], [0.5], "0"))), cut)
    assert [one.offsets for one in found.rewrites] == [(), (0, 2, 5), (0, 2)]
    assert [one.reason for one in found.unusable] == ["no such cut"] * 3 + ["wrong type"] * 2
    lost = list(left(found.rewrites, set(), {"t1": {"text": "a\nb\nc", "step_offsets": [0, 2, 4]}}))
    assert [one.reason for one in lost] == ["rewritten more often than rewrite.rounds", "no such cut", "no such step"]


def test_continuations_that_came_along() -> None:
    columns = RewriteColumns(continuations="on")
    good = {"id": "a", "number": 0, "text": "so", "model": "m", "status": "correct", "temperature": 1}
    found = read(rows(*(GOOD | {"on": one} for one in ([good], None, [{"id": "a"}], [good | {"seed": "x"}]))), columns)
    ((one,), none) = (each.continuations for each in found.rewrites)
    assert (one.id, one.model, one.temperature, one.seed, none) == ("a", "m", 1.0, None, ())
    assert [each.reason for each in found.unusable] == ["wrong type"] * 2
    assert "on" in (found.unusable[0].evidence or "")


def test_an_edit_is_one_whoever_made_it() -> None:
    found = read(rows(GOOD, GOOD | {"reviewer": "elk", "after": "\n2 + 2 = 4 \n"}), RewriteColumns())
    first, second = (one.edit for one in found.rewrites)
    assert first == second
    assert digest([first, ("t", 1, "x")]) == digest([("t", 1, "x"), first]) != digest([first])
