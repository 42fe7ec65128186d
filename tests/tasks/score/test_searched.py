"""Scores of searches become verdicts on steps."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.conform import conform
from schemas.tables import TRACES, VERDICTS
from tasks.score.searched import READ, any_scored, verdicts

Scores = list[float | None]


def traces(*told: tuple[int, Scores | None, str]) -> pa.Table:
    """By number of steps, their scores and the scorer; one more that no search came to."""
    kinds = {one.name: one.type for one in TRACES}
    rows: list[dict[str, Any]] = [
        {
            "trace_id": f"t{at}",
            "step_offsets": list(range(count)),
            "search": {"strategy": "mcts", "step_scores": scores, "scorer": scorer, "chosen": False},
        }
        for at, (count, scores, scorer) in enumerate(told)
    ]
    rows.append({"trace_id": "plain", "step_offsets": [0], "search": None})
    return pa.Table.from_pylist(rows, pa.schema([(name, kinds[name]) for name in READ]))


@pytest.mark.parametrize(
    ("scores", "scorer", "status", "first"),
    [
        ([0.5, 0.25, 1.0], "rollouts", "correct", -1),
        ([0.5, 0.0, 0.0], "rollouts", "incorrect", 1),
        ([0.6, 0.4, 0.9], "prm", "incorrect", 1),
        ([0.9, 0.51, 0.6], "prm", "correct", -1),
        ([0.5, None, 0.0], "rollouts", "incorrect", None),
        ([0.0, None, 1.0], "rollouts", "incorrect", 0),
        ([0.5, None, 1.0], "rollouts", "unverifiable", None),
        ([0.5], "rollouts", "unverifiable", None),
        ([None, None, None], "prm", "unverifiable", None),
    ],
)
def test_what_scores_say(scores: Scores, scorer: str, status: str, first: int | None) -> None:
    (row,) = verdicts(traces((3, scores, scorer))).to_pylist()
    assert (row["status"], row["first_wrong_step"]) == (status, first)
    assert row["verifier"] == "search"
    assert row["verifier_version"] == {"rollouts": "1 rollouts", "prm": "1 reward prm"}[scorer]
    assert row["step_scores"] == pytest.approx(scores)


def test_what_a_model_thinks_of_its_own_steps_is_no_verdict() -> None:
    own = traces((2, [0.05, 1.0], "self"))
    assert not any_scored(own)
    assert verdicts(own).num_rows == 0
    assert verdicts(traces((2, [0.05, 1.0], "self"), (2, [0.9, 1.0], "prm")))["trace_id"].to_pylist() == ["t1"]


@given(
    st.lists(st.tuples(st.integers(1, 5), st.lists(st.none() | st.floats(0, 1, width=32), max_size=5)), max_size=5),
    st.sampled_from(["rollouts", "prm"]),
)
def test_a_verdict_says_no_more_than_scores_do(told: list[tuple[int, Scores]], scorer: str) -> None:
    fitting = [(max(count, len(scores), 1), scores or None, scorer) for count, scores in told]
    table = traces(*fitting)
    found = verdicts(table)
    assert found.equals(conform(found, VERDICTS, at="test"))
    assert any_scored(table) == bool(found.num_rows)
    rows = {row["trace_id"]: row for row in found.to_pylist()}
    assert set(rows) == {f"t{at}" for at, (_, scores, _) in enumerate(fitting) if scores}
    for row in rows.values():
        count, scores, _ = fitting[int(row["trace_id"][1:])]
        known = [score for score in scores or () if score is not None]
        first = row["first_wrong_step"]
        if first is not None and first >= 0:
            assert row["status"] == "incorrect"
            assert None not in (scores or [])[: first + 1]
        if first == -1:
            assert len(known) == count
        assert row["score"] == min(known, default=None)
