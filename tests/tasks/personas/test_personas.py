"""Personas: columns, ids, every kind of bad row, and what `datasets` loads."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from schemas.errors import EmptyError, SourceError
from tasks.personas.personas import PersonasConfig, PersonasResult, load_personas
from tasks.sources import read_rows


def load(config: PersonasConfig) -> PersonasResult:
    parts = list(load_personas(read_rows(config.rows_from, config.limit), config))
    return PersonasResult(*(pa.concat_tables(tables) for tables in zip(*parts, strict=True)))


def from_file(path: Path, lines: list[Any], **changes: Any) -> PersonasResult:
    path.write_bytes(b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines))
    source = {"format": "jsonl", "path": str(path)}
    return load(PersonasConfig.model_validate({"source": source} | changes))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "personas.jsonl"


def test_the_bundled_personas() -> None:
    personas, dropped = load(PersonasConfig())
    assert personas.num_rows >= 1000
    assert dropped.num_rows == 0
    assert set(personas["source"].to_pylist()) == {"bundled"}
    assert personas["domain"].null_count == 0
    assert len(set(personas["persona_id"].to_pylist())) == personas.num_rows


def test_ids_are_of_the_words_alone(file: Path) -> None:
    row = {"who": {"text": "A baker \n in Lyon "}, "field": "food"}
    personas, _ = from_file(file, [row], persona="who.text", domain="field")
    again, _ = from_file(file, [{"persona": "A baker in Lyon"}])
    assert personas["persona_id"] == again["persona_id"]
    assert personas["persona"].to_pylist() == ["A baker \n in Lyon"]
    assert (personas["domain"].to_pylist(), again["domain"].to_pylist()) == (["food"], [None])
    assert again["source"].to_pylist() == [str(file)]


BAD = [
    (b'{"persona": "x"', "broken JSON"),
    (b'{"persona": "\xff"}', "invalid UTF-8"),
    (b'"a baker"', "not a JSON object"),
    ({"name": "x"}, "missing column"),
    ({"persona": ["a baker"]}, "wrong type"),
    ({"persona": 7}, "wrong type"),
    ({"persona": None}, "empty persona"),
    ({"persona": " \n"}, "empty persona"),
    ({"persona": "x" * 2001}, "persona longer than max_chars"),
    ({"persona": "A  baker"}, "exact duplicate"),
]


@pytest.mark.parametrize(("line", "reason"), BAD)
def test_a_row_without_a_persona_is_dropped_with_its_reason(file: Path, line: Any, reason: str) -> None:
    personas, dropped = from_file(file, [{"persona": "A baker"}, line, {"persona": "A potter"}])
    assert personas["persona"].to_pylist() == ["A baker", "A potter"]
    (row,) = dropped.to_pylist()
    assert (row["table"], row["stage"], row["row_id"], row["reason"]) == ("personas", "personas", f"{file}:2", reason)
    assert len(row["evidence"] or "") < 200
    assert row["duplicate_of"] == (personas["persona_id"][0].as_py() if reason == "exact duplicate" else None)


def test_lines_of_ten_megabytes_are_in_memory_one_at_a_time(file: Path) -> None:
    long, short = {"persona": "x" * 10_000_000}, {"persona": "A baker"}
    peaks = []
    for count in (1, 5):
        file.write_text("\n".join(json.dumps(one) for one in [long, short, *[long] * (count - 1)]))
        config = PersonasConfig.model_validate({"source": {"format": "jsonl", "path": str(file)}})
        tracemalloc.start()
        personas, dropped = load(config)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert personas["persona"].to_pylist() == ["A baker"]
        assert dropped["reason"].to_pylist() == ["persona longer than max_chars"] * count
        assert dropped["evidence"][0].as_py() == "10000000 characters, max_chars 2000"
    assert peaks[1] < peaks[0] + 25_000_000  # the line before, and its text


def test_parts_hold_every_persona_once(file: Path) -> None:
    file.write_text("\n".join(json.dumps({"persona": f"Person {n % 5}"}) for n in range(20)))
    config = PersonasConfig.model_validate({"source": {"format": "jsonl", "path": str(file)}, "part_rows": 2})
    parts = list(load_personas(read_rows(config.rows_from), config))
    assert [part.personas.num_rows for part in parts] == [2, 2, 1]
    assert sum(part.dropped.num_rows for part in parts) == 15


def test_limit(file: Path) -> None:
    assert from_file(file, [{"persona": f"Person {n}"} for n in range(9)], limit=4).personas.num_rows == 4


def test_an_unknown_column_names_those_there_are(file: Path) -> None:
    with pytest.raises(SourceError, match=r"jsonl:1: no column 'persona', which personas.persona names; there are who"):
        from_file(file, [{"who": "A baker"}])


def test_a_source_without_any_persona(file: Path) -> None:
    with pytest.raises(EmptyError, match=r"no persona in .*personas.jsonl; the first: .*:1: empty persona; check"):
        from_file(file, [{"persona": ""}, {"persona": " "}])


def test_sets_that_datasets_loads(tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    given = Dataset.from_dict({"input persona": ["A baker", "A potter", "A baker"], "synthesized text": ["", "", ""]})
    DatasetDict({"train": given}).save_to_disk(tmp_path / "saved")
    config = {
        "source": {"format": "datasets", "path": str(tmp_path / "saved")},
        "persona": "input persona",
    }
    personas, dropped = load(PersonasConfig.model_validate(config))
    assert personas["persona"].to_pylist() == ["A baker", "A potter"]
    assert dropped["row_id"].to_pylist() == [f"{tmp_path / 'saved'}: row 2"]
