"""Import: mappings, ids, and every kind of bad input."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.errors import SourceError
from tasks.ingest.config import IngestConfig
from tasks.ingest.ingest import Imported, import_rows
from tasks.sources import digests, read_rows
from tasks.text.steps import steps

GSM8K = Path(__file__).parents[4] / "shared/data/gsm8k/example_model_solutions.jsonl"
GOOD = {"q": "What is 1 + 1?", "ref": "It is 2.\n#### 2", "sols": [{"t": "1 + 1 = 2\n#### 2", "ok": True, "m": "x"}]}


def settings(path: Path | str, **changes: Any) -> dict[str, Any]:
    return {
        "source": {"format": "jsonl", "path": str(path)},
        "problem": {"question": "q", "reference": "ref", "reference_marker": "#### "},
        "completions": [{"text": "sols[].t", "model_column": "sols[].m", "labels": {"is_correct": "sols[].ok"}}],
    } | changes


def imported(config: IngestConfig) -> Imported:
    parts = list(import_rows(read_rows(config.source, config.limit), config))
    return Imported(*(pa.concat_tables(tables) for tables in zip(*parts, strict=True)))


def load(path: Path, content: bytes | list[Any], **changes: Any) -> Imported:
    lines = content if isinstance(content, bytes) else b"\n".join(json.dumps(one).encode() for one in content)
    path.write_bytes(lines)
    return imported(IngestConfig.model_validate(settings(path, **changes)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rows.jsonl"


def test_maps_columns(file: Path) -> None:
    problems, traces, dropped = load(file, [GOOD])
    assert problems.select(["question", "reference", "domain"]).to_pylist() == [
        {"question": "What is 1 + 1?", "reference": "2", "domain": "math"}
    ]
    trace = traces.to_pylist()[0]
    assert trace["problem_id"] == problems["problem_id"][0].as_py()
    assert (trace["model"], trace["origin"], trace["sample_index"]) == ("x", "imported", 0)
    assert trace["source_labels"] == [("is_correct", "true")]
    assert steps(trace["text"], trace["step_offsets"]) == ["1 + 1 = 2\n", "#### 2"]
    assert dropped.num_rows == 0


def test_rows_with_one_question_share_a_problem(file: Path) -> None:
    problems, traces, _ = load(file, [GOOD, GOOD | {"q": "What  is 1 + 1? "}])
    assert problems.num_rows == 1
    assert traces["sample_index"].to_pylist() == [0, 1]
    assert len(set(traces["trace_id"].to_pylist())) == 2


def test_ids_follow_content_not_position(file: Path) -> None:
    other = GOOD | {"q": "What is 2 + 2?"}
    first, second = load(file, [GOOD, other]).traces, load(file, [other, GOOD]).traces
    assert set(first["trace_id"].to_pylist()) == set(second["trace_id"].to_pylist())


def test_parts_hold_all_rows_once(file: Path) -> None:
    rows = [GOOD | {"q": f"What is {n} + 1?"} for n in range(7)]
    file.write_text("\n".join(map(json.dumps, rows)))
    config = IngestConfig.model_validate(settings(file, part_rows=3))
    parts = list(import_rows(read_rows(config.source), config))
    assert [part.traces.num_rows for part in parts] == [3, 3, 1]
    assert sum(part.problems.num_rows for part in parts) == 7


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".parquet"])
def test_other_formats_give_the_same(tmp_path: Path, file: Path, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([GOOD]), path)
    else:
        path.write_bytes(gzip.compress(json.dumps(GOOD).encode()))
    source = {"format": "parquet" if suffix == ".parquet" else "jsonl", "path": str(path)}
    got = imported(IngestConfig.model_validate(settings(path, source=source)))
    assert got.traces["trace_id"] == load(file, [GOOD]).traces["trace_id"]


def test_reads_what_datasets_loads(tmp_path: Path, file: Path) -> None:
    from datasets import Dataset

    Dataset.from_list([GOOD]).save_to_disk(tmp_path / "saved")
    Dataset.from_list([GOOD]).to_parquet(tmp_path / "folder" / "train.parquet")
    for path in (tmp_path / "saved", tmp_path / "folder"):
        config = IngestConfig.model_validate(settings(path, source={"format": "datasets", "path": str(path)}))
        assert imported(config).traces["trace_id"] == load(file, [GOOD]).traces["trace_id"]
        assert digests(config.source) == digests(config.source)


def test_globs_read_files_in_order(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(GOOD | {"q": name}))
    got = imported(IngestConfig.model_validate(settings(tmp_path / "*.jsonl")))
    assert got.problems["question"].to_pylist() == ["a", "b"]


BAD = [
    (b'{"q": "x"', "broken JSON", "rows.jsonl:2: broken JSON"),
    (b'{"q": "\xff"}', "invalid UTF-8", "rows.jsonl:2: invalid UTF-8: byte 7"),
    (b"[1]", "not a JSON object", "rows.jsonl:2: not a JSON object: list"),
    (json.dumps(GOOD | {"q": ["x"]}).encode(), "wrong type", "column 'q' holds list where text should be"),
    (json.dumps(GOOD | {"sols": [{"t": 1.5}, {"t": {}}]}).encode(), "wrong type", "'sols\\[\\].t' holds dict"),
    (b'{"q": "y", "ref": "#### 1"}', "missing column", "rows.jsonl:2: missing column: 'sols\\[\\].t'"),
]


@pytest.mark.parametrize(("line", "reason", "message"), BAD)
def test_a_broken_row_ends_the_run_or_is_dropped(file: Path, line: bytes, reason: str, message: str) -> None:
    content = json.dumps(GOOD).encode() + b"\n" + line + b"\n" + json.dumps(GOOD | {"q": "z"}).encode()
    with pytest.raises(SourceError, match=message) as caught:
        load(file, content)
    assert "on_bad_row=drop" in str(caught.value)
    problems, _, dropped = load(file, content, on_bad_row="drop")
    assert problems["question"].to_pylist() == ["What is 1 + 1?", "z"]
    assert [(one["row_id"], one["reason"]) for one in dropped.to_pylist()] == [(f"{file}:2", reason)]


def test_an_id_given_twice(file: Path) -> None:
    columns = {"question": "q", "reference": "ref", "reference_marker": "#### ", "id": "n"}
    rows = [GOOD | {"n": 7}, GOOD | {"n": 7, "q": "other"}]
    with pytest.raises(SourceError, match=r"rows.jsonl:2: id given twice: '7', first at .*rows.jsonl:1"):
        load(file, rows, problem=columns)
    assert load(file, rows, problem=columns, on_bad_row="drop").dropped["reason"].to_pylist() == ["id given twice"]


UNUSABLE = [
    (GOOD | {"q": " "}, "empty question", True),
    (GOOD | {"q": None}, "empty question", True),
    (GOOD | {"ref": "no marker"}, "no marker in the reference", True),
    (GOOD | {"q": "What is 1 + 1?", "ref": "#### 3"}, "an earlier row gives this question another reference", True),
    (GOOD | {"q": "new", "sols": [{"t": ""}]}, "empty completion", False),
    (GOOD | {"q": "new", "sols": [{"t": "x" * 2_000_000}]}, "completion longer than max_chars", False),
]


@pytest.mark.parametrize(("row", "reason", "whole"), UNUSABLE)
def test_an_unusable_row_is_dropped_with_its_reason(file: Path, row: object, reason: str, whole: bool) -> None:
    dropped = load(file, [GOOD, row]).dropped.to_pylist()
    wanted = [("problems", f"{file}:2", reason), ("traces", f"{file}:2#0", "its problem cannot be used")]
    found = [(one["table"], one["row_id"], one["reason"]) for one in dropped]
    assert found == (wanted if whole else [("traces", f"{file}:2#0", reason)])


def test_an_unknown_column_names_those_there_are(file: Path) -> None:
    with pytest.raises(
        SourceError, match=r"rows.jsonl:1: no column 'answer', which ingest.problem.reference names; there are q, ref"
    ):
        load(file, [GOOD], problem={"question": "q", "reference": "answer"})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.jsonl", b"\n\n", "no rows in it"),
        ("rows.jsonl", None, "no such file"),
        ("rows.parquet", b"PAR1 not", "not a sound Parquet file"),
        ("rows.jsonl.gz", b"not gzip", "compressed file is damaged"),
    ],
)
def test_files_that_hold_nothing(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    kind = "parquet" if name.endswith("parquet") else "jsonl"
    config = IngestConfig.model_validate(settings(path, source={"format": kind, "path": str(path)}))
    with pytest.raises(SourceError, match=message) as caught:
        imported(config)
    assert name in str(caught.value)


def test_a_set_that_cannot_be_loaded(tmp_path: Path) -> None:
    source = {"format": "datasets", "path": str(tmp_path / "nothing")}
    config = IngestConfig.model_validate(settings(tmp_path, source=source))
    with pytest.raises(SourceError, match=r"data set .*nothing"):
        imported(config)


@pytest.mark.skipif(not GSM8K.exists(), reason="needs ../shared/data")
def test_real_traces() -> None:
    models = ["6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"]
    config = {
        "source": {"format": "jsonl", "path": str(GSM8K)},
        "problem": {"question": "question", "reference": "ground_truth", "reference_marker": "A: "},
        "completions": [
            {"text": f"{name}.solution", "model": name, "labels": {"is_correct": f"{name}.is_correct"}}
            for name in models
        ],
    }
    problems, traces, dropped = imported(IngestConfig.model_validate(config))
    assert (problems.num_rows, traces.num_rows, dropped.num_rows) == (1319, 5276, 0)
    assert problems["reference"].null_count == 0
