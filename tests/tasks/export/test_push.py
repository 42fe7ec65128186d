"""A push, by the hub's real client against a hub on the loopback that speaks the few endpoints it takes."""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest

from schemas.errors import DamagedError, HubError, LakeError
from schemas.refs import ReleaseManifest, ReleasePart
from schemas.summary import Summary
from tasks.export.push import plan, push
from tasks.lake import Lake
from tasks.storage import Storage

TOKEN = "hf_plantedPlantedPlanted1234"
REPOSITORY = "alice/sums"
CONTENT = {
    "README.md": b"---\nlicense: mit\n---\n# sums\n",
    "sft/train.jsonl": b'{"a": 1}\n',
    "lineage.json": b"{}",
}
PART = b"PAR1 not really"
NAME = "sft/train/part-00000-abc.parquet"


class Hub(ThreadingHTTPServer):
    """What one repository holds, and all that was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.objects: dict[str, bytes] = {}
        self.private: bool | None = None
        self.commits: list[str] = []
        self.answers: dict[str, int] = {}
        """A status by what a path ends with, instead of the right answer."""
        self.asked: list[tuple[str, str, str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, path: str, body: bytes) -> tuple[int, Any]:
        for end, status in self.answers.items():
            if end in path:
                return status, {"error": f"no: {TOKEN}"}
        routes: dict[str, Callable[[str, bytes], Any]] = {
            r"/api/repos/create": self._create,
            r"/api/datasets/alice/sums": lambda *_: self._info(),
            r"/api/validate-yaml": lambda *_: {},
            r"/api/datasets/alice/sums/preupload/main": self._preupload,
            r"/datasets/alice/sums\.git/info/lfs/objects/batch": self._batch,
            r"/objects/\w+": self._put,
            r"/api/datasets/alice/sums/commit/main": self._commit,
        }
        for route, found in routes.items():
            if re.fullmatch(route, path):
                return 200, found(path, body)
        return 404, {"error": path}

    def _create(self, _: str, body: bytes) -> Any:
        asked = json.loads(body)
        assert (asked["type"], asked["organization"], asked["name"]) == ("dataset", "alice", "sums")
        if self.private is None:
            self.private = asked["visibility"] == "private"
        return {"url": f"{self.url}/datasets/alice/sums"}

    def _info(self) -> Any:
        siblings = [{"rfilename": name} for name in self.files]
        return {"id": REPOSITORY, "private": self.private, "siblings": siblings, "sha": "0" * 40}

    def _preupload(self, _: str, body: bytes) -> Any:
        asked = json.loads(body)["files"]
        modes = {True: "lfs", False: "regular"}
        return {
            "files": [
                {"path": one["path"], "uploadMode": modes[one["path"].endswith(".parquet")], "shouldIgnore": False}
                for one in asked
            ]
        }

    def _batch(self, _: str, body: bytes) -> Any:
        objects = json.loads(body)["objects"]
        return {
            "transfer": "basic",
            "objects": [one | {"actions": {"upload": {"href": f"{self.url}/objects/{one['oid']}"}}} for one in objects],
        }

    def _put(self, path: str, body: bytes) -> Any:
        self.objects[path.rsplit("/", 1)[-1]] = body
        return {}

    def _commit(self, _: str, body: bytes) -> Any:
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "header":
                self.commits.append(value["summary"])
            elif line["key"] == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.files[value["path"]] = self.objects[value["oid"]]
            else:
                assert line["key"] == "deletedFile"
                del self.files[value["path"]]
        return {"commitUrl": f"{self.url}/datasets/alice/sums/commit/1", "commitOid": "1" * 40}


class Handler(BaseHTTPRequestHandler):
    """HTTP of a Hub."""

    server: Hub

    def _answer(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.split("?")[0]
        self.server.asked.append((self.command, path, self.headers.get("Authorization") or "", body))
        status, said = self.server.answer(path, body)
        data = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = _answer  # noqa: N815 - the names that http.server looks for

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def written(storage: Storage, version: str = "v1", part: bytes = PART, name: str = NAME) -> None:
    """A release as small as can be."""
    folder = f"releases/sums/{version}"
    for path, data in (CONTENT | {name: part, "claim.json": b"{}"}).items():
        storage.write(f"{folder}/{path}", data)
    made = ReleasePart(name=name.rsplit("/", 1)[-1], rows=1, bytes=len(part), sha256=sha(part))
    manifest = ReleaseManifest(
        name="sums",
        version=version,
        key="k",
        previous=None,
        formats={"sft/train": (made,)},
        files={path: sha(data) for path, data in CONTENT.items()},
        tables={},
        changes={},
        summary=Summary(recipe="sums", funnel=(), verdicts={}, kept_verdicts={}),
        tools={},
        created=datetime.now(UTC),
    )
    storage.write(f"{folder}/manifest.json", manifest.model_dump_json().encode())


@pytest.fixture(params=["{}/lake", "memory://push/{}"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    found = Lake(request.param.format(tmp_path)).storage
    written(found)
    return found


@pytest.fixture
def local(tmp_path: Path) -> Storage:
    found = Lake(f"{tmp_path}/lake").storage
    written(found)
    return found


def test_all_but_the_claim_arrives_as_it_is(storage: Storage, hub: Hub) -> None:
    url = push(storage, plan(storage, "sums", REPOSITORY, private=True), hub.url)
    assert url == f"{hub.url}/datasets/alice/sums/commit/1"
    assert hub.commits == ["sums v1"]
    assert hub.private is True
    manifest = storage.read("releases/sums/v1/manifest.json")
    assert hub.files == CONTENT | {NAME: PART, "manifest.json": manifest}
    assert list(hub.objects.values()) == [PART]
    assert any(login == f"Bearer {TOKEN}" for _, _, login, _ in hub.asked)
    assert not any(TOKEN.encode() in body for *_, body in hub.asked)


def test_a_plan_asks_nobody(local: Storage, hub: Hub) -> None:
    planned = plan(local, "sums/v1", REPOSITORY, private=False)
    assert planned.files.keys() == {*CONTENT, NAME, "manifest.json"}
    assert planned.files[NAME] == len(PART)
    assert not hub.asked


def test_the_next_version_replaces_the_rows_and_nothing_else(local: Storage, hub: Hub) -> None:
    push(local, plan(local, "sums", REPOSITORY, private=True), hub.url)
    hub.files |= {"notes.md": b"mine", "sft/train/mine.txt": b"", ".gitattributes": b"", "dpo/train.jsonl": b""}
    name = "sft/train/part-00000-def.parquet"
    written(local, "v2", b"PAR1 new", name)
    push(local, plan(local, "sums", REPOSITORY, private=True), hub.url)
    mine = {"notes.md", "sft/train/mine.txt", ".gitattributes"}
    assert hub.files.keys() == {*CONTENT, name, "manifest.json", *mine}
    assert hub.commits == ["sums v1", "sums v2"]


@pytest.mark.parametrize("private", [True, False])
def test_a_repository_that_others_may_see_is_not_taken_for_a_private_one(
    local: Storage, hub: Hub, private: bool
) -> None:
    hub.private = not private
    with pytest.raises(HubError, match=f"alice/sums: is {'public' if private else 'private'}; push with --"):
        push(local, plan(local, "sums", REPOSITORY, private=private), hub.url)
    assert not hub.commits


@pytest.mark.parametrize("damage", [NAME, "README.md"])
def test_a_damaged_release_stays_here(local: Storage, damage: str) -> None:
    local.write(f"releases/sums/v1/{damage}", b"damaged")
    with pytest.raises(DamagedError, match="release sums/v1: a file of it is missing or damaged"):
        plan(local, "sums", REPOSITORY, private=True)


def test_mistakes_are_told_before_anything_is_read(local: Storage) -> None:
    with pytest.raises(LakeError, match="no release other; there are: sums"):
        plan(local, "other", REPOSITORY, private=True)
    with pytest.raises(HubError, match="repository sums: give it as OWNER/REPO"):
        plan(local, "sums", "sums", private=True)


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/api/", 401, "set HF_TOKEN, or run `hf auth login`"),
        ("/commit/", 403, "take one that may write"),
        ("/commit/", 404, "check the name and the token"),
        ("/commit/", 409, "changed meanwhile: push again"),
        ("/commit/", 418, "the hub answers 418"),
        ("/validate-yaml", 400, "the upload failed: Invalid metadata"),
    ],
)
def test_what_the_hub_says_is_one_sentence_without_the_token(
    local: Storage, hub: Hub, path: str, status: int, words: str
) -> None:
    hub.answers = {path: status}
    with pytest.raises(HubError, match=f"^repository alice/sums: .*{words}") as caught:
        push(local, plan(local, "sums", REPOSITORY, private=True), hub.url)
    assert TOKEN not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_hub_there(local: Storage, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = plan(local, "sums", REPOSITORY, private=True)
    with pytest.raises(HubError, match=r"the hub cannot be reached: .*; go online, push again"):
        push(local, planned, "http://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE is set; unset it to push"):
        push(local, planned, hub.url)


def tracemill(storage: Storage, hub: Hub, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment: Mapping[str, str] = os.environ | {
        "TRACEMILL_LAKE": storage.url,
        "HF_ENDPOINT": hub.url,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "COLUMNS": "200",
    }
    command = [sys.executable, "-m", "flows.cli", "push", "sums", REPOSITORY, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)


def test_the_command_uploads_only_when_told_to(local: Storage, hub: Hub) -> None:
    said = tracemill(local, hub)
    assert said.returncode == 0, said.stderr
    assert not hub.asked
    assert re.search(rf"{NAME}\s+15 bytes", said.stdout)
    assert "for the private data set repository alice/sums" in said.stdout
    assert (
        f"nothing was uploaded; to do it: tracemill push sums alice/sums --lake {local.url} --yes --private"
        in said.stdout
    )
    done = tracemill(local, hub, "--yes", "--public")
    assert done.returncode == 0, done.stderr
    assert f"uploaded: {hub.url}/datasets/alice/sums/commit/1" in done.stdout
    assert hub.files.keys() == {*CONTENT, NAME, "manifest.json"}
    assert hub.private is False
    hub.answers = {"/api/": 401}
    refused = tracemill(local, hub, "--yes", "--public")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    for one in (said, done, refused):
        assert TOKEN not in one.stdout + one.stderr
