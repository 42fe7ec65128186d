import json
from collections import Counter
from fractions import Fraction
from itertools import combinations
from typing import Any

import pytest

from data.samples import make_samples
from data.samples.make_samples import FOLDER, HANGING, ITEMS, LEAKED, REWORDED, TRACES, UNREFERENCED

Row = dict[str, Any]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return [json.loads(line) for line in (FOLDER / TRACES).read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def items() -> list[Row]:
    return [json.loads(line) for line in (FOLDER / ITEMS).read_text(encoding="utf-8").splitlines()]


def words(text: str) -> list[str]:
    return "".join(char if char.isalnum() else " " for char in text.lower()).split()


def shingles(text: str, size: int) -> set[tuple[str, ...]]:
    found = words(text)
    return {tuple(found[start : start + size]) for start in range(len(found) - size + 1)}


def alike(one: str, other: str) -> float:
    a, b = shingles(one, 3), shingles(other, 3)
    return len(a & b) / len(a | b)


def amount(text: str) -> Fraction:
    return Fraction(text.strip().rstrip(".").strip("$%").replace(",", ""))


def answer(text: str) -> Fraction | None:
    last = text.splitlines()[-1]
    marker = next((marker for marker in ("#### ", "answer is ") if marker in last), None)
    return amount(last.split(marker)[1]) if marker and text != HANGING else None


def test_committed_files_are_what_the_script_makes() -> None:
    for name, made in ((TRACES, make_samples.traces()), (ITEMS, make_samples.benchmark())):
        assert (FOLDER / name).read_text(encoding="utf-8") == make_samples.to_jsonl(made)


def test_their_size(rows: list[Row], items: list[Row]) -> None:
    assert sum((FOLDER / name).stat().st_size for name in (TRACES, ITEMS)) < 1_500_000
    assert (len(rows), len(items)) == (400, 60)
    assert {len(row["completions"]) for row in rows} == {6}
    for table in (rows, items):
        assert len({row["id"] for row in table}) == len({row["question"] for row in table}) == len(table)


def test_labels_say_whether_the_answer_is_right(rows: list[Row]) -> None:
    for row in rows:
        right = {answer(one["text"]) for one in row["completions"] if one["is_correct"]}
        wrong = {answer(one["text"]) for one in row["completions"] if not one["is_correct"]}
        assert len(right) <= 1
        assert right.isdisjoint(wrong)
        assert row["answer"] is None or right <= {amount(row["answer"].split("#### ")[1])}


def test_about_55_percent_are_right(rows: list[Row]) -> None:
    labels = Counter(one["is_correct"] for row in rows for one in row["completions"])
    assert 0.5 < labels[True] / labels.total() < 0.6
    both = [row for row in rows if len({one["is_correct"] for one in row["completions"]}) == 2]
    assert len(both) > 350


def test_steps_are_lines(rows: list[Row]) -> None:
    lines = Counter(one["text"].count("\n") + 1 for row in rows for one in row["completions"])
    assert max(lines) <= 6
    assert sum(lines[count] for count in (2, 3, 4, 5)) / lines.total() > 0.99


def test_odd_rows(rows: list[Row]) -> None:
    texts = [one["text"] for row in rows for one in row["completions"]]
    assert texts.count(HANGING) == 1
    assert HANGING.endswith("9**9**9.")
    assert [answer(text) for text in texts].count(None) == 2
    assert [row["answer"] for row in rows].count(None) == UNREFERENCED
    references = [row["answer"].split("#### ")[1] for row in rows if row["answer"]]
    for kind in ("/", "%", "$", ",", "."):
        assert sum(kind in reference for reference in references) >= 10


def test_problems_taken_from_the_benchmark(rows: list[Row], items: list[Row]) -> None:
    runs = set.union(*(shingles(item["question"], 8) for item in items))
    leaked = [row for row in rows if shingles(row["question"], 8) & runs]
    assert len(leaked) == LEAKED
    assert len({row["question"] for row in leaked} & {item["question"] for item in items}) == LEAKED // 2


def test_near_duplicates_are_the_intended_ones(rows: list[Row]) -> None:
    twins = [
        (one["question"], other["question"])
        for one, other in combinations([row for row in rows if row["answer"]], 2)
        if one["answer"] == other["answer"] and alike(one["question"], other["question"]) >= 0.6
    ]
    assert REWORDED - UNREFERENCED <= len(twins) <= REWORDED
    copies = [
        one["text"] == other["text"]
        for row in rows
        for one, other in combinations(row["completions"], 2)
        if one["is_correct"] == other["is_correct"] and alike(one["text"], other["text"]) >= 0.7
    ]
    assert 20 <= copies.count(True) <= 24
    assert 20 <= copies.count(False) <= 30
