"""What is read part by part comes to the same numbers as what is read whole."""

import random
import uuid
from collections.abc import Callable, Sequence

import pyarrow as pa
import pytest

from flows import summarise
from schemas.conform import rows
from schemas.refs import Stage, Tables
from schemas.tables import DISAGREEMENTS, JUDGEMENTS, TRACES
from tasks.judge.bias import biases
from tasks.lake import Lake

JUDGES = ("grader", "picker")


@pytest.fixture
def lake(monkeypatch: pytest.MonkeyPatch) -> Lake:
    """One that reads two rows at a time."""
    monkeypatch.setattr("tasks.lake._BATCH", 2)
    return Lake(f"memory://{uuid.uuid4().hex}/lake")


def stored(lake: Lake, parts: Sequence[pa.Table], name: str) -> Tables:
    stage = Stage(name="test", version="1", config={}, tables=(name,))

    def make(part: pa.Table) -> Callable[[], dict[str, pa.Table]]:
        return lambda: {name: part}

    return lake.run(stage, lambda: map(make, parts))


def cut(table: pa.Table, at: random.Random) -> list[pa.Table]:
    """In parts of different sizes."""
    places = sorted(at.sample(range(table.num_rows + 1), 3))
    return [table.slice(one, end - one) for one, end in zip([0, *places], [*places, table.num_rows], strict=True)]


def disagreement(number: int, at: random.Random) -> dict[str, object]:
    told: dict[str, object] = {"label": True, "status": "incorrect", "extracted_answer": None, "reference": "1"}
    return {"trace_id": f"t{number}", "problem_id": "p", "verifier": at.choice("ab"), "reason": f"{number}"} | told


def judgement(number: int, at: random.Random) -> dict[str, object]:
    judge = at.choice(JUDGES)
    graded = judge == "grader"
    shown = [f"t{at.randrange(9)}"] if graded else at.sample([*(f"t{one}" for one in range(9)), "j0", "j1"], 2)
    said: dict[str, object] = {"aspects": None, "reason": "", "model": "m", "completion_id": "c", "messages": None}
    return said | {
        "judgement_id": f"j{number}",
        "judge": judge,
        "kind": "grade" if graded else "pairwise",
        "problem_id": "p",
        "shown": shown,
        "number": at.randrange(2),
        "status": at.choice(["read", "read", "error"]),
        "score": at.random() if graded else None,
        "choice": None if graded else at.choice([0, 1, None]),
        "reply": at.choice([None, "", "x" * at.randrange(9)]),
    }


def trace(name: str, text: str) -> dict[str, object]:
    made: dict[str, object] = {field.name: None for field in TRACES}
    needed = {"trace_id": name, "text": text, "sample_index": 0, "step_offsets": []}
    return made | dict.fromkeys(("problem_id", "origin", "splitter", "source"), "") | needed


@pytest.mark.parametrize("seed", range(9))
def test_the_first_disagreements_of_each_verifier(lake: Lake, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summarise, "LISTED", 4)
    at = random.Random(seed)
    whole = rows([disagreement(number, at) for number in range(20)], DISAGREEMENTS, at="test")
    found = summarise._listed(lake, stored(lake, cut(whole, at), "disagreements"), "abc")
    expected = {name: [row["trace_id"] for row in whole.to_pylist() if row["verifier"] == name][:4] for name in "abc"}
    assert {name: [one.trace_id for one in those] for name, those in found.items()} == expected


@pytest.mark.parametrize("seed", range(9))
def test_leanings_of_judges(lake: Lake, seed: int) -> None:
    at = random.Random(seed)
    texts = {f"t{number}": "y" * at.randrange(5) for number in range(8)}
    judged = rows([judgement(number, at) for number in range(40)], JUDGEMENTS, at="test")
    lengths = {name: len(text) for name, text in texts.items() if text}
    lengths |= {row["judgement_id"]: len(row["reply"]) for row in judged.to_pylist() if row["reply"]}
    traces = rows([trace(name, text) for name, text in texts.items()], TRACES, at="test")
    tables = stored(lake, cut(judged, at), "judgements") | stored(lake, cut(traces, at), "traces")
    assert summarise._judges(lake, tables) == tuple(map(summarise._report, biases(judged, lengths)))
