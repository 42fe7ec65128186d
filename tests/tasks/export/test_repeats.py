"""Rows that a mixture repeats: as often as their trace, in every kind of format, and the diff between two versions."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.refs import ReleasePart
from schemas.tables import DROPPED, REFERENCES, STANDINGS, VERDICTS
from tasks.export.diff import compare
from tasks.export.published import Files
from tasks.export.repeats import by_release, repeated
from tasks.export.selection import TRAIN, VALIDATION, Selection
from tasks.parts import write_part
from tasks.storage import Storage

TIMES = {"t1": 3, "t2": 1, "t3": 2}
PROBLEM = {"t1": "p1", "t2": "p1", "t3": "p2"}


def table(**columns: list[Any]) -> pa.Table:
    return pa.table({name: pa.array(values) for name, values in columns.items()})


MIXTURE = table(
    trace_id=list(TIMES), problem_id=list(PROBLEM.values()), release=["a/v1", "a/v1", "b/v1"],
    counted=[True, False, True], repeats=list(TIMES.values()),
)  # fmt: skip


def selection(split: str = TRAIN, mixture: pa.Table = MIXTURE) -> Selection:
    empty = table(problem_id=[])
    judged = table(pair_id=["j1"], trace_id=["t3"])
    pairs = table(pair_id=["d1", "d2"], chosen_trace_id=["t1", "t2"], rejected_trace_id=["t2", "t1"])
    return Selection(
        problems=empty, traces=empty, standings=STANDINGS.empty_table(), pairs=pairs,
        references=REFERENCES.empty_table(), verdicts=VERDICTS.empty_table(), split=split,
        judgement_pairs=judged, mixture=mixture,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("column", "ids", "expected"),
    [
        ("trace_id", ["t2", "t1", "t3"], ["t2", "t1", "t3", "t1", "t3", "t1"]),
        ("problem_id", ["p1", "p2"], ["p1", "p2", "p1", "p2", "p1"]),
        ("pair_id", ["d1", "d2", "j1"], ["d1", "d2", "j1", "d1", "j1", "d1"]),
        ("trace_id", ["t9"], ["t9"]),
        ("trace_id", [], []),
    ],
)
def test_rows_are_repeated_pass_by_pass(column: str, ids: list[str], expected: list[str]) -> None:
    rows = pa.table({column: pa.array(ids, pa.string())})
    assert repeated(rows, column, selection())[column].to_pylist() == expected
    for unmixed in (selection(VALIDATION), selection(mixture=MIXTURE.slice(0, 0))):
        assert repeated(rows, column, unmixed) is rows


def test_exported_rows_by_release(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    formats = {
        "sft/train": table(trace_id=["t1", "t1", "t3"]),
        "dpo/train": table(pair_id=["d1"], problem_id=["p1"], chosen_trace_id=["t1"], rejected_trace_id=["t2"]),
        "verl/train": table(problem_id=["p1", "p2", "p2"]),
    }
    files = {
        path: Files(storage, path, (ReleasePart(**write_part(storage, path, 0, rows).model_dump()),))
        for path, rows in formats.items()
    }
    assert by_release(files, MIXTURE) == {
        "a/v1": {"sft/train": 2, "dpo/train": 1, "verl/train": 1},
        "b/v1": {"sft/train": 1, "verl/train": 2},
    }


ROWS = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 2)), max_size=12)
NOTHING = table(table=["traces"], row_id=["a"], stage=["mix"], reason=["over its share"])


def files_of(rows: list[tuple[str, int]]) -> pa.Table:
    ids, texts = [one for one, _ in rows], [one for _, one in rows]
    return pa.table({"trace_id": pa.array(ids, pa.string()), "text": pa.array(texts, pa.int64())})


@given(old=ROWS, new=ROWS)
@settings(max_examples=20, deadline=None)
def test_the_diff_has_each_id_once(old: list[tuple[str, int]], new: list[tuple[str, int]]) -> None:
    found = compare("sft", "trace_id", files_of(new), ds.dataset(files_of(old)), NOTHING).to_pylist()
    told = {row["row_id"]: (row["change"], row["reason"]) for row in found}
    assert len(told) == len(found)
    for one in "abcd":
        before, now = (sorted(text for name, text in rows if name == one) for rows in (old, new))
        change, reason = told.get(one, (None, None))
        assert change == (None if before == now else "added" if not before else "changed" if now else "removed")
        if before and now and len(before) != len(now):
            assert reason == f"{len(now)} rows, {len(before)} before"
        elif change == "removed":
            assert reason == ("mix: over its share" if one == "a" else None)


def test_a_column_of_another_name_does_not_count_as_the_rows_id() -> None:
    """ProcessBench's format has a column `id`, and its rows are the traces'."""
    rows = pa.table({"id": ["a", "b"], "trace_id": ["t", "t"]})
    found = compare("processbench/train", "trace_id", rows, None, DROPPED.empty_table())
    assert [(row["row_id"], row["change"]) for row in found.to_pylist()] == [("t", "added")]
