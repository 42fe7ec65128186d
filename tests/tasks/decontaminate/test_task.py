"""What is compared again, and what is not, counted by what the comparison is called with."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from schemas.refs import Stage, Tables, joined
from schemas.tables import TABLES
from tasks.decontaminate import task
from tasks.decontaminate.config import DecontaminateConfig
from tasks.decontaminate.decontaminate import overlaps
from tasks.decontaminate.search import Library
from tasks.engines.models import Models
from tasks.lake import Lake

EXAMS = {
    "trains": (
        "A train leaves the old station at nine and travels 120 miles in three hours.",
        "How far is Rome?",
    ),
    "beans": ("Ben plants seven rows of beans with eleven plants in each of them, and waters all.",),
    "boats": ("A boat of four rows across the lake in nine minutes when the wind blows from behind.",),
}


def rows_of(name: str, records: list[dict[str, object]]) -> pa.Table:
    zero: dict[pa.DataType, object] = {pa.string(): "", pa.int32(): 0, pa.list_(pa.int32()): []}
    empty = {field.name: None if field.nullable else zero[field.type] for field in TABLES[name]}
    return pa.Table.from_pylist([empty | record for record in records], TABLES[name])


def store(lake: Lake, name: str, *parts: pa.Table) -> Tables:
    stage = Stage(name=f"made {name}", version="1", config={"parts": [str(one) for one in parts]}, tables=(name,))
    return lake.run(stage, lambda: [lambda part=part: {name: part} for part in parts])  # type: ignore[misc]


def problems_of(lake: Lake, *questions: str) -> Tables:
    parts = (rows_of("problems", [{"problem_id": one[:9], "question": one}]) for one in questions)
    return store(lake, "problems", *parts)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    for name, texts in EXAMS.items():
        (tmp_path / f"{name}.jsonl").write_text("\n".join(json.dumps({"q": text}) for text in texts))
    return Lake(str(tmp_path / "lake"))


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, set[str]]]:
    """Each part that is compared, by its first text, and with which benchmarks."""
    calls: list[tuple[str, set[str]]] = []

    def counted(subjects: pa.Table, library: Library, config: DecontaminateConfig) -> pa.Table:
        text: Any = subjects["text" if "text" in subjects.column_names else "question"][0].as_py()
        calls.append((text[:9], set(library.benchmarks)))
        return overlaps(subjects, library, config)

    monkeypatch.setattr(task, "overlaps", counted)
    return calls


def settings(tmp_path: Path, *exams: str, **more: object) -> DecontaminateConfig:
    benchmarks = {
        name: {"source": {"format": "jsonl", "path": str(tmp_path / f"{name}.jsonl")}, "text": "q"} for name in exams
    }
    return DecontaminateConfig.model_validate({"benchmarks": benchmarks, **more})


def run(lake: Lake, tables: Tables, config: DecontaminateConfig) -> Tables:
    """Each table of problems is a round; traces belong to the first."""
    rounds: list[Tables] = [{"problems": (ref,)} for ref in tables["problems"]]
    rounds[0]["traces"] = tables.get("traces", ())
    return joined(task.canaries.fn(lake, config), *task.decontaminate.fn(lake, rounds, config, Models({})))


def dropped(lake: Lake, tables: Tables) -> list[tuple[str, str]]:
    return [(row["row_id"], row["reason"]) for row in lake.rows(tables, "dropped").to_pylist()]


TRAIN, BEANS = EXAMS["trains"][0], EXAMS["beans"][0]


def test_only_what_is_new_is_compared(lake: Lake, compared: list[tuple[str, set[str]]], tmp_path: Path) -> None:
    first = problems_of(lake, TRAIN, "Is it so?")
    found = run(lake, first, settings(tmp_path, "trains"))
    assert compared == [("A train l", {"trains"}), ("Is it so?", {"trains"})]
    assert dropped(lake, found) == [("A train l", "overlaps trains")]

    compared.clear()
    assert run(lake, first, settings(tmp_path, "trains")) == found
    assert compared == []

    # Two benchmarks are added: only they are run, in one pass.
    both = run(lake, first, settings(tmp_path, "trains", "beans", "boats"))
    assert compared == [("A train l", {"beans", "boats"}), ("Is it so?", {"beans", "boats"})]
    assert set(found["contamination"]) < set(both["contamination"])
    assert dropped(lake, both) == dropped(lake, found)

    # A round is added: the earlier one is not read again.
    compared.clear()
    second = joined(first, problems_of(lake, BEANS))
    grown = run(lake, second, settings(tmp_path, "trains", "beans", "boats"))
    assert compared == [("Ben plant", {"trains", "beans", "boats"})]
    assert dropped(lake, grown) == [("A train l", "overlaps trains"), ("Ben plant", "overlaps beans")]

    # What is kept is decided afterwards.
    compared.clear()
    kept = run(lake, second, settings(tmp_path, "trains", "beans", "boats", keep=["A train l"]))
    assert dropped(lake, kept) == [("Ben plant", "overlaps beans")]
    assert compared == []

    # An item is taken out of one benchmark: that one is run again.
    run(lake, second, settings(tmp_path, "trains", "beans", "boats", keep_items={"trains": ["1"]}))
    assert [names for _, names in compared] == [{"trains"}] * 3

    # A benchmark goes, and its findings with it.
    compared.clear()
    less = run(lake, second, settings(tmp_path, "beans"))
    assert dropped(lake, less) == [("Ben plant", "overlaps beans")]
    assert compared == []


def test_what_a_benchmark_says_counts_and_not_where_it_lies(
    lake: Lake, compared: list[tuple[str, set[str]]], tmp_path: Path
) -> None:
    tables = problems_of(lake, TRAIN)
    run(lake, tables, settings(tmp_path, "trains"))
    compared.clear()
    there = tmp_path / "moved"
    there.mkdir()
    lines = [json.dumps({"new column": 1, "q": text}) for text in EXAMS["trains"]]
    (there / "trains.jsonl").write_text("\n".join(lines))
    run(lake, tables, settings(there, "trains"))
    assert compared == []
    (there / "trains.jsonl").write_text("\n".join(lines[:1]))
    run(lake, tables, settings(there, "trains"))
    assert [names for _, names in compared] == [{"trains"}]


def test_a_damaged_part_is_compared_again_alone(
    lake: Lake, compared: list[tuple[str, set[str]]], tmp_path: Path
) -> None:
    tables = problems_of(lake, TRAIN, BEANS)
    config = settings(tmp_path, "trains", "beans")
    found = run(lake, tables, config)
    compared.clear()
    (part,) = Path(lake.url, found["contamination"][1].path).glob("part-00001-*")
    part.write_bytes(b"damaged")
    assert run(lake, tables, config) == found
    assert compared == [("Ben plant", {"beans"})]


def test_traces_are_compared_where_a_recipe_asks(
    lake: Lake, compared: list[tuple[str, set[str]]], tmp_path: Path
) -> None:
    traces = rows_of(
        "traces",
        [
            {"trace_id": "t0", "problem_id": "Is it so?", "text": f"It is like this: {BEANS}"},
            {"trace_id": "t1", "problem_id": "A train l", "text": "40"},
            {"trace_id": "t2", "problem_id": "Is it so?", "text": "Yes."},
        ],
    )
    tables = joined(problems_of(lake, TRAIN, "Is it so?"), store(lake, "traces", traces))
    without = run(lake, tables, settings(tmp_path, "trains", "beans"))
    orphaned = "its problem overlaps a benchmark"
    assert dropped(lake, without) == [("A train l", "overlaps trains"), ("t1", orphaned)]
    compared.clear()
    found = run(lake, tables, settings(tmp_path, "trains", "beans", traces=True))
    assert [text for text, _ in compared] == ["It is lik"]
    assert dropped(lake, found) == [("A train l", "overlaps trains"), ("t0", "overlaps beans"), ("t1", orphaned)]
    rows = lake.rows(found, "contamination").to_pylist()
    assert {(row["problem_id"], row["trace_id"]) for row in rows} == {("A train l", None), ("Is it so?", "t0")}


def test_canaries_are_planted_once_for_a_set_of_benchmarks(lake: Lake, tmp_path: Path) -> None:
    tables = problems_of(lake, TRAIN)
    found = run(lake, tables, settings(tmp_path, "trains"))
    (ref,) = found["canaries"]
    assert lake.row_count([ref]) > 10
    again = run(lake, problems_of(lake, BEANS), settings(tmp_path, "trains", keep=["x"]))
    assert again["canaries"] == found["canaries"]
    assert run(lake, tables, settings(tmp_path, "trains", "beans"))["canaries"] != found["canaries"]
    assert run(lake, tables, settings(tmp_path, "trains", canaries=0))["canaries"] == ()


def test_without_benchmarks_nothing_is_read(lake: Lake, compared: list[tuple[str, set[str]]]) -> None:
    found = run(lake, problems_of(lake, TRAIN), DecontaminateConfig())
    assert (found["benchmarks"], found["contamination"], found["canaries"]) == ((), (), ())
    assert dropped(lake, found) == []
    assert compared == []
