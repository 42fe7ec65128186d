"""What came of rewrites, and which of them a person should look at again."""

from collections.abc import Mapping
from typing import Any

import pytest

from tasks.rewrite.outcomes import depth, doubt


@pytest.mark.parametrize(
    ("before", "after", "reference", "told"),
    [
        ("1 + 2 = 4", "1 + 2 = 3", "10", None),
        ("1 + 2 = 4", "1 + 2 = 3, so it is 10.", "10", "the rewritten step holds the reference answer"),
        ("1 + 2 = 4", "110 - 2 = 108, 10.5", "10", None),
        ("6 + 4 = 10", "6 + 4 equals 10", "10", None),
        ("a", "b", None, None),
        ("a", "b", " ", None),
        ("a", "b\nc", None, "the rewritten step is 2 steps"),
        ("a", "b\n\n10", "10", "the rewritten step holds the reference answer; the rewritten step is 2 steps"),
    ],
)
def test_doubts(before: str, after: str, reference: str | None, told: str | None) -> None:
    assert doubt(before, after, reference) == told


def test_depth() -> None:
    parents: dict[str, str | None] = {"a": None, "b": "a", "c": "b"}
    traces: dict[str, Mapping[str, Any]] = {name: {"parent_trace_id": one} for name, one in parents.items()}
    assert [depth(one, traces) for one in "abc"] == [0, 1, 2]
