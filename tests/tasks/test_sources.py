"""Reading rows: lines without end, and files that are slow to read a line at a time."""

import gzip
import io
import tracemalloc
from pathlib import Path

import pytest

from schemas.errors import SourceError
from tasks import sources
from tasks.sources import SourceConfig, awaited, read_rows


def source(path: Path) -> SourceConfig:
    return SourceConfig(format="jsonl", path=str(path))


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz"])
@pytest.mark.parametrize("ending", ["", "\n"])
def test_a_line_that_is_too_long_is_a_fault_of_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, ending: str
) -> None:
    monkeypatch.setattr(sources, "LONGEST_LINE", 2**20)
    text = '{"a": 1}\n\n{"a": "' + "x" * 3_000_000 + '"}\n{"a": 2}\n{"a": "' + "x" * 2_000_000 + f'"}}{ending}'
    path = tmp_path / f"rows.{suffix}"
    path.write_bytes(gzip.compress(text.encode()) if suffix.endswith("gz") else text.encode())
    rows = list(read_rows(source(path)))
    assert [(row.place, row.values, row.fault) for row in rows] == [
        (f"{path}:1", {"a": 1}, None),
        (f"{path}:3", {}, ("line too long", "over 1 MiB")),
        (f"{path}:4", {"a": 2}, None),
        (f"{path}:5", {}, ("line too long", "over 1 MiB")),
    ]


def test_a_line_without_end_is_never_held_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LONGEST_LINE", 2**20)
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"x" * 30_000_000)
    tracemalloc.start()
    (row,) = read_rows(source(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert row.fault == ("line too long", "over 1 MiB")
    assert peak < 8e6


class Counted(io.RawIOBase):
    """A file of an object store: each read is a request."""

    def __init__(self, data: bytes) -> None:
        self.inner, self.reads = io.BytesIO(data), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        self.reads += 1
        return self.inner.readinto(buffer)


def test_lines_are_read_a_block_at_a_time() -> None:
    file = Counted(b'{"a": 1}\n' * 100_000)
    assert sum(line is not None for line in sources._lines(file)) == 100_000
    assert file.reads < 10


def test_faults_of_a_source_do_not_name_a_stage(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b"\n")
    with pytest.raises(SourceError, match="no rows in it; check the source's path"):
        list(read_rows(source(tmp_path / "rows.jsonl")))


def test_a_glob_may_wait_for_its_files(tmp_path: Path) -> None:
    source = SourceConfig(format="jsonl", path=str(tmp_path / "*.jsonl"))
    assert awaited(source)
    (tmp_path / "a.jsonl").write_text("{}\n")
    assert not awaited(source)
    assert not awaited(SourceConfig(format="jsonl", path=str(tmp_path / "none.jsonl")))
