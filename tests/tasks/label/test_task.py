"""Exported reviews become verdicts on steps, of the traces that a lake has."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from schemas.refs import Stage, Tables
from schemas.tables import TRACES
from tasks.label.config import LabelConfig
from tasks.label.task import label
from tasks.lake import Lake

Line = dict[str, Any]


def line(trace_id: str, reviewer: str, first_wrong: int | None, *ratings: int | None, **more: Any) -> Line:
    told = {"trace_id": trace_id, "reviewer": reviewer, "first_wrong": first_wrong, "ratings": list(ratings)}
    return told | {"gold": False, "offsets": None, "verdict": None, "settled": None} | more


def a_round(lake: Lake, *names: str) -> Tables:
    zero: dict[pa.DataType, object] = {pa.string(): "", pa.int32(): 0}
    empty = {field.name: None if field.nullable else zero.get(field.type) for field in TRACES}
    made = [empty | {"trace_id": name, "text": "a\nb\nc", "step_offsets": [0, 2, 4]} for name in names]
    stage = Stage(name=f"made {names}", version="1", config={}, tables=("traces",))
    return lake.run(stage, lambda: [lambda: {"traces": pa.Table.from_pylist(made, TRACES)}])


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


def told(lake: Lake, *lines: Line, least: int = 1) -> dict[str, Line]:
    lake.storage.write("reviews/b.jsonl", "\n".join(map(json.dumps, lines)).encode())
    made = label.fn(lake, [a_round(lake, "t1", "t2"), a_round(lake, "t3")], LabelConfig(least=least))
    return {row["trace_id"]: row for one in made for row in lake.rows(one, "verdicts").to_pylist()}


COLUMNS = ("status", "first_wrong_step", "step_scores", "score", "reason")


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        ([line("t1", "a", 1, 0, -1)], ("incorrect", 1, [0.5, 0, None], 0, "1 of 1 reviewers")),
        ([line("t1", "a", -1, 1, 0, 1)], ("correct", -1, [1, 0.5, 1], 0.5, "1 of 1 reviewers")),
        (
            [line("t1", "a", 2, 1, 1), line("t1", "b", 1, 1), line("t1", "c", 2, 1, 0)],
            ("incorrect", 2, [1, 0.75, 0], 0, "2 of 3 reviewers"),
        ),
        (
            [line("t1", "a", 2), line("t1", "b", -1)],
            ("error", None, None, None, "2 reviewers disagree about the first wrong step: none, step 2"),
        ),
        (
            [line("t1", one, at, verdict=0, settled="adjudicated") for at, one in enumerate("abc")],
            ("incorrect", 0, [0, None, None], 0, "1 of 3 reviewers; adjudicated"),
        ),
        (
            [line("t1", "a", 2, verdict=-1, settled="adjudicated")],
            ("correct", -1, [1, 1, 1], 1, "0 of 1 reviewers; adjudicated"),
        ),
        (
            [line("t1", "a", 1, verdict=1, settled="agreed")],
            ("incorrect", 1, [1, 0, None], 0, "1 of 1 reviewers; agreed"),
        ),
    ],
)
def test_verdicts(lines: list[Line], verdict: tuple[Any, ...], lake: Lake) -> None:
    (row,) = told(lake, *lines).values()
    assert tuple(row[name] for name in COLUMNS) == verdict
    assert (row["trace_id"], row["verifier"], row["extracted_answer"]) == ("t1", "reviewers", None)


def test_each_rounds_traces_are_labelled_and_others_left(lake: Lake) -> None:
    lines = [line("t3", "a", -1), line("t9", "a", 0), line("t2", "a", None), line("t2", "b", 0, gold=True)]
    assert told(lake, *lines).keys() == {"t3"}


def test_two_reviewers_at_least_unless_it_is_settled(lake: Lake) -> None:
    lines = [line("t1", "a", 0), line("t2", "a", 0, verdict=0), line("t3", "a", 0), line("t3", "b", 0)]
    assert told(lake, *lines, least=2).keys() == {"t2", "t3"}


def test_nothing_was_exported_yet(lake: Lake) -> None:
    assert label.fn(lake, [a_round(lake, "t1")], LabelConfig()) == [{}]


def test_only_what_concerns_a_round_makes_it_anew(lake: Lake) -> None:
    rounds = [a_round(lake, "t1"), a_round(lake, "t2")]
    lake.storage.write("reviews/b.jsonl", json.dumps(line("t1", "a", 0)).encode())
    first = label.fn(lake, rounds, LabelConfig())
    lake.storage.write("reviews/c.jsonl", json.dumps(line("t2", "a", 0)).encode())
    second = label.fn(lake, rounds, LabelConfig())
    assert first[0] == second[0]
    assert (first[1], set(second[1])) == ({}, {"verdicts"})
