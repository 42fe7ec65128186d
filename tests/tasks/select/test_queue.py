"""Which wrong traces come first."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.tables import QUEUE
from tasks.select.contract import Pool
from tasks.select.queue import QueueConfig, queue

MakePool = Callable[..., Pool]
Record = dict[str, Any]


def verdicts(answers: dict[str, str | None]) -> pa.Table:
    schema = pa.schema([(name, pa.string()) for name in ("trace_id", "verifier", "extracted_answer")])
    rows = [{"trace_id": name, "verifier": "math", "extracted_answer": answer} for name, answer in answers.items()]
    return pa.Table.from_pylist(rows, schema)


def wrong(name: str, status: str = "incorrect", tokens: int = 9, **more: Any) -> Record:
    of = name.partition(".")[0]
    return {"trace_id": name, "problem_id": of, "status": status, "completion_tokens": tokens} | more


def queued(pool: Pool, answers: dict[str, str | None] | None = None, **settings_: Any) -> list[Any]:
    config = QueueConfig.model_validate({"count": 10} | settings_)
    return queue(pool, verdicts(answers or {}), config).to_pylist()


def problems(*names: str, **more: Any) -> list[Record]:
    return [{"problem_id": name} | more for name in names]


def test_many_samples_that_agree_convince(pool: MakePool) -> None:
    """Of p1's five samples three say 12, one 13 and one is right; of p2's two one is wrong."""
    traces = [wrong(f"p1.{at}") for at in range(4)] + [
        wrong("p1.9", "correct"),
        wrong("p2.0"),
        wrong("p2.1", "correct"),
    ]
    answers: dict[str, str | None] = {"p1.0": "12", "p1.1": " $12$", "p1.2": "12", "p1.3": "13", "p1.9": "14"}
    found = queued(pool(problems("p1", "p2"), traces), answers | {"p2.0": None}, per_problem=2)
    assert [(one["trace_id"], one["rank"]) for one in found] == [("p1.0", 1), ("p1.1", 2), ("p2.0", 3)]
    assert [one["score"] for one in found] == [pytest.approx(0.6), pytest.approx(0.6), None]
    assert [one["reason"] for one in found][1:] == ["its answer is that of 3 of 5 traces", "no answer in it"]


def test_a_judge_says_what_convinces(pool: MakePool) -> None:
    traces = [wrong("p1.0", rated=0.2), wrong("p2.0", rated=0.9), wrong("p3.0"), wrong("p4.0", "correct", rated=1.0)]
    found = queued(pool(problems("p1", "p2", "p3", "p4"), traces), judge="wise")
    assert [one["problem_id"] for one in found] == ["p2", "p1", "p3"]
    assert [one["reason"] for one in found] == ["rated by wise", "rated by wise", "no score"]
    assert found[0]["score"] == pytest.approx(0.9)


def test_standing_scores_count_where_they_differ(pool: MakePool) -> None:
    differ = pool(problems("p1", "p2"), [wrong("p1.0", score=0.1), wrong("p2.0", score=0.4)])
    assert [one["reason"] for one in queued(differ)] == ["the score of its standing"] * 2
    assert [one["problem_id"] for one in queued(differ)] == ["p2", "p1"]
    same = pool(problems("p1", "p2"), [wrong("p1.0", score=0.0), wrong("p2.0", score=0.0)])
    assert {one["reason"] for one in queued(same)} == {"no answer in it"}


def test_the_longer_of_equally_convincing_ones(pool: MakePool) -> None:
    traces = [wrong("p1.0", tokens=5), wrong("p1.1", tokens=50), wrong("p2.0", tokens=20)]
    assert [one["trace_id"] for one in queued(pool(problems("p1", "p2"), traces))] == ["p1.1", "p2.0"]


def test_only_some_domains(pool: MakePool) -> None:
    both = [*problems("p1", domain="code"), *problems("p2", domain="math")]
    assert [one["problem_id"] for one in queued(pool(both, [wrong("p1.0"), wrong("p2.0")]), domains=["code"])] == ["p1"]


def test_as_they_came_or_at_random(pool: MakePool) -> None:
    names = [f"p{at}" for at in (3, 1, 2)]
    here = pool(problems(*names), [wrong(f"{name}.0") for name in names])
    assert [one["problem_id"] for one in queued(here, order="first")] == names
    assert [one["problem_id"] for one in queued(here, order="random", count=2)] == ["p1", "p2"]


statuses = st.sampled_from(["correct", "incorrect", "unverifiable", "error"])
samples = st.lists(
    st.tuples(st.integers(0, 3), statuses, st.sampled_from([None, "1", "2"]), st.integers(1, 3)), max_size=12
)


@settings(max_examples=40, deadline=None)
@given(samples, st.sampled_from(["convincing", "random"]), st.integers(1, 5), st.integers(1, 2), st.integers(0, 99))
def test_wrong_ones_only_in_an_order_of_their_own(
    pool: MakePool, given_: list[tuple[int, str, str | None, int]], order: str, count: int, each: int, seed: int
) -> None:
    traces = [wrong(f"p{of}.{at}", status, tokens) for at, (of, status, _, tokens) in enumerate(given_)]
    answers = {one["trace_id"]: answer for one, (_, _, answer, _) in zip(traces, given_, strict=True)}
    asked: Record = {"order": order, "count": count, "per_problem": each}
    found = queued(pool(problems("p0", "p1", "p2", "p3"), traces), answers, **asked)
    mixed = [traces[at] for at in np.random.default_rng(seed).permutation(len(traces))]
    assert queued(pool(problems("p3", "p1", "p0", "p2"), mixed), answers, **asked) == found
    of = {one["trace_id"]: one["status"] for one in traces}
    assert {of[one["trace_id"]] for one in found} <= {"incorrect"}
    wrong_ones = [one["problem_id"] for one in traces if one["status"] == "incorrect"]
    room = sum(min(wrong_ones.count(one), each) for one in set(wrong_ones))
    assert [one["rank"] for one in found] == list(range(1, min(count, room) + 1))
    assert all([one["problem_id"] for one in found].count(name) <= each for name in wrong_ones)


def test_nothing_is_wrong(pool: MakePool) -> None:
    found = queue(pool(problems("p1"), []), verdicts({}), QueueConfig(count=3))
    assert found.schema == QUEUE
    assert found.num_rows == 0


def test_a_queue_of_no_length() -> None:
    with pytest.raises(ValidationError, match="count"):
        QueueConfig(count=0)
