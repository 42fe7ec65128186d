"""Guards on pairs: what is refused, why, and what is always kept to."""

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.tables import DROPPED
from tasks.preferences.guards import GuardsConfig, refusals

Row = dict[str, Any]
PAIR: Row = {
    "problem_id": "p",
    "rule": "aspects",
    "margin": 0.5,
    "on_policy": True,
    "chosen_length": 10,
    "rejected_length": 10,
    "same": False,
}
TYPES = {"margin": pa.float32(), "on_policy": pa.bool_(), "chosen_length": pa.int32(), "rejected_length": pa.int32()}


def refused(pairs: list[Row], **config: object) -> list[Row]:
    """The rows of DROPPED; a pair's id is its position."""
    pairs = [PAIR | one | {"pair_id": str(at)} for at, one in enumerate(pairs)]
    names = ["pair_id", *(name for name in PAIR if name != "same")]
    table = pa.table({name: pa.array([one[name] for one in pairs], TYPES.get(name, pa.string())) for name in names})
    same = np.array([one["same"] for one in pairs], np.bool_)
    found = refusals(table, same, ["aspects"], GuardsConfig.model_validate(config))
    assert found.schema.equals(DROPPED, check_metadata=True)
    listed: list[Row] = found.to_pylist()
    return listed


def reasons(pairs: list[Row], **config: object) -> dict[str, str]:
    return {row["row_id"]: row["reason"] for row in refused(pairs, **config)}


def test_a_refusal() -> None:
    assert refused([{}, {"margin": 0.0, "chosen_length": 7}]) == [
        {
            "table": "pairs",
            "row_id": "1",
            "stage": "preferences",
            "reason": "tie",
            "evidence": "aspects: chosen 7 long, rejected 10, margin 0",
            "duplicate_of": None,
        }
    ]


@pytest.mark.parametrize(
    ("pair", "config", "reason"),
    [
        ({"margin": 0.0, "rule": "by_score"}, {}, None),
        ({"margin": None}, {}, None),
        ({"margin": 0.25}, {"least_margin": 0.25}, None),
        ({"margin": 0.1}, {"least_margin": 0.1}, None),
        ({"margin": 0.2}, {"least_margin": 0.25}, "margin under 0.25"),
        ({"margin": 0.2, "rule": "by_score"}, {"least_margin": 0.25}, None),
        ({"same": True, "margin": 0.0}, {}, "equal texts"),
        ({"chosen_length": 31}, {}, None),
        ({"chosen_length": 30}, {"max_length_ratio": 3}, None),
        ({"chosen_length": 31}, {"max_length_ratio": 3}, "length gap over 3.0"),
        ({"rejected_length": 31}, {"max_length_ratio": 3}, "length gap over 3.0"),
        ({"chosen_length": 0, "rejected_length": 0}, {"max_length_ratio": 3}, None),
        ({"on_policy": False}, {}, None),
        ({"on_policy": False}, {"on_policy_only": True}, "not on-policy"),
        ({"on_policy": None}, {"on_policy_only": True}, "not on-policy"),
        ({}, {"on_policy_only": True}, None),
    ],
)
def test_what_is_refused(pair: Row, config: dict[str, object], reason: str | None) -> None:
    assert reasons([pair], **config) == ({} if reason is None else {"0": reason})


def test_no_pairs() -> None:
    assert refused([], per_problem=1, max_length_ratio=2, on_policy_only=True, least_margin=0.5) == []


def test_rules_take_turns() -> None:
    rules = ["a", "a", "a", "b", "c", "c"]
    pairs = [{"rule": one} for one in rules]
    assert set(reasons(pairs, per_problem=4)) == {"2", "5"}
    assert set(reasons(pairs, per_problem=5)) == {"2"}
    assert set(reasons([{"margin": 0, "rule": "aspects"}, *pairs], per_problem=2)) == {"0", "2", "3", "5", "6"}
    assert reasons(pairs, per_problem=2)["1"] == "over 2 pairs of a problem"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("pq"), st.sampled_from("abc"), st.booleans()), max_size=25), st.integers(1, 6)
)
def test_each_problem_has_its_share_and_no_rule_starves(found: list[tuple[str, str, bool]], most: int) -> None:
    pairs = [{"problem_id": problem, "rule": rule, "same": same} for problem, rule, same in found]
    lost = reasons(pairs, per_problem=most)
    kept = [one for at, one in enumerate(pairs) if str(at) not in lost]
    sound = [one for one in pairs if not one["same"]]
    assert not any(one["same"] for one in kept)
    for problem in "pq":
        left, had = (Counter(one["rule"] for one in those if one["problem_id"] == problem) for those in (kept, sound))
        assert left.total() == min(most, had.total())
        # A rule has two more than another only where that other one has no more to give.
        assert all(left[one] <= left[other] + 1 or left[other] == had[other] for one in left for other in had)
        for rule in had:
            mine = [at for at, one in enumerate(pairs) if (one["problem_id"], one["rule"]) == (problem, rule)]
            mine = [at for at in mine if not pairs[at]["same"]]
            assert [at for at in mine if str(at) not in lost] == mine[: left[rule]]
