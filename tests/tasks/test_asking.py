"""Asking a model for something: each answer is stored under its request, once."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import EngineError
from schemas.refs import Stage
from tasks.asking import Question, ask
from tasks.engines.contract import Completion, Finish, Identity, Message, Request, Sampling
from tasks.engines.flight import fly
from tasks.lake import Lake

STAGE = Stage(name="asking", version="1", config={}, tables=("completions",))


class Echo:
    """Says every question again; breaks after so many."""

    def __init__(self, breaks_after: int = 1000) -> None:
        self.asked = 0
        self.breaks_after = breaks_after
        self.runner = asyncio.Runner()

    def identity(self, name: str) -> Identity:
        return Identity(name, None, "echo", "t1")

    async def complete(self, name: str, request: Request) -> Completion:
        self.asked += 1
        if self.asked > self.breaks_after:
            raise EngineError("the echo died away")
        return Completion(request.request_id, request.messages[0].content, Finish.STOP, 3, 4)

    def stream(self, jobs: Any, *, every_s: float = 0, in_flight: int = 1) -> Iterator[Any]:
        return fly(self.runner, jobs, every_s=0.01, in_flight=in_flight)


def questions() -> list[Question]:
    sampling = Sampling(seed=5, max_tokens=9)
    return [
        Question("problem", f"s{n}", n, "m", Request(f"q{n}", (Message("user", f"Question {n}"),), sampling))
        for n in range(12)
    ]


def test_answers_are_stored_with_what_is_known_of_them(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    tables = ask(lake, STAGE, questions, Echo())
    found = sorted(lake.rows(tables, "completions").to_pylist(), key=lambda row: row["number"])
    assert [row["text"] for row in found] == [f"Question {n}" for n in range(12)]
    expected = {"completion_id": "q3", "subject_id": "s3", "model": "m", "seed": 5, "finish_reason": "stop"}
    assert found[3].items() >= expected.items()


def test_after_a_break_only_the_rest_is_asked(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    with pytest.raises(EngineError, match="died away"):
        ask(lake, STAGE, questions, Echo(breaks_after=7))
    again = Echo()
    tables = ask(lake, STAGE, questions, again)
    assert again.asked == 5
    assert set(lake.rows(tables, "completions")["completion_id"].to_pylist()) == {f"q{n}" for n in range(12)}
