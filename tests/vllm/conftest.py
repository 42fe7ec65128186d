"""Engines and a server on the bundled model, started once; in float32, so that greedy texts can be compared."""

import asyncio
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import psutil
import pytest

from tasks.engines.contract import Completion, Engine, Message, Request, Sampling
from tasks.engines.kinds import transformers
from tasks.engines.kinds.vllm import Config, build

MODEL = "data/models/tiny-reasoner"
START_S = 240.0
"""Other tests may share the machine; alone, a server answers after 40 s."""
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")

Ask = Callable[..., Request]
Complete = Callable[[Engine, list[Request]], list[Completion]]


@pytest.fixture(scope="session")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="session")
def ask() -> Ask:
    """Make a request: `ask(text, prefix=…, temperature=…)`."""

    def request(text: str, prefix: str = "", **sampling: object) -> Request:
        given = Sampling.model_validate({"temperature": 0, "max_tokens": 120, **sampling})
        return Request(text[:40], (Message("user", text),), given, prefix)

    return request


@pytest.fixture(scope="session")
def complete(loop: asyncio.Runner) -> Complete:
    """Send requests all together."""

    async def gathered(engine: Engine, requests: list[Request]) -> list[Completion]:
        return await asyncio.gather(*(engine.complete(request) for request in requests))

    return lambda engine, requests: loop.run(gathered(engine, requests))


@pytest.fixture(scope="session")
def questions() -> list[str]:
    people = [("Ana", 3, 4), ("Ben", 12, 7), ("Chidi", 25, 30), ("Dora", 9, 9), ("Emil", 41, 8), ("Fumiko", 15, 16)]
    return [f"{name} has {one} apples and buys {two} more. How many apples are there?" for name, one, two in people]


@pytest.fixture(scope="session")
def some(ask: Ask, questions: list[str]) -> list[Request]:
    """Greedy requests, with and without the beginning of a reply."""
    return [ask(text, prefix) for text in questions for prefix in ("", "First, ")]


@pytest.fixture(scope="session")
def references(loop: asyncio.Runner, complete: Complete, some: list[Request]) -> list[Completion]:
    """What transformers completes `some` with."""
    started = transformers.build(transformers.Config(dtype="float32"), MODEL, None)
    loop.run(started.__aenter__())
    done = complete(started, some)
    loop.run(started.__aexit__(None, None, None))
    assert all(one.text for one in done)
    return done


@pytest.fixture(scope="module")
def engine(loop: asyncio.Runner) -> Iterator[Engine]:
    started = build(Config(dtype="float32"), MODEL, None)
    loop.run(started.__aenter__())
    yield started
    loop.run(started.__aexit__(None, None, None))


class Server:
    """`vllm serve` on a port of its own, which it keeps when it is killed and started again."""

    def __init__(self, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._log = log
        self._out: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it takes a while until it answers."""
        # What `vllm serve` runs; the command itself looks for a package of the name vllm, and vllm-cpu has another.
        serve = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", MODEL]
        options = [
            "--served-model-name",
            "tiny",
            "--dtype",
            "float32",
            "--enforce-eager",
            "--no-enable-chunked-prefill",
        ]
        address = ["--host", "127.0.0.1", "--port", str(self.port)]
        self._out = self._log.open("ab")
        self._process = subprocess.Popen([*serve, *options, *address], stdout=self._out, stderr=subprocess.STDOUT)

    def wait(self) -> None:
        """Return when it answers."""
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            assert self._process is not None
            assert self._process.poll() is None, self._log.read_text()[-3000:]
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=1):
                    return
            except OSError:
                time.sleep(0.5)
        raise TimeoutError(self._log.read_text()[-3000:])

    def kill(self) -> None:
        """End it by SIGKILL, with its children, which would wait for ever otherwise."""
        if self._process is not None and self._out is not None:
            server = psutil.Process(self._process.pid)
            for process in (*server.children(recursive=True), server):
                process.kill()
            self._process.wait()
            self._out.close()
        self._process = None


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("vllm") / "server.log")
    started.start()
    started.wait()
    yield started
    started.kill()
