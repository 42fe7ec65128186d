"""Steps are scored by a reward model: each trace once, and what its scores say."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from schemas.refs import Stage, Tables, joined
from schemas.tables import TABLES
from tasks.engines.contract import Graded, Identity, Request, Scores
from tasks.lake import Lake
from tasks.prompts import Prompting
from tasks.score.config import ScoreConfig
from tasks.score.task import score
from tasks.text.steps import split_steps

Rows = list[dict[str, Any]]
TEXTS = {"good": "1 + 2 = 3\n3 + 3 = 6", "bad": "1 + 2 = 3\n3 + 3 = 7\nIt is 7.", "same": "1 + 2 = 3\n3 + 3 = 6"}


class Prm:
    """Thinks little of a line with a 7 in it, and of all that follow."""

    def __init__(self, told: Any, template: str = "t1") -> None:
        self.asked: list[Graded] = []
        self.stream = told.stream
        self.template = template

    def identity(self, name: str) -> Identity:
        return Identity("prm", "r1", "reward", self.template)

    async def complete(self, name: str, request: Request) -> None:
        raise AssertionError("it does not write")

    async def score(self, name: str, request: Graded) -> Scores:
        self.asked.append(request)
        if "too long" in request.steps[0]:
            return Scores(request.request_id, (), None, "the text has 9 tokens")
        so_far = ["".join(request.steps[: count + 1]) for count in range(len(request.steps))]
        return Scores(request.request_id, tuple(0.2 if "7" in one else 0.9 for one in so_far), 9)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def store(lake: Lake, name: str, records: Rows, number: int = 0) -> Tables:
    schema = TABLES[name]
    zero: dict[pa.DataType, object] = {pa.string(): "", pa.int32(): 0, pa.list_(pa.int32()): []}
    empty = {field.name: None if field.nullable else zero[field.type] for field in schema}
    made = pa.Table.from_pylist([empty | record for record in records], schema)
    stage = Stage(name=f"made {name} {number}", version="1", config={}, tables=(name,))
    return lake.run(stage, lambda: [lambda: {name: made}])


def traces(lake: Lake, texts: Mapping[str, str], number: int = 0, status: str = "unverifiable") -> Tables:
    rows: Rows = [
        {"trace_id": name, "problem_id": "p", "text": text, "step_offsets": split_steps(text), "source": "s"}
        for name, text in texts.items()
    ]
    stands: Rows = [{"trace_id": name, "status": status} for name in texts]
    return joined(store(lake, "traces", rows, number), store(lake, "standings", stands, number))


@pytest.fixture
def tables(lake: Lake, problem: dict[str, Any]) -> Tables:
    """A problem without an answer: a reward model needs none."""
    return joined(store(lake, "problems", [problem | {"reference": None}]), traces(lake, TEXTS))


@pytest.fixture
def prm(told: Callable[[Any], Any]) -> Callable[..., Prm]:
    return lambda **settings: Prm(told(None), **settings)


def run(lake: Lake, tables: Tables, prm: Prm, **settings: Any) -> tuple[Tables, dict[str, dict[str, Any]]]:
    given = {"model": "prm", "method": "reward", "statuses": ["unverifiable"]} | settings
    models: Any = prm
    live: Any = type("Live", (), {"settings": {}})()
    prompts = {"s": Prompting(prompt="Sum: {question}", system="Be brief.")}
    (made,) = score.fn(lake, [tables], ScoreConfig.model_validate(given), models, live, prompts)
    return made, {row["trace_id"]: row for row in lake.rows(made, "verdicts").to_pylist()}


def test_every_step_has_its_score(lake: Lake, tables: Tables, prm: Callable[..., Prm]) -> None:
    model = prm()
    made, found = run(lake, tables, model)
    assert {name: row["first_wrong_step"] for name, row in found.items()} == {"good": -1, "bad": 1, "same": -1}
    assert found["bad"]["step_scores"] == pytest.approx([0.9, 0.2, 0.2])
    row = found["bad"]
    assert (row["verifier"], row["status"], row["verifier_version"]) == ("reward", "incorrect", "2 reward, prm")
    assert row["score"] == pytest.approx(0.2)
    assert row["reason"] == "its score is 0.20"
    assert found["good"]["reason"] == "no step is wrong; the least score is 0.90"
    # Two traces are the same text: the model reads it once.
    assert sorted(map(len, (one.steps for one in model.asked))) == [2, 3]
    assert {"".join(one.steps) for one in model.asked} == set(TEXTS.values())
    assert [turn.content for turn in model.asked[0].messages] == ["Be brief.", "Sum: What is 1 + 2 + 3 + 4?"]
    kept = lake.rows(made, "completions").to_pylist()
    assert {row["kind"] for row in kept} == {"reward"}
    assert sorted(len(json.loads(row["text"])) for row in kept) == [2, 3]
    assert {(row["prompt_tokens"], row["completion_tokens"]) for row in kept} == {(9, 0)}


def test_nothing_is_scored_twice(lake: Lake, tables: Tables, prm: Callable[..., Prm]) -> None:
    made, _ = run(lake, tables, prm())
    known = joined(tables, {"completions": made["completions"]})
    for again in (tables, known):
        model = prm()
        _, found = run(lake, again, model)
        assert not model.asked
        assert len(found) == 3
    model = prm()
    _, found = run(lake, known, model, threshold=0.1)
    assert not model.asked
    assert {row["first_wrong_step"] for row in found.values()} == {-1}
    more = joined(known, traces(lake, {"new": "1 + 2 = 3\nSo 3."}, number=1))
    run(lake, more, model)
    assert [one.steps for one in model.asked] == [("1 + 2 = 3\n", "So 3.")]
    # Read in another way it is another model.
    other = prm(template="t2")
    run(lake, known, other)
    assert len(other.asked) == 2


def test_what_cannot_be_scored_is_an_error_of_its_row(lake: Lake, tables: Tables, prm: Callable[..., Prm]) -> None:
    more = joined(tables, traces(lake, {"long": "too long\nIt is 6."}, number=1))
    _, found = run(lake, more, prm())
    row = found["long"]
    assert (row["status"], row["first_wrong_step"], row["step_scores"], row["score"]) == ("error", None, None, None)
    assert row["reason"] == "the text has 9 tokens"
    assert found["bad"]["first_wrong_step"] == 1


def test_a_step_is_wrong_from_the_threshold_on() -> None:
    assert ScoreConfig.model_validate({"model": "m", "method": "reward"}).threshold == 0.5
    assert ScoreConfig.model_validate({"model": "m", "method": "reward", "threshold": 0.3}).threshold == 0.3
    assert ScoreConfig.model_validate({"model": "m"}).threshold == 0.0
