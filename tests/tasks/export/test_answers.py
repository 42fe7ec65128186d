from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from schemas.tables import Domain
from tasks.export.answers import RewardConfig, named, references, truths
from tasks.export.messages import conversations, prompt
from tasks.export.selection import Selection


@pytest.fixture
def selection() -> Selection:
    nothing = pa.table({"trace_id": pa.array([], pa.string())})
    columns: dict[str, list[str | None]] = {
        "problem_id": ["p0", "p1", "p2", "p3", "p4"],
        "domain": ["math", "math", "code", "instruction", "open"],
        "question": ["a", "b", "c", "d", "e"],
        "reference": ["2", " ", "unused", "unused", None],
        "tests": [None, None, "assert f()", None, None],
        "constraints": [None, None, None, " \n", None],
    }
    problems = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    return Selection(
        problems=pa.concat_tables([problems.slice(0, 2), problems.slice(2)]),
        traces=nothing,
        standings=nothing,
        pairs=nothing,
        references=pa.table({"problem_id": ["p0", "p1"], "reference": ["never", "3"]}),
        verdicts=nothing,
    )


def test_a_problems_own_reference_goes_first(selection: Selection) -> None:
    assert references(selection, majority=True).to_pylist() == ["2", "3", "unused", "unused", None]
    assert references(selection, majority=False).to_pylist() == ["2", None, "unused", "unused", None]


def test_what_an_answer_is_checked_against(selection: Selection) -> None:
    found = truths(selection, list(Domain), majority=True)
    assert found.rows.tolist() == [0, 1, 2]
    assert found.problem_id.to_pylist() == ["p0", "p1", "p2"]
    assert found.truth.to_pylist() == ["2", "3", "assert f()"]
    only = truths(selection, [Domain.MATH], majority=False)
    assert (only.rows.tolist(), only.domain.to_pylist(), only.truth.to_pylist()) == ([0], ["math"], ["2"])


def test_what_is_asked(selection: Selection) -> None:
    config = RewardConfig(system="Be brief.", instructions={Domain.MATH: "Box it."})
    rows: list[Any] = conversations(*prompt(config, selection.problems, np.array([1, 2]))).to_pylist()
    assert [[turn["content"] for turn in row] for row in rows] == [["Be brief.", "b\n\nBox it."], ["Be brief.", "c"]]


def test_names_by_domain() -> None:
    domains = pa.chunked_array([["code"], ["math", "code"]], pa.string())
    assert named({Domain.MATH: "m", Domain.CODE: "c"}, domains).to_pylist() == ["c", "m", "c"]
    assert named({Domain.MATH: "m"}, domains.slice(0, 0)).to_pylist() == []
