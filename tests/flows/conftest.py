"""A small set of traces, and `tracemill` as a person runs it."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
import uvicorn
from fastapi import FastAPI, Request

from flows.recipes import OWN

Reply = Callable[[dict[str, Any]], Any]
"""From the body of a chat request to the response's."""
Run = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[2]
RECIPE = """
name: tiny
description: A few sums.
ingest:
  source: {format: jsonl, path: "%s"}
  problem: {question: question, reference: answer}
  completions:
    - {text: "completions[].text", model: m, labels: {is_correct: "completions[].right"}}
  part_rows: 8
decontaminate:
  mode: coverage
  benchmarks:
    exam: {source: {format: jsonl, path: "%s"}, text: question}
export: {license: apache-2.0}
"""

THINGS = ("apples", "boats", "clocks", "drums", "eggs", "forks", "goats", "hats")


def problem(number: int) -> dict[str, object]:
    thing = THINGS[number % len(THINGS)]
    question = f"Basket {number} holds {number} red {thing} and {number + 3} green {thing}; how many {thing} are in it?"
    right = (
        f"There are {number} red {thing}.\n{number} + {number + 3} = {2 * number + 3}.\nThe answer is {2 * number + 3}."
    )
    wrong = f"I count only the red ones, and one more.\nSo there are {number + 1} {thing}.\nThe answer is {number + 1}."
    copy = right.upper()
    texts = [(right, True), (copy, True), (wrong, False)]
    return {
        "question": question,
        "answer": str(2 * number + 3),
        "completions": [{"text": text, "right": label} for text, label in texts],
    }


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    """16 problems with 3 traces each: one right, its copy in capitals, one wrong."""
    path = tmp_path / "traces.jsonl"
    path.write_text("\n".join(json.dumps(problem(number)) for number in range(1, 17)))
    return path


@pytest.fixture
def recipe(tmp_path: Path, traces: Path) -> str:
    """A recipe for them, with a benchmark that holds the third problem."""
    exam = tmp_path / "exam.jsonl"
    exam.write_text(json.dumps({"question": problem(3)["question"]}))
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE % (traces, exam))
    return str(path)


@pytest.fixture(scope="module")
def served() -> Iterator[Callable[[Reply], str]]:
    """Serve chat replies of a model `m`; the address is what comes back."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def serve(reply: Reply) -> str:
        app = FastAPI()

        @app.get("/v1/models")
        async def models() -> Any:
            return {"data": [{"id": "m"}]}

        @app.post("/v1/chat/completions")
        async def chat(http: Request) -> Any:
            return await asyncio.to_thread(reply, await http.json())

        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread))
        while not server.started:
            time.sleep(0.02)
        return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"

    yield serve
    for server, thread in running:
        server.should_exit = True
        thread.join()


@pytest.fixture
def page(prefect_server: str) -> Callable[[], dict[str, str]]:
    """The newest artifact of each key on the Prefect page."""

    def read() -> dict[str, str]:
        from prefect.client.orchestration import get_client
        from prefect.client.schemas.sorting import ArtifactSort

        with get_client(sync_client=True) as client:
            newest_first = client.read_artifacts(sort=ArtifactSort.CREATED_DESC)
        return {str(one.key): str(one.data) for one in reversed(newest_first)}

    return read


@pytest.fixture
def tracemill(prefect_server: str, tmp_path: Path) -> Run:
    """Run the command line in a process of its own, with the lake in `tmp_path/lake`."""
    environment = os.environ | {
        "PREFECT_API_URL": prefect_server,
        "TRACEMILL_LAKE": str(tmp_path / "lake"),
        "COLUMNS": "200",
    }

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "flows.cli", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment | variables, timeout=120
        )

    return run


class Worker(NamedTuple):
    """A worker of the pool, with everything deployed; tests that use it are of the group `worker`, for it is one."""

    process: psutil.Process
    recipes: Path
    """The folder of recipes that the deployments offer once they are deployed again."""
    deploy: Callable[[str], None]


@pytest.fixture(scope="session")
def worker(prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    recipes = tmp_path_factory.mktemp("recipes")
    mine = {"PREFECT_API_URL": prefect_server, "PREFECT_CLI_PROMPT": "false", "PWD": str(ROOT), OWN: str(recipes)}
    environment = os.environ | mine
    prefect = [sys.executable, "-m", "prefect"]

    def run(*arguments: str) -> None:
        subprocess.run([*prefect, *arguments], env=environment, cwd=ROOT, check=True, capture_output=True, timeout=120)

    run("work-pool", "create", "tracemill", "--type", "process", "--overwrite")
    run("deploy", "--all")
    command = [*prefect, "worker", "start", "--pool", "tracemill"]
    with psutil.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL) as working:
        yield Worker(working, recipes, lambda name: run("deploy", "--name", name))
        working.terminate()
        try:
            working.wait(20)
        except psutil.TimeoutExpired:  # A worker that is told to end while it tidies up after a run may hang.
            working.kill()
