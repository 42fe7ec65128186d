"""Keys planted wherever a user has some: a whole run, one that fails, review and push, and none is found anywhere."""

import base64
import json
import logging
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import quote
from uuid import UUID

import pytest
from prefect.artifacts import create_markdown_artifact
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter
from prefect.logging.configuration import setup_logging
from prefect.logging.handlers import APILogHandler
from prefect.settings import get_current_settings
from pydantic import SecretStr
from typer.testing import CliRunner

from flows import cli
from flows.config import RefreshConfig
from flows.keys import HUB, S3, keys, needed
from flows.recipes import resolve
from flows.store import STORE
from tasks.keys import block_name
from tasks.lake import Lake
from tasks.places import DATA

pytestmark = pytest.mark.usefixtures("prefect_server")

SAMPLES = [json.loads(line) for line in (DATA / "samples/demo-problems.jsonl").read_text().splitlines()[:8]]
SOLUTIONS = {one["question"]: one["solution"] for one in SAMPLES}
IN_ENVIRONMENT = {
    "MY_MODELS_SERVER": "planted-odd-name+one/0123456789",
    "MODEL_LOGIN": "someone:planted-login+two/0123456789",
    "WRONG_API_KEY": "sk-planted-wrong+three/0123456789",
    "HF_TOKEN": "hf_plantedHubFour0123456789",
    "AWS_SECRET_ACCESS_KEY": "planted+five/abcdefghij0123456789",
    "PREFECT_SERVER_DATABASE_CONNECTION_URL": "postgresql+asyncpg://u:planted-six-0123456789@127.0.0.1:1/prefect",
}
BLOCK, BLOCK_KEY = "OPENAI_API_KEY", "sk-planted-in-a-block+seven/0123456789"
STORE_PASSWORD = "planted-store-eight-0123456789"
PLANTED = [one.rsplit("@")[0].rsplit(":")[-1] for one in IN_ENVIRONMENT.values()] + [BLOCK_KEY, STORE_PASSWORD]

RECIPE = """
name: kept
models:
  odd: {model: m, engine: {openai: {base_url: "%(url)s", api_key_env: MY_MODELS_SERVER}}}
  login: {model: m, engine: {openai: {base_url: "%(url)s", api_key_env: NOT_SET, login_env: MODEL_LOGIN}}}
  block: {model: m, engine: {openai: {base_url: "%(url)s"}}}
ingest:
  source: {format: jsonl, path: "%(source)s"}
  problem: {question: question, reference: answer}
generate:
  samplers:
    odd: {model: odd, n: 2}
    login: {model: login, n: 2}
    block: {model: block, n: 2, on_policy: true}
queue: {count: 4}
review: {}
rewrite: {model: odd}
"""


class Echo(BaseHTTPRequestHandler):
    """Solves what it is asked, rightly or wrongly; errors repeat the key, as careless servers' do."""

    allowed: tuple[str, ...] = ()

    def do_GET(self) -> None:
        self._say(200, {"data": [{"id": "m"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        asked, given = body["messages"][-1]["content"], self.headers["authorization"]
        echo = f"{given}, {quote(given, safe='')}, {base64.b64encode(given.split()[-1].encode()).decode()}"
        text = next((text for question, text in SOLUTIONS.items() if question in asked), None)
        if given not in self.allowed:
            self._say(401, {"error": {"message": f"no such key: {echo}"}})
        elif text is None or SAMPLES[0]["question"] in asked:
            self._say(400, {"error": {"message": f"not this: {echo}"}})
        else:
            wrong = (body.get("seed") or 0) % 2
            text = "I say:\nThe answer is -1." if wrong else text
            message = {"role": "assistant", "content": text}
            usage = {"prompt_tokens": 9, "completion_tokens": 9}
            self._say(200, {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage})

    def _say(self, status: int, content: Mapping[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Children:
    """What is told of this process's children in the process list: their command lines and environments."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Children":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            parents: dict[int, int] = {}
            for stat in Path("/proc").glob("[0-9]*/stat"):
                try:
                    parents[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
                except (FileNotFoundError, ProcessLookupError):
                    continue
            for child in (one for one in parents if self._ours(one, parents)):
                try:
                    self.seen |= {Path(f"/proc/{child}/{name}").read_bytes() for name in ("cmdline", "environ")}
                except (FileNotFoundError, ProcessLookupError, PermissionError):
                    continue

    def _ours(self, child: int, parents: Mapping[int, int]) -> bool:
        above = parents.get(child)
        while above and above != os.getpid():
            above = parents.get(above)
        return above is not None and above != 0


class Place(NamedTuple):
    """Where a run leaves anything."""

    folder: Path
    said: list[str]
    children: Children

    def contents(self) -> dict[str, bytes]:
        """All that can be read after the runs, by where it is."""
        database = get_current_settings().server.database.connection_url
        assert database is not None
        history = Path(database.get_secret_value().split("///", 1)[1])
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        files += history.parent.glob(f"{history.name}*")
        told = {str(path): path.read_bytes() for path in files}
        told |= {"terminal and logs": "\n".join(self.said).encode(), "processes": b"\n".join(self.children.seen)}
        return told | {f"page {name}": text.encode() for name, text in on_the_page().items()}

    def leaks(self) -> list[tuple[str, str]]:
        """Where which key can be read, in whatever form."""
        found = self.contents()
        assert len(found) > 20
        return [
            (key, place)
            for key in PLANTED
            for place, content in found.items()
            if any(form in content for form in forms(key))
        ]


def forms(key: str) -> list[bytes]:
    """A key as it is, as URLs have it, and in Base64 wherever in a text it begins."""
    shifted = [base64.b64encode(b" " * lead + key.encode())[lead and lead + 1 : -4] for lead in range(3)]
    return [key.encode(), quote(key, safe="").encode(), *shifted]


def on_the_page() -> dict[str, str]:
    """What Prefect's API tells of runs, logs and artifacts."""
    APILogHandler().flush()
    with get_client(sync_client=True) as client:
        runs, artifacts, logs = list[Any](), list[Any](), list[Any]()
        while len(some := client.read_flow_runs(limit=200, offset=len(runs))) == 200:
            runs += some
        runs += some
        while len(shown := client.read_artifacts(limit=200, offset=len(artifacts))) == 200:
            artifacts += shown
        artifacts += shown
        while len(page := client.read_logs(LogFilter(), limit=200, offset=len(logs))) == 200:
            logs += page
        logs += page
    return {
        "runs": repr(runs),
        "artifacts": repr(artifacts),
        "logs": repr(logs),
    }


@pytest.fixture
def url() -> Iterator[str]:
    login = base64.b64encode(IN_ENVIRONMENT["MODEL_LOGIN"].encode()).decode()
    Echo.allowed = (f"Bearer {IN_ENVIRONMENT['MY_MODELS_SERVER']}", f"Basic {login}", f"Bearer {BLOCK_KEY}")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in IN_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(BLOCK, raising=False)
    Secret(value=SecretStr(BLOCK_KEY)).save(block_name(BLOCK), overwrite=True)
    yield
    Secret.delete(block_name(BLOCK))


@pytest.fixture
def place(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Place]:
    setup_logging()  # by the first flow, else, which takes pytest's handler away
    for logger in ("", "openai", "httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, logger)
    with Children() as children:
        yield Place(tmp_path, [], children)


@pytest.fixture
def tracemill(place: Place, caplog: pytest.LogCaptureFixture) -> Callable[..., int]:
    """The command line, in this process; whatever it says is kept."""

    def run(*arguments: str) -> int:
        caplog.clear()
        done = CliRunner().invoke(cli.app, [*arguments], env={"TRACEMILL_LAKE": str(place.folder / "lake")})
        trace = "".join(traceback.format_exception(done.exception)) if done.exception else ""
        place.said.extend([done.output, trace, caplog.text])
        return done.exit_code

    return run


@pytest.mark.usefixtures("planted")
def test_no_planted_key_is_found_anywhere(
    place: Place, tracemill: Callable[..., int], url: str, recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, path = place.folder / "problems.jsonl", str(place.folder / "kept.yaml")
    source.write_text("\n".join(json.dumps({"question": one["question"], "answer": one["answer"]}) for one in SAMPLES))
    Path(path).write_text(RECIPE % {"url": url, "source": source})
    wrong = [f"models.odd.engine.openai.{name}" for name in ("api_key_env=WRONG_API_KEY", "patience_s=1")]
    monkeypatch.setenv(STORE, f"sqlite:///{place.folder}/review.db")
    assert tracemill("refresh", path) == 0
    assert BLOCK not in os.environ
    assert tracemill("refresh", path, *(f"--set={one}" for one in [*wrong, "generate.samplers.odd.n=3"])) == 1
    assert "status 401" in place.said[-2]
    assert "environment variable WRONG_API_KEY (`api_key_env`), or in the Prefect secret block" in place.said[-2]
    assert tracemill("curate", recipe) == 0
    assert tracemill("review", "open", path) == 0
    monkeypatch.setenv(STORE, f"postgresql://u:{STORE_PASSWORD}@127.0.0.1:1/x")
    assert tracemill("review", "open", path) == 1
    assert tracemill("stats", "kept") == tracemill("push", "kept", "me/kept") == tracemill("doctor") == 0

    lake = Lake(str(place.folder / "lake"))
    run = lake.last("kept")
    assert run is not None
    assert lake.rows(run.tables, "dropped", ["reason"])["reason"].to_pylist().count("refused") == 6
    assert any("no such key: Bearer [hidden], Bearer%20[hidden], [hidden]" in one for one in place.said)
    assert any("httpx" in one for one in place.said)
    assert place.leaks() == []
    _control(place)


def _control(place: Place) -> None:
    """The same search finds what really is somewhere."""
    lake, terminal, process, page = PLANTED[:4]
    (place.folder / "lake/note.txt").write_text(quote(lake, safe=""))
    place.said.append(base64.b64encode(f"x{terminal}".encode()).decode())
    sleep = [sys.executable, "-c", "import time; time.sleep(60)", process]
    with subprocess.Popen(sleep) as child:
        until = time.monotonic() + 20
        while not any(process.encode() in one for one in place.children.seen) and time.monotonic() < until:
            time.sleep(0.05)
        child.kill()
    artifact = cast("UUID", create_markdown_artifact(f"`{page}`", key="control"))
    found = place.leaks()
    with get_client(sync_client=True) as client:
        client.delete_artifact(artifact)
    assert {(lake, f"{place.folder}/lake/note.txt"), (terminal, "terminal and logs"), (process, "processes")} < {*found}
    assert {"page artifacts"} < {where for key, where in found if key == page}


@pytest.mark.usefixtures("planted")
def test_a_block_stands_in_for_a_variable_only_where_it_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    with keys(BLOCK, "HF_TOKEN", "IN_NEITHER"):
        assert os.environ[BLOCK] == BLOCK_KEY
        assert os.environ["HF_TOKEN"] == IN_ENVIRONMENT["HF_TOKEN"]
        assert "IN_NEITHER" not in os.environ
    assert BLOCK not in os.environ
    monkeypatch.setenv(BLOCK, "mine")
    with keys(BLOCK):
        assert os.environ[BLOCK] == "mine"
    assert os.environ[BLOCK] == "mine"


def test_what_a_recipe_needs(tmp_path: Path) -> None:
    path = tmp_path / "kept.yaml"
    path.write_text(RECIPE % {"url": "http://127.0.0.1:1/v1", "source": "rows.jsonl"})
    config = resolve(str(path), [], RefreshConfig)
    of_engines = ["MY_MODELS_SERVER", "NOT_SET", "MODEL_LOGIN", "OPENAI_API_KEY"]
    assert needed(config, str(tmp_path)) == [*of_engines, HUB]
    assert needed(config, "s3://bucket/lake") == [*of_engines, HUB, *S3]
