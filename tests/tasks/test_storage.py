"""Files that are written as they come are there whole, or not at all."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.errors import LakeError
from tasks.storage import Storage


@pytest.fixture(params=["{}/lake", "memory://storage/{}"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return Storage(request.param.format(tmp_path))


def test_a_stream_is_the_file_of_its_chunks(storage: Storage, tmp_path: Path) -> None:
    digest = storage.stream("a/b.jsonl", iter([b"one\n", b"", b"two\n"]))
    assert storage.read("a/b.jsonl") == b"one\ntwo\n"
    assert digest == storage.digest("a/b.jsonl") == hashlib.sha256(b"one\ntwo\n").hexdigest()
    assert storage.size("a/b.jsonl") == 8
    storage.fetch("a/b.jsonl", tmp_path / "copy" / "b.jsonl")
    assert (tmp_path / "copy/b.jsonl").read_bytes() == b"one\ntwo\n"
    storage.stream("a/b.jsonl", [b"three"])
    assert storage.read("a/b.jsonl") == b"three"


def test_a_stream_that_breaks_leaves_what_was_there(storage: Storage) -> None:
    def broken() -> Iterator[bytes]:
        yield b"new"
        raise KeyError("broken")

    storage.write("a/b", b"old")
    with pytest.raises(KeyError):
        storage.stream("a/b", broken())
    assert storage.read("a/b") == b"old"
    assert storage.names("a") == ["b"]


def test_what_is_not_there(storage: Storage, tmp_path: Path) -> None:
    assert storage.digest("nothing") is None
    with pytest.raises(LakeError, match=r"reading .*nothing"):
        storage.size("nothing")
    with pytest.raises(LakeError, match=r"reading .*nothing"):
        storage.fetch("nothing", tmp_path / "copy")
