"""What all tests share."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings

from tasks.engines.contract import Completion, Finish, Graded, Identity, Request, Scores
from tasks.engines.flight import Job, fly

T = TypeVar("T")

Answer = Callable[[Request], str | Completion | Exception]
Rate = Callable[[Graded], Sequence[float]]


# How long an example takes is the machine's affair.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

os.environ.update(
    DO_NOT_TRACK="1",
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    PREFECT_LOGGING_LEVEL="WARNING",
    HF_HUB_OFFLINE="1",
)


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[str]:
    """A Prefect server for the session; its API's address."""
    from prefect.settings import PREFECT_API_URL
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield str(PREFECT_API_URL.value())


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server that speaks S3, moto's, for the session; the environment that leads to it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("s3") / "requests.log"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as server:
        while server.poll() is None:
            with socket.socket() as tried:
                if not tried.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.05)
        assert server.poll() is None, log.read_text()
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "tracemill",
            "AWS_SECRET_ACCESS_KEY": "planted-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        server.kill()


@pytest.fixture
def s3(s3_server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of its own for the test, in this process and those that it starts: `s3://…`."""
    from s3fs import S3FileSystem

    for name, value in s3_server.items():
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()
    bucket = f"bucket-{uuid.uuid4().hex}"
    S3FileSystem(skip_instance_cache=True).mkdir(bucket)
    yield f"s3://{bucket}"
    S3FileSystem.clear_instance_cache()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("mounting a small file system takes root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def completion(request: Request, text: str, finish: Finish = Finish.STOP) -> Completion:
    return Completion(request.request_id, text, finish, 7, len(text.split()))


class Told:
    """Stands for a recipe's models, for completions that none writes when asked; remembers what it was asked."""

    def __init__(self, answer: Answer, rate: Rate | None = None) -> None:
        self.answer = answer
        self.rate = rate
        self.graded: list[Graded] = []
        self.asked: list[Request] = []
        self.under_way = 0
        self._runner = asyncio.Runner()

    def identity(self, name: str) -> Identity:
        return Identity(f"told-{name}", "r1", "told", "t1")

    async def complete(self, name: str, request: Request) -> Completion:
        self.asked.append(request)
        self.under_way += 1
        try:
            await asyncio.sleep(0)
            said = self.answer(request)
        finally:
            self.under_way -= 1
        if isinstance(said, Exception):
            raise said
        return said if isinstance(said, Completion) else completion(request, said)

    async def score(self, name: str, request: Graded) -> Scores:
        self.graded.append(request)
        await asyncio.sleep(0)
        assert self.rate, "this test asks no reward model"
        scores = tuple(self.rate(request))
        return Scores(request.request_id, scores, 9, "" if scores else "too long")

    def stream(
        self, jobs: Iterable[Job[T]], *, every_s: float = 0, in_flight: int = 1
    ) -> Generator[list[T], None, None]:
        return fly(self._runner, jobs, every_s=0.01, in_flight=in_flight)

    def close(self) -> None:
        self._runner.close()


@pytest.fixture
def told() -> Iterator[Callable[..., Told]]:
    """Make such models."""
    made: list[Told] = []

    def make(answer: Answer, rate: Rate | None = None) -> Told:
        made.append(Told(answer, rate))
        return made[-1]

    yield make
    for one in made:
        one.close()
