"""Programs are asked for once, run, and bear witness to the majority's answer."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from schemas.conform import rows
from schemas.refs import Stage, Tables, joined
from schemas.tables import PROBLEMS, TRACES
from tasks.engines.contract import Completion, Finish, Identity, Request
from tasks.engines.flight import fly
from tasks.lake import Lake
from tasks.verify.program import WitnessConfig
from tasks.verify.task import verify, witness
from tasks.verify.verify import VerifyConfig

PROGRAMS = {
    "What is 2 + 3?": "```python\nprint(2 + 3)\n```",
    "What is 4 + 4?": "```python\nprint(4 * 4)\n```",
    "What is 1 + 0?": "I cannot do that.",
}


class Programmer:
    """Writes the program that a test gives for a question; the bundled model cannot."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.runner = asyncio.Runner()

    def identity(self, name: str) -> Identity:
        return Identity(name, "r1", "told", None)

    async def complete(self, name: str, request: Request) -> Completion:
        question = next(one for one in PROGRAMS if one in request.messages[-1].content)
        self.asked.append(question)
        return Completion(request.request_id, PROGRAMS[question], Finish.STOP, 5, 9)

    def stream(self, jobs: Any, *, every_s: float = 0, in_flight: int = 8) -> Iterator[Any]:
        return fly(self.runner, jobs, every_s=0.01, in_flight=in_flight)


def table(schema: pa.Schema, records: list[dict[str, object]]) -> pa.Table:
    return rows([dict.fromkeys(schema.names) | record for record in records], schema, at="test")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


@pytest.fixture
def tables(lake: Lake) -> Tables:
    """Four problems of which three are sampled, and six traces of each; the majority is right on all."""
    problems = table(
        PROBLEMS,
        [
            {"problem_id": f"p{n}", "domain": "math", "question": question, "source": "test", "round": 0}
            for n, question in enumerate([*PROGRAMS, "What was never sampled?"])
        ],
    )
    answers = [["5"] * 5 + ["6"], ["8"] * 4 + ["16", "7"], ["1"] * 6]
    traces = table(
        TRACES,
        [
            {
                "trace_id": f"t{n}-{index}",
                "problem_id": f"p{n}",
                "sample_index": index,
                "origin": "generated",
                "text": f"It is \\boxed{{{answer}}}",
                "step_offsets": [0],
                "splitter": "steps/1",
                "source": "test",
            }
            for n, several in enumerate(answers)
            for index, answer in enumerate(several)
        ],
    )
    stage = Stage(name="test", version="1", config={}, tables=("problems", "traces"))
    return lake.run(stage, lambda: [lambda: {"problems": problems, "traces": traces}])


def test_a_program_that_agrees_is_needed_where_the_recipe_says_so(lake: Lake, tables: Tables) -> None:
    models = Programmer()
    (made,) = witness.fn(lake, [tables], WitnessConfig(model="m"), models)
    found = {row["problem_id"]: row["answer"] for row in lake.rows(made, "witnesses").to_pylist()}
    assert found == {"p0": "5", "p1": "16", "p2": None}

    config = VerifyConfig.model_validate({"majority": {"witness": "agrees"}, "processes": 1})
    (judged,) = verify.fn(lake, [joined(tables, made)], config)
    references = lake.rows(judged, "references").to_pylist()
    assert [(row["problem_id"], row["reference"], row["witness"]) for row in references] == [("p0", "5", "agrees")]
    lost = {row["row_id"] for row in lake.rows(judged, "dropped").to_pylist() if row["table"] == "problems"}
    assert {"p1", "p2"} <= lost


def test_each_program_is_asked_for_once(lake: Lake, tables: Tables) -> None:
    models = Programmer()
    (made,) = witness.fn(lake, [tables], WitnessConfig(model="m"), models)
    assert sorted(models.asked) == sorted(PROGRAMS)
    (again,) = witness.fn(
        lake, [joined(tables, {"completions": made["completions"]})], WitnessConfig(model="m"), models
    )
    assert sorted(models.asked) == sorted(PROGRAMS)
    assert "completions" not in again
    assert lake.rows(again, "witnesses").equals(lake.rows(made, "witnesses"))
