"""What came of each domain, model, sampler and persona."""

from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.summary import Yield
from schemas.tables import YIELDS
from tasks.tally.agreement import wilson
from tasks.tally.yields import LISTED, added, ends, yields

PROBLEMS = pa.table(
    {
        "problem_id": ["p", "q", "r"],
        "domain": ["math", "math", "code"],
        "persona_id": pa.array(["ann", "ann", None]),
    }
)
TRACES = pa.table(
    {
        "trace_id": list("abcdefg"),
        "problem_id": ["p", "p", "p", "q", "q", "p", "p"],
        "parent_trace_id": [None, None, None, None, None, "b", None],
        "origin": ["generated"] * 5 + ["rewritten", "imported"],
        "model": ["m", "m", "n", "m", None, "m", "gold"],
        "source": ["one", "two", "one", "one", "files", "one", "gold"],
    }
)
STANDINGS = pa.table(
    {
        "trace_id": list("abcdefg"),
        "status": ["correct", "incorrect", "correct", "unverifiable", "correct", "correct", "correct"],
    }
)
DROPPED = pa.table({"table": ["traces", "problems"], "row_id": ["c", "q"]})


def of(found: tuple[Yield, ...]) -> dict[tuple[str, str], tuple[int, ...]]:
    return {
        (one.by, one.name): (one.problems, one.traces, one.correct.of, one.correct.count, one.kept) for one in found
    }


def test_what_is_counted() -> None:
    counted = yields(PROBLEMS, TRACES, STANDINGS, DROPPED)
    assert counted.schema.equals(YIELDS, check_metadata=True)
    # A rewritten trace and a gold one are kept, but no model is measured by them; c was dropped.
    assert of(added(ds.dataset(counted))) == {
        ("domain", "math"): (2, 7, 4, 3, 4),
        ("domain", "code"): (1, 0, 0, 0, 0),
        ("model", "m"): (2, 4, 2, 1, 2),
        ("model", "n"): (1, 1, 1, 1, 0),
        ("model", "files"): (1, 1, 1, 1, 1),
        ("model", "gold"): (1, 1, 0, 0, 1),
        ("sampler", "one"): (2, 4, 2, 2, 2),
        ("sampler", "two"): (1, 1, 1, 0, 0),
        ("sampler", "files"): (1, 1, 1, 1, 1),
        ("sampler", "gold"): (1, 1, 0, 0, 1),
    }
    found = ends(ds.dataset(counted), "persona", 3)
    assert of(found.best) == {("persona", "ann"): (2, 7, 4, 3, 4)}
    assert (found.worst, found.names) == ((), 1)


def test_only_the_largest_are_listed() -> None:
    rows = [row("model", f"m{at:03}", traces=at) for at in range(LISTED + 5)]
    found = added(ds.dataset(pa.Table.from_pylist(rows, YIELDS)))
    assert [one.traces for one in found] == list(range(LISTED + 4, 4, -1))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 40), st.floats(0, 1)), max_size=30), st.integers(1, 5))
def test_the_ends_are_those_of_the_interval(parts: list[tuple[int, int, float]], count: int) -> None:
    rows = [row("persona", f"a{name}", traces=n, kept=int(n * share)) for name, n, share in parts]
    found = ends(ds.dataset(pa.Table.from_pylist(rows, YIELDS)), "persona", count)
    sums: dict[str, list[int]] = {}
    for made in rows:
        both = sums.setdefault(made["name"], [0, 0])
        both[0] += made["kept"]
        both[1] += made["traces"]
    bounds = {name: wilson(*both) for name, both in sums.items() if both[1]}
    assert found.names == len(bounds)
    surest = sorted((low for low, _ in bounds.values()), reverse=True)[:count]
    for one, low in zip(found.best, surest, strict=True):
        assert abs(bounds[one.name][0] - low) < 1e-4
    assert not {one.name for one in found.best} & {one.name for one in found.worst}
    assert all(len(end) <= count for end in found[:2])


def row(by: str, name: str, traces: int, kept: int = 0) -> dict[str, Any]:
    return {"by": by, "name": name, "problems": 1, "traces": traces, "judged": traces, "correct": kept, "kept": kept}
