"""Benchmarks are read in each one's own column layout, from the hub's copies in a folder or from files of one's own."""

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, DatasetDict

from schemas.errors import RecipeError, SourceError
from schemas.tables import BENCHMARKS
from tasks.decontaminate.benchmarks import BenchmarkConfig, read_benchmark
from tasks.decontaminate.config import DecontaminateConfig

Rows = Sequence[Mapping[str, object]]

CHOICES = {"text": ["magnet", "rope"], "label": ["A", "B"]}
CARD = """---
configs:
- config_name: main
  data_files: [{split: train, path: main/train-*}, {split: test, path: main/test-*}]
---
"""


def write(path: Path, rows: Rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "\n".join(json.dumps(row) for row in rows).encode()
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)
    else:
        path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)


def items_of(table: pa.Table) -> list[tuple[str, str]]:
    return [(row["item"], row["text"]) for row in table.to_pylist()]


def copied(name: str, folder: Path) -> list[tuple[str, str]]:
    config = DecontaminateConfig.model_validate({"benchmarks": {name: {}}, "folder": str(folder)})
    table = read_benchmark(name, config.benchmarks[name])
    assert table.schema.equals(BENCHMARKS)
    assert set(table["benchmark"].to_pylist()) == {name}
    return items_of(table)


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "parquet"])
@pytest.mark.parametrize(
    ("name", "row", "item", "text"),
    [
        ("gsm8k", {"question": "How many?", "answer": "#### 3"}, "0", "How many?"),
        ("math-500", {"problem": "Find $x$.", "unique_id": "test/algebra/1.json"}, "test/algebra/1.json", "Find $x$."),
        ("svamp", {"Body": "Jo has 3 pens.", "Question": "How many?", "Answer": 3.0}, "0", "Jo has 3 pens.\nHow many?"),
        ("gpqa", {"Question": "Which?", "Correct Answer": "This.", "Incorrect Answer 1": "No."}, "0", "Which?"),
        ("mmlu", {"question": "Which?", "choices": ["p", "q"], "answer": 1}, "0", "Which?\np\nq"),
        ("mmlu-pro", {"question_id": 70, "question": "Which?", "options": ["p", "q"]}, "70", "Which?\np\nq"),
        (
            "arc-easy",
            {"id": "M_1", "question": "What pulls?", "choices": CHOICES},
            "M_1",
            "What pulls?\nmagnet\nrope",
        ),
        ("humaneval", {"task_id": "HumanEval/0", "prompt": "def f():\n", "test": ""}, "HumanEval/0", "def f():\n"),
        ("mbpp", {"task_id": 11, "text": "Write f.", "code": "", "test_list": [""]}, "11", "Write f."),
        ("livecodebench", {"question_content": "Read n.", "question_id": "abc_a"}, "abc_a", "Read n."),
        ("ifeval", {"key": 1000, "prompt": "Write it.", "instruction_id_list": ["x"]}, "1000", "Write it."),
    ],
)
def test_a_file_of_a_folder_stands_for_the_hub(
    tmp_path: Path, name: str, row: dict[str, object], item: str, text: str, ending: str
) -> None:
    write(tmp_path / f"{name}.{ending}", [row])
    assert copied(name, tmp_path) == [(item, text)]


def test_a_folder_may_hold_what_the_hub_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    write(tmp_path / "gsm8k/main/train-0.parquet", [{"question": "not this"}])
    write(tmp_path / "gsm8k/main/test-0.parquet", [{"question": "How many?"}])
    (tmp_path / "gsm8k/README.md").write_text(CARD)
    assert copied("gsm8k", tmp_path) == [("0", "How many?")]
    splits = {"test": Dataset.from_list([{"question": "Which?"}]), "train": Dataset.from_list([{"question": "no"}])}
    DatasetDict(splits).save_to_disk(str(tmp_path / "minerva"))
    assert copied("minerva", tmp_path) == [("0", "Which?")]
    write(tmp_path / "livecodebench/test.jsonl", [{"question_id": "a", "question_content": "Read n."}])
    write(tmp_path / "livecodebench/test2.jsonl", [{"question_id": "b", "question_content": "Read m."}])
    assert copied("livecodebench", tmp_path) == [("a", "Read n."), ("b", "Read m.")]


def test_parts_in_repositories_of_their_own_keep_their_items_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    config = DecontaminateConfig.model_validate({"benchmarks": {"agieval": {}}})
    for source in config.benchmarks["agieval"].source:
        last = source.path.split("/")[-1]
        Dataset.from_list([{"query": f"Q of {last}"}]).save_to_disk(str(tmp_path / "agieval" / last))
    found = copied("agieval", tmp_path)
    assert len(found) == 8
    assert found[0] == ("agieval-aqua-rat/0", "Q of agieval-aqua-rat")


def test_what_is_not_in_the_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"folder: there is no gsm8k.jsonl, .*; put one there, or leave"):
        copied("gsm8k", tmp_path)


def own(tmp_path: Path, rows: Rows, **settings: object) -> list[tuple[str, str]]:
    write(tmp_path / "own.jsonl", rows)
    source = {"format": "jsonl", "path": str(tmp_path / "own.jsonl")}
    table = read_benchmark("own", BenchmarkConfig.model_validate({"source": source, **settings}))
    return items_of(table)


def test_any_columns_make_a_text(tmp_path: Path) -> None:
    rows: Rows = [
        {"turns": [{"value": "Hm?"}], "passage": None, "id": 7},
        {"turns": [{"value": "So?"}], "passage": "It rains.", "id": 7},
    ]
    found = own(tmp_path, rows, text=["passage", "turns[].value"], item="id")
    assert found == [("7", "Hm?"), ("7#1", "It rains.\nSo?")]


@pytest.mark.parametrize(
    ("rows", "settings", "words"),
    [
        ([{"q": "x"}], {"text": "question"}, r"benchmark own: .*own.jsonl:1: no text at 'question'.*columns q"),
        ([{"q": None, "p": None}], {"text": ["q", "p"]}, "no text at 'q'"),
        ([{"q": ["a", 3]}], {"text": "q"}, "no text at 'q'"),
        ([{"q": "x", "id": [1]}], {"text": "q", "item": "id"}, "no text at 'id'"),
        ([{"q": "x"}], {"text": "q", "item": "id"}, "no text at 'id'"),
    ],
)
def test_a_row_without_text_or_name_ends_the_run(
    tmp_path: Path, rows: Rows, settings: dict[str, object], words: str
) -> None:
    with pytest.raises(SourceError, match=words):
        own(tmp_path, rows, **settings)


def test_a_path_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"column path 'a\.\.b'"):
        own(tmp_path, [{"a": "x"}], text="a..b")
