"""A folder, memory:// and s3:// through the same cases; files are there whole, or not at all."""

import hashlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from schemas.errors import LakeError
from tasks import objects
from tasks.storage import Storage


@pytest.fixture(params=["folder", "memory", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "s3":
        return Storage(f"{request.getfixturevalue('s3')}/a/lake")
    return Storage(f"{tmp_path}/lake" if request.param == "folder" else f"memory://storage/{uuid.uuid4().hex}")


def other(storage: Storage) -> Storage:
    """As another process sees it."""
    return Storage(storage.url)


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
    storage.write("something", b"1")
    assert storage.read("nothing") is None
    assert storage.digest("nothing") is None
    assert storage.names("nothing") == []
    assert storage.files("nothing") == []
    storage.remove("nothing")
    storage.remove_all(["nothing", "something"])
    assert storage.names("") == []
    with pytest.raises(LakeError, match=r"reading .*nothing"):
        storage.size("nothing")
    with pytest.raises(LakeError, match=r"reading .*nothing"):
        storage.fetch("nothing", tmp_path / "copy")


def test_what_others_write_is_seen_at_once(storage: Storage) -> None:
    storage.write("a/one", b"1")
    assert storage.names("a") == ["one"]
    assert storage.digest("a/two") is None
    other(storage).write("a/two", b"22")
    assert storage.names("a") == ["one", "two"]
    assert storage.size("a/two") == 2
    other(storage).write("a/two", b"333")
    assert (storage.size("a/two"), storage.read("a/two")) == (3, b"333")
    other(storage).remove("a/one")
    assert storage.names("a") == ["two"]
    assert storage.filesystem.exists(storage.full("a/one")) is False


def test_many_files_at_once(storage: Storage) -> None:
    paths = [f"many/{number // 10}/{number}" for number in range(30)]
    for path in paths:
        storage.write(path, path.encode())
    assert storage.read_all([*paths, "none"]) == [*(path.encode() for path in paths), None]
    assert storage.digests(paths) == [hashlib.sha256(path.encode()).hexdigest() for path in paths]
    found = storage.files("many")
    assert [(one.path, one.size) for one in found] == [(path, len(path)) for path in sorted(paths)]
    assert all(abs(datetime.now(UTC) - one.modified) < timedelta(minutes=2) for one in found)
    assert storage.files() == found
    storage.remove_all(paths[1:])
    assert [one.path for one in storage.files()] == paths[:1]
    assert storage.names("many") == ["0"]


def test_a_file_is_created_once(storage: Storage) -> None:
    assert storage.create("a/claim", b"mine")
    assert not other(storage).create("a/claim", b"yours")
    assert storage.read("a/claim") == b"mine"
    assert storage.exclusive()
    assert storage.names("") == ["a"]


def test_a_copy_has_the_digest_of_its_source(storage: Storage) -> None:
    storage.write("a/b", b"1" * 1000)
    storage.copy("a/b", "c/d")
    storage.copy("a/b", "c/d")
    assert storage.read("c/d") == b"1" * 1000
    assert storage.digest("c/d") == storage.digest("a/b")


def test_where_a_file_lies(storage: Storage) -> None:
    shown = storage.shown("a/b")
    assert shown.endswith("a/b")
    assert shown.startswith(storage.url)


def test_s3_says_digests_without_the_bytes(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Storage(f"{s3}/lake")
    storage.write("written", b"1" * 1000)
    storage.stream("streamed", [b"1" * 1000])
    storage.copy("written", "copied")
    storage.filesystem.pipe_file(storage.full("elsewhere"), b"1" * 1000)
    known = [objects.checksum(storage.filesystem, storage.full(one)) for one in ("written", "streamed", "copied")]
    assert known == [hashlib.sha256(b"1" * 1000).hexdigest()] * 3
    # What another tool has put there is read.
    assert objects.checksum(storage.filesystem, storage.full("elsewhere")) is None
    assert storage.digest("elsewhere") == known[0]


def test_large_objects_are_created_once_too(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_WHOLE", 5 * 2**20)
    storage = Storage(f"{s3}/lake")
    data = os.urandom(11 * 2**20)
    assert storage.create("large", data)
    filesystem, path = storage.filesystem, storage.full("large")
    assert objects.put_new(filesystem, path, b"1" + data) is False
    assert storage.digest("large") == hashlib.sha256(data).hexdigest()


RACE = """
import sys
from tasks.storage import Storage
storage = Storage(sys.argv[1])
storage.names("")
print("ready", flush=True)
sys.stdin.readline()
print(*(int(storage.create(f"claims/{number}", sys.argv[2].encode())) for number in range(20)))
"""


@pytest.mark.parametrize("place", ["folder", "s3"])
def test_of_several_processes_exactly_one_creates(place: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = f"{request.getfixturevalue('s3')}/lake" if place == "s3" else str(tmp_path / "lake")
    command = [sys.executable, "-c", RACE, url]
    runs = [
        subprocess.Popen([*command, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for n in range(3)
    ]
    for run in runs:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
    for run in runs:
        assert run.stdin is not None
        run.stdin.write("\n")
        run.stdin.flush()
    won = [list(map(int, run.communicate(timeout=60)[0].split())) for run in runs]
    assert [sum(those) for those in zip(*won, strict=True)] == [1] * 20
    for number, those in enumerate(zip(*won, strict=True)):
        assert Storage(url).read(f"claims/{number}") == str(those.index(1)).encode()


def test_a_store_without_conditions(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Storage(f"{s3}/lake")
    put = storage.filesystem.pipe_file

    def refusing(path: str, data: bytes, mode: str = "overwrite", **settings: Any) -> None:
        if mode == "create":
            answer = {"Error": {"Code": "NotImplemented", "Message": "a header you provided"}}
            raise OSError(38, "a header you provided") from ClientError(answer, "PutObject")
        put(path, data, **settings)

    monkeypatch.setattr(storage.filesystem, "pipe_file", refusing)
    assert storage.create("claim", b"mine")
    assert not storage.create("claim", b"yours")
    assert storage.read("claim") == b"mine"
    assert not storage.exclusive()
    monkeypatch.setattr(storage.filesystem, "pipe_file", lambda path, data, mode="", **settings: put(path, data))
    assert not storage.exclusive(), "a store that ignores conditions"


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("AccessDenied", "need leave to list, read, write and delete"),
        ("SignatureDoesNotMatch", "set AWS_ACCESS_KEY_ID"),
        ("SlowDown", "run again later"),
        ("NoSuchBucket", "no such bucket"),
        ("PermanentRedirect", "set AWS_DEFAULT_REGION"),
        ("RequestTimeTooSkewed", "clock is wrong"),
    ],
)
def test_answers_of_the_store_are_advice(s3: str, monkeypatch: pytest.MonkeyPatch, code: str, advice: str) -> None:
    from s3fs.errors import translate_boto_error

    storage = Storage(f"{s3}/lake")

    def refused(*_: object, **__: object) -> None:
        raise translate_boto_error(ClientError({"Error": {"Code": code, "Message": "no"}}, "PutObject"))

    for name in ("pipe_file", "cat_file", "ls"):
        monkeypatch.setattr(storage.filesystem, name, refused)
    for tried in (lambda: storage.write("a", b""), lambda: storage.read("a"), lambda: storage.names("a")):
        with pytest.raises(LakeError, match=f"{s3}/lake/a: .*{advice}"):
            tried()


def test_a_store_that_cannot_be_used(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from s3fs import S3FileSystem

    missing = Storage("s3://there-is-no-such-bucket/lake")
    for tried in (lambda: missing.read("a"), lambda: missing.write("a", b""), lambda: missing.names("a")):
        with pytest.raises(LakeError, match="there is no such bucket; make it"):
            tried()

    S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(LakeError, match="cannot be reached; see to it, or to AWS_ENDPOINT_URL"):
        Storage(f"{s3}/lake").write("a", b"")

    S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "127.0.0.1:1")
    with pytest.raises(LakeError, match="see AWS_ENDPOINT_URL"):
        Storage(f"{s3}/lake").write("a", b"")

    S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(LakeError, match="no credentials; set AWS_ACCESS_KEY_ID"):
        Storage(f"{s3}/lake").read("a")


def test_an_address_with_a_password_is_refused() -> None:
    with pytest.raises(LakeError, match="holds a login") as raised:
        Storage("sftp://me:hunter2@host/lake").read("a")
    assert "hunter2" not in str(raised.value)
