"""Searches by strategy: what they came to, what broke them off, what their trees took."""

from typing import Any

import pyarrow as pa

from schemas.columns import SEARCH
from tasks.tally.searches import COLUMNS, reports, searches

TYPES: dict[str, Any] = {"sample_index": pa.int32(), "fork_step": pa.int32()}


def branch(name: str, parent: str | None = None, *, fork: int | None = None, tokens: int | None, **said: Any) -> Any:
    """`p1.0:b` is a branch of the first sample of p1."""
    problem, _, number = name.partition(":")[0].partition(".")
    return {
        "trace_id": name,
        "problem_id": problem,
        "sample_index": int(number),
        "parent_trace_id": parent,
        "fork_step": fork,
        "source": "s",
        "completion_tokens": tokens,
        "search": ({"strategy": "beam", "chosen": False, "note": None} | said) if said else None,
    }


def test_searches_in_numbers() -> None:
    left: Any = {"chosen": False}
    rows = [
        branch("p0.0:a", tokens=5, **left),
        branch("p0.0:b", "p0.0:a", fork=1, tokens=9, chosen=True, note="the best"),
        branch("p0.0:c", "p0.0:a", fork=0, tokens=3, **left),
        branch("p0.1:a", tokens=4, chosen=True, note="the best"),
        branch("p1.0:a", tokens=2, note="a branch's own"),
        branch("p1.0:b", tokens=2, note="broken off: a verifier broke: ZeroDivisionError: in the middle"),
        branch("p2.0:a", tokens=None, note="no branch came to an end"),
        branch("p2.1:a", tokens=1, strategy="mcts", chosen=True, note="most visited"),
        branch("p3.0:a", tokens=7),
    ]
    schema = pa.schema(
        [(name, TYPES.get(name, pa.string())) for name in COLUMNS]
        + [("completion_tokens", pa.int32()), ("search", SEARCH)]
    )
    traces = pa.Table.from_pylist(rows, schema)
    standings = pa.table({"trace_id": ["p0.0:b", "p0.1:a", "p0.0:c"], "status": ["correct", "incorrect", "correct"]})
    found = searches(traces, standings)
    beam, mcts = reports(found)
    assert found["search"]["beam", "nothing chosen"] == 1
    assert beam.broken_off == {"broken off: a verifier broke": 1}
    assert (beam.searches, beam.right, beam.not_right, beam.branches) == (4, 1, 1, 7)
    # 5, and 4 more of b, and 3 of c, which is another version of a; 4; 2 and 2.
    assert beam.tokens == 20
    assert (mcts.searches, mcts.right, mcts.not_right, mcts.branches, mcts.tokens) == (1, 0, 1, 1, 1)
    assert reports(searches(traces.slice(len(rows) - 1), standings)) == ()
