"""The lake: content-addressed, atomic, self-mending, on a folder, on memory:// and on S3."""

import errno
import multiprocessing
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pytest

from schemas.conform import rows
from schemas.errors import DamagedError, LakeError, SchemaError
from schemas.refs import Ref, Snapshot, Stage
from schemas.tables import DROPPED
from tasks.lake import Lake
from tasks.parts import parquet_bytes
from tasks.storage import Storage


def part(index: int) -> pa.Table:
    record: dict[str, object] = {
        "table": "traces",
        "row_id": f"t{index}",
        "stage": "test",
        "reason": f"reason {index % 2}",
        "evidence": None,
        "duplicate_of": None,
    }
    return rows([record], DROPPED, at="test")


def stage(**config: int) -> Stage:
    return Stage(name="test", version="1", config=dict(config), tables=("dropped",))


class Maker:
    """Three parts; remembers which were made."""

    def __init__(self) -> None:
        self.made: list[int] = []

    def __call__(self) -> Iterator[Callable[[], Mapping[str, pa.Table]]]:
        for index in range(3):
            yield lambda index=index: self._make(index)  # type: ignore[misc]

    def _make(self, index: int) -> Mapping[str, pa.Table]:
        self.made.append(index)
        return {"dropped": part(index)}


@pytest.fixture(params=["folder", "memory", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    if request.param == "s3":
        return Lake(f"{request.getfixturevalue('s3')}/lake")
    return Lake(str(tmp_path / "lake") if request.param == "folder" else f"memory://{uuid.uuid4().hex}/lake")


def test_key_follows_everything_that_decides_the_outcome() -> None:
    base = stage(a=1)
    others = [
        stage(a=2),
        base.model_copy(update={"version": "2"}),
        base.model_copy(update={"inputs": (Ref(table="traces", key="k"),)}),
        base.model_copy(update={"sources": {"file": "digest"}}),
    ]
    assert len({one.key for one in [base, *others]}) == 5
    assert base.key == stage(a=1).key


def test_a_column_is_read_part_by_part_as_often_as_asked(lake: Lake) -> None:
    tables = lake.run(stage(), Maker())
    read = lake.parts(tables, "dropped", "row_id")
    assert [part.to_pylist() for part in read()] == [["t0"], ["t1"], ["t2"]]
    assert [value for part in read() for value in part.to_pylist()] == ["t0", "t1", "t2"]
    assert [value for part in lake.parts({}, "dropped", "row_id")() for value in part.to_pylist()] == []
    (ref,) = tables["dropped"]
    lake.storage.remove(f"{ref.path}/{[one for one in lake.storage.names(ref.path) if one.startswith('part')][-1]}")
    with pytest.raises(DamagedError, match="missing or damaged"):
        list(read())


def test_runs_once(lake: Lake) -> None:
    maker = Maker()
    first = lake.run(stage(), maker)
    second = lake.run(stage(), maker)
    assert first == second
    assert maker.made == [0, 1, 2]
    assert lake.read(*first["dropped"])["row_id"].to_pylist() == ["t0", "t1", "t2"]
    manifest = lake.manifest(*first["dropped"])
    assert manifest is not None
    assert (manifest.rows, manifest.counts) == (3, {"reason 0": 2, "reason 1": 1})


@pytest.mark.parametrize("harm", ["missing", "damaged", "truncated"])
def test_a_bad_part_is_made_again_alone(lake: Lake, harm: str) -> None:
    ref = lake.run(stage(), Maker())["dropped"][0]
    manifest = lake.manifest(ref)
    assert manifest is not None
    path = f"{ref.path}/{manifest.parts[1].name}"
    before = lake.storage.read(path)
    assert before is not None
    if harm == "missing":
        lake.storage.remove(path)
    else:
        lake.storage.write(path, before[:-9] if harm == "truncated" else before[:-9] + b"x" * 9)
    maker = Maker()
    lake.run(stage(), maker)
    assert maker.made == [1]
    assert lake.storage.read(path) == before


def test_finished_parts_survive_a_crash(lake: Lake) -> None:
    def crashing() -> Iterator[Callable[[], Mapping[str, pa.Table]]]:
        yield lambda: {"dropped": part(0)}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lake.run(stage(), crashing)
    assert not lake.whole(stage().outputs["dropped"][0])
    maker = Maker()
    lake.run(stage(), maker)
    assert maker.made == [1, 2]


def test_a_broken_manifest_is_written_again_from_sound_parts(lake: Lake) -> None:
    ref = lake.run(stage(), Maker())["dropped"][0]
    lake.storage.write(f"{ref.path}/manifest.json", b'{"table": "dro')
    maker = Maker()
    assert lake.run(stage(), maker)["dropped"] == (ref,)
    assert maker.made == []
    assert lake.whole(ref)


def test_reading_says_what_is_wrong(lake: Lake) -> None:
    with pytest.raises(LakeError, match="not finished; run the recipe again"):
        lake.read(Ref(table="dropped", key="nowhere"))
    ref = lake.run(stage(), Maker())["dropped"][0]
    manifest = lake.manifest(ref)
    assert manifest is not None
    lake.storage.write(f"{ref.path}/{manifest.parts[0].name}", b"not parquet")
    with pytest.raises(DamagedError, match="missing or damaged"):
        lake.read(ref)
    with pytest.raises(DamagedError, match="missing or damaged"):
        lake.read_part(ref, 0)


def test_a_part_that_breaks_the_contract_is_refused(lake: Lake) -> None:
    with pytest.raises(SchemaError, match="test: dropped has missing columns"):
        lake.run(stage(), lambda: iter([lambda: {"dropped": part(0).drop_columns(["reason"])}]))


def test_newest_version_of_each_table(lake: Lake) -> None:
    old = lake.run(stage(a=1), Maker())["dropped"][0]
    new = lake.run(stage(a=2), Maker())["dropped"][0]
    lake.record(snapshot("one", old, 1))
    lake.record(snapshot("two", new, 2))
    assert lake.newest() == {"dropped": (new,)}
    lake.record(snapshot("one", old, 3))
    assert lake.newest() == {"dropped": (old,)}
    assert [one.recipe for one in lake.snapshots()] == ["two", "one"]


def snapshot(recipe: str, ref: Ref, second: int) -> Snapshot:
    return Snapshot.model_validate(
        {"recipe": recipe, "tables": {"dropped": (ref,)}, "created": f"2026-01-01T00:00:0{second}Z"}
    )


def test_equal_tables_give_equal_bytes() -> None:
    assert parquet_bytes(part(1)) == parquet_bytes(part(1))


def _write_all(url: str) -> None:
    Lake(url).run(stage(), Maker())


def test_two_runs_at_once_agree(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    runs = [context.Process(target=_write_all, args=(str(tmp_path / "lake"),)) for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(60)
    assert [run.exitcode for run in runs] == [0, 0, 0]
    ref = stage().outputs["dropped"][0]
    assert Lake(str(tmp_path / "lake")).whole(ref)
    assert len(list((tmp_path / "lake" / ref.path).iterdir())) == 5


def test_leftovers_of_dead_processes_are_swept(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    storage.write("folder/file", b"data")
    dead = subprocess.Popen(["true"])
    dead.wait()
    host = os.uname().nodename
    left = tmp_path / "folder" / f".tmp-{host}@{dead.pid}@x"
    ours = tmp_path / "folder" / f".tmp-{host}@{os.getpid()}@x"
    left.touch()
    ours.touch()
    storage.sweep("folder")
    assert not left.exists()
    assert ours.exists()
    assert storage.names("folder") == ["file"]


def test_create_succeeds_once(lake: Lake) -> None:
    assert lake.storage.create("releases/x/v1/claim.json", b"a")
    assert not lake.storage.create("releases/x/v1/claim.json", b"b")
    assert lake.storage.read("releases/x/v1/claim.json") == b"a"


def test_a_full_disk_is_one_clear_sentence(small_disk: Path) -> None:
    storage = Storage(str(small_disk))
    storage.write("kept", b"x" * 1000)
    with pytest.raises(LakeError, match=r"writing .*/big: no space left; free some and run again"):
        storage.write("big", b"x" * 1_000_000)
    assert storage.names("") == ["kept"]
    assert [path.name for path in small_disk.iterdir()] == ["kept"]


def test_a_read_only_lake_is_one_clear_sentence(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(LakeError, match="not writable"):
        Lake(str(small_disk)).run(stage(), Maker())


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOSPC, "no space left"), (errno.EROFS, "not writable"), (errno.EIO, "Input/output error")],
)
def test_storage_errors_are_explained(lake: Lake, monkeypatch: pytest.MonkeyPatch, code: int, words: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    monkeypatch.setattr(lake.storage.filesystem, "pipe_file", fail)
    with pytest.raises(LakeError, match=words):
        lake.run(stage(), Maker())


def test_an_unknown_protocol_is_named() -> None:
    with pytest.raises(LakeError, match="nosuch"):
        Lake("nosuch://bucket/lake").storage.names("")
