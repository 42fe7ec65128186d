"""Steps are scored in the lake: what was asked once is not asked again, whatever happens in between."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from schemas.errors import EngineError
from schemas.refs import Stage, Tables, joined
from schemas.tables import TABLES
from tasks.engines.contract import Completion, Finish, Request
from tasks.lake import Lake
from tasks.prompts import Prompting
from tasks.score.config import ScoreConfig
from tasks.score.task import score
from tasks.text.steps import split_steps

Rows = list[dict[str, Any]]
Answer = Callable[[Request], Any]
FIRST_WRONG = {"t-1": -1, "t0": 0, "t1": 1, "t2": 2, "t3": 3}


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


def traces(lake: Lake, texts: Mapping[str, str], number: int = 0) -> Tables:
    """Traces of the problem, and where they stand."""
    rows: Rows = [
        {"trace_id": name, "problem_id": "p", "text": text, "step_offsets": split_steps(text), "source": "sampler"}
        | ({"conversation": "{}"} if name == "used tools" else {})
        for name, text in texts.items()
    ]
    stands: Rows = [
        {"trace_id": name, "status": "correct" if text.endswith("10.") else "incorrect"} for name, text in texts.items()
    ]
    return joined(store(lake, "traces", rows, number), store(lake, "standings", stands, number))


@pytest.fixture
def tables(lake: Lake, problem: dict[str, Any], told_of: Callable[[int], str]) -> Tables:
    """One right trace, wrong ones of each kind, one that was dropped, and one that used tools."""
    texts = {f"t{wrong}": told_of(wrong) for wrong in (-1, 0, 1, 2, 3)} | {"gone": told_of(0), "used tools": told_of(1)}
    lost = store(lake, "dropped", [{"table": "traces", "row_id": "gone"}])
    return joined(store(lake, "problems", [problem]), traces(lake, texts), lost)


class Scored:
    """Runs the stage with a scripted model."""

    def __init__(self, lake: Lake, told: Callable[[Answer], Any], live: Any, adder: Answer) -> None:
        self.lake, self.told, self.live, self.adder = lake, told, live, adder

    def __call__(self, tables: Tables, answer: Answer | None = None, **settings: Any) -> tuple[Tables, list[Request]]:
        models = self.told(answer or self.adder)
        config = ScoreConfig.model_validate({"model": "m", "k": 2} | settings)
        prompts = {"sampler": Prompting(prompt="Sum: {question}", system="Be brief.")}
        (made,) = score.fn(self.lake, [tables], config, models, self.live, prompts)
        return made, models.asked

    def verdicts(self, made: Tables) -> dict[str, dict[str, Any]]:
        return {row["trace_id"]: row for row in self.lake.rows(made, "verdicts").to_pylist()}


@pytest.fixture
def run(lake: Lake, told: Callable[[Answer], Any], live: Any, adder: Answer) -> Scored:
    return Scored(lake, told, live, adder)


def test_math_shepherd_scores_every_step(
    run: Scored, tables: Tables, lake: Lake, told_of: Callable[[int], str]
) -> None:
    made, asked = run(tables)
    found = run.verdicts(made)
    assert {name: row["first_wrong_step"] for name, row in found.items()} == FIRST_WRONG
    assert {name: row["step_scores"] for name, row in found.items()} == {
        "t-1": [1, 1, 1, 1],
        "t0": [0, 0, 0, 0],
        "t1": [1, 0, 0, 0],
        "t2": [1, 1, 0, 0],
        "t3": [1, 1, 1, 0],
    }
    row = found["t1"]
    assert (row["verifier"], row["status"], row["score"]) == ("rollouts", "incorrect", 0)
    assert row["verifier_version"] == "2 math_shepherd, k 2, told-m"
    assert row["reason"] == "0 of 2 continuations of it reach the answer; 6 continuations in all"
    assert found["t-1"]["reason"] == "no step is wrong; 6 continuations in all"
    assert found["t3"]["reason"].startswith("it is the last step, and the answer is wrong")
    # Five traces of three inner steps, less what they have in common.
    prefixes = [one.prefix for one in asked]
    assert len(asked) == 2 * len(set(prefixes)) == 2 * 9
    assert all(any(told_of(wrong).startswith(one) for wrong in (-1, 0, 1, 2, 3)) for one in prefixes)
    assert {tuple(turn.content for turn in one.messages) for one in asked} == {
        ("Be brief.", "Sum: What is 1 + 2 + 3 + 4?")
    }
    kept = lake.rows(made, "completions").to_pylist()
    assert {row["kind"] for row in kept} == {"score"}
    by_id = {row["completion_id"]: row for row in kept}
    assert all(by_id[one.request_id]["text"].startswith(one.prefix) for one in asked)


def test_omega_searches_wrong_traces_only(run: Scored, tables: Tables) -> None:
    made, asked = run(tables, method="omega")
    found = run.verdicts(made)
    assert {name: row["first_wrong_step"] for name, row in found.items()} == FIRST_WRONG
    assert {row["step_scores"] for row in found.values()} == {None}
    assert found["t2"]["reason"] == "0 of 2 continuations of it reach the answer; 4 continuations in all"
    assert found["t-1"]["reason"] == "no step is wrong; 0 continuations in all"
    # Two looks a trace; the first looks at steps 0, 1 of four traces, of which three differ.
    assert len(asked) == 2 * (3 + 4)


@pytest.mark.parametrize("method", ["math_shepherd", "omega"])
def test_a_run_again_asks_nothing_and_makes_the_same(run: Scored, tables: Tables, method: str) -> None:
    made, _ = run(tables, method=method)
    for known in (tables, joined(tables, {"completions": made["completions"]})):
        again, asked = run(known, method=method)
        assert not asked
        assert again["verdicts"] == made["verdicts"]


@pytest.mark.parametrize("method", ["math_shepherd", "omega"])
@pytest.mark.parametrize("answers", [0, 3, 7, 9])
def test_after_a_break_only_the_rest_is_asked(run: Scored, tables: Tables, method: str, answers: int) -> None:
    count = 0

    def breaks(request: Request) -> str | Exception:
        nonlocal count
        count += 1
        return run.adder(request) if count <= answers else EngineError("the model went away")

    whole = {"math_shepherd": 18, "omega": 14}[method]
    with pytest.raises(EngineError, match="went away"):
        run(tables, breaks, method=method)
    made, asked = run(tables, method=method)
    assert len(asked) == whole - answers
    assert run.verdicts(made)["t2"]["first_wrong_step"] == 2


def test_of_later_traces_only_what_is_new_is_asked(
    run: Scored, lake: Lake, tables: Tables, told_of: Callable[[int], str]
) -> None:
    made, _ = run(tables)
    more = traces(lake, {"t9": told_of(2).replace("no 0", "none")}, number=1)
    _, asked = run(joined(tables, more, {"completions": made["completions"]}))
    # It begins as others do; its wrong step is its own.
    assert [one.prefix.count("\n") for one in asked] == [3, 3]
    # More continuations of each step: the first ones are there.
    _, asked = run(joined(tables, {"completions": made["completions"]}), k=3)
    assert len(asked) == 9


def test_what_is_not_scored(run: Scored, lake: Lake, tables: Tables, problem: dict[str, Any]) -> None:
    made, _ = run(tables, statuses=["incorrect"], per_problem=2)
    assert set(run.verdicts(made)) == {"t0", "t1"}
    blank = store(lake, "problems", [problem | {"reference": " "}], 7)
    made, asked = run(tables | blank)
    assert not run.verdicts(made)
    assert not asked
    voted: Rows = [{"problem_id": "p", "reference": "10", "origin": "majority", "votes": 3, "samples": 4}]
    made, _ = run(joined(tables | blank, store(lake, "references", voted)))
    assert run.verdicts(made)["t2"]["first_wrong_step"] == 2


def test_continuations_that_are_not_whole(run: Scored, tables: Tables) -> None:
    """One that ran out of tokens does not reach the answer; one that was never sampled says nothing."""

    def answer(request: Request) -> Completion:
        lines = request.prefix.count("\n")
        finish = {1: Finish.STOP, 2: Finish.LENGTH, 3: Finish.OVERFLOW}[lines]
        return Completion(request.request_id, run.adder(request), finish, 7, 7)

    made, _ = run(tables, answer)
    found = run.verdicts(made)
    assert found["t-1"]["first_wrong_step"] == 1
    assert found["t-1"]["step_scores"] == [1, 0, None, 1]
    never = Completion("", "", Finish.REFUSED, None, None)
    made, _ = run(tables, lambda request: never._replace(request_id=request.request_id), k=1)
    assert {row["status"] for row in run.verdicts(made).values()} == {"error"}
    why = "of a step that was looked at no continuation could be sampled; 0 continuations in all"
    assert run.verdicts(made)["t0"]["reason"] == why
    assert run.verdicts(made)["t0"]["first_wrong_step"] is None
