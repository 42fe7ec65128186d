"""JSON lines and other files of a format lie beside its folders of Parquet, and say the same."""

import hashlib
import json
import tracemalloc
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest

from tasks.export.beside import beside, lengths
from tasks.export.pieces import Format, Piece, put
from tasks.export.published import Files
from tasks.export.selection import TRAIN, VALIDATION, Exporter
from tasks.lake import Lake

COLUMNS = pa.schema({"problem_id": pa.string(), "messages": pa.list_(pa.string()), "text_tokens": pa.int32()})


def table(first: int, count: int, text: str = "é😀\n") -> pa.Table:
    numbers = range(first, first + count)
    columns = {
        "problem_id": [f"p{at}" for at in numbers],
        "messages": [[text, None] for _ in numbers],
        "text_tokens": list(numbers),
    }
    return pa.table(columns, schema=COLUMNS)


def info(rows: Mapping[str, int]) -> dict[str, bytes]:
    return {"info.json": json.dumps(dict(rows)).encode()}


def written(lake: Lake, *made: Format) -> dict[str, Files]:
    return {one.path: put(lake, f"r/{one.path}", one, part_rows=2) for one in made}


def formats(*, lines: bool) -> tuple[Format, Format]:
    exporter = Exporter("problem_id", COLUMNS, lambda _: table(0, 0), texts=("text",), files=info, lines=lines)
    train = Format("kto", TRAIN, exporter, (Piece("a", table(0, 3)), Piece("b", table(3, 2))))
    return train, Format("kto", VALIDATION, exporter, (Piece("c", table(9, 0)),))


@pytest.mark.parametrize("url", ["{}/lake", "memory://beside/{}"])
def test_lines_are_the_rows_of_the_parts(tmp_path: Path, url: str) -> None:
    lake = Lake(url.format(tmp_path))
    made = formats(lines=True)
    digests = beside(lake.storage, "r", made, written(lake, *made))
    assert sorted(digests) == ["kto/info.json", "kto/train.jsonl", "kto/validation.jsonl"]
    for path, digest in digests.items():
        assert hashlib.sha256(lake.storage.read(f"r/{path}") or b"").hexdigest() == digest
        assert lake.storage.digest(f"r/{path}") == digest
    data = lake.storage.read("r/kto/train.jsonl") or b""
    assert [json.loads(line) for line in data.splitlines()] == table(0, 5).to_pylist()
    assert lake.storage.read("r/kto/validation.jsonl") == b""
    assert json.loads(lake.storage.read("r/kto/info.json") or b"") == {"train": 5, "validation": 0}
    for one in made:
        assert all(name.endswith(".parquet") for name in lake.storage.names(f"r/{one.path}"))


def test_no_lines_unless_asked_for(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    made = formats(lines=False)
    assert list(beside(lake.storage, "r", made, written(lake, *made))) == ["kto/info.json"]


def test_lines_are_never_all_in_memory(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    exporter = Exporter("problem_id", COLUMNS, lambda _: table(0, 0), lines=True)
    rows = table(0, 60_000, text="word " * 200)
    one = Format("sft", TRAIN, exporter, (Piece("a", rows),))
    files = {one.path: put(lake, f"r/{one.path}", one, part_rows=5_000)}
    tracemalloc.start()
    beside(lake.storage, "r", [one], files)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "r/sft/train.jsonl").stat().st_size > 60e6
    assert peak < 20e6


def test_lengths_are_of_all_splits_together(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    made = formats(lines=False)
    (found,) = lengths(made, written(lake, *made))
    assert (found.format, found.column, found.median, found.longest) == ("kto", "text", 2, 4)
