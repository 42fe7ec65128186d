from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from schemas.tables import Domain
from tasks.export import messages
from tasks.export.messages import MESSAGES, PromptConfig, Turn, conversations, portable_names, prompt
from tasks.prompts import PROMPTS


def texts(*values: str) -> pa.LargeStringArray:
    return pa.array(values, pa.large_string())


def said(column: "pa.ChunkedArray[Any]") -> list[list[tuple[str, str]]]:
    rows: list[Any] = column.to_pylist()
    return [[(turn["role"], turn["content"]) for turn in row] for row in rows]


def test_turns_stand_side_by_side() -> None:
    column = conversations(
        Turn("user", texts("a", "b"), np.array([1, 0, 1])),
        Turn("assistant", texts("x", "y", "é😀"), np.array([0, 1, 2])),
    )
    assert column.type == MESSAGES
    assert said(column) == [
        [("user", "b"), ("assistant", "x")],
        [("user", "a"), ("assistant", "y")],
        [("user", "b"), ("assistant", "é😀")],
    ]


def test_chunks_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "_CHUNK_BYTES", 100)
    rows = np.arange(50)
    given = [f"{row:020d}" for row in range(50)]
    column = conversations(Turn("user", texts(*given), rows))
    assert max(len(chunk) for chunk in column.chunks) <= 5
    assert [turns[0][1] for turns in said(column)] == given


def test_no_rows() -> None:
    column = conversations(Turn("user", texts("a"), np.array([], np.int64)))
    assert len(column) == 0
    assert column.type == MESSAGES


def test_prompt() -> None:
    problems = pa.table({"question": pa.array(["q0", "q1"], pa.string())})
    rows = np.array([1, 1, 0])
    assert [turn.role for turn in prompt(PromptConfig(), problems, rows)] == ["user"]
    assert said(conversations(*prompt(PromptConfig(system="Be brief."), problems, rows))) == [
        [("system", "Be brief."), ("user", f"q{row}")] for row in rows
    ]


def test_what_follows_the_question() -> None:
    problems = pa.table({"question": pa.array(["q0", "q1"]), "domain": pa.array(["math", "instruction"])})
    rows = np.array([0, 1])
    own = PromptConfig(instructions={Domain.MATH: "Box it."})
    assert said(conversations(*prompt(own, problems, rows))) == [[("user", "q0\n\nBox it.")], [("user", "q1")]]
    usual = PromptConfig.model_validate({"instructions": "asked"})
    (first,), (second,) = said(conversations(*prompt(usual, problems, rows)))
    assert (first[1], second[1]) == (PROMPTS[Domain.MATH].replace("{question}", "q0"), "q1")


def test_sources_are_told_without_their_folders() -> None:
    sources = pa.chunked_array([["/data/customers/a.jsonl", "gold"], ["/data/customers/a.jsonl"], []], pa.string())
    assert portable_names(sources).to_pylist() == ["a.jsonl", "gold", "a.jsonl"]
