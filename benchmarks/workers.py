"""Generation by several workers beside one run alone: `alone_tokens_per_s`, `workers_2_tokens_per_s`, `share_start_s`.

Each count of workers samples the same problems into a lake of its own, by `flows.refresh` with `machines.workers`, on a
Prefect server and a worker that this starts. A rate is completion tokens ÷ seconds from the first request for samples
to the last sample, start of the engines and all. `share_start_s` is the time until the first sample of any share is in
the lake: a worker picks the run up, a process starts, the engine loads. All of it is on this machine: two engines
share its cores, so the rates say what sharing costs, not what more machines gain.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks.results import arguments, publish, write
from tasks.progress import watched_by

RECIPE = """
name: workers
models: {tiny: {model: "${TRACEMILL_DATA}/models/tiny-reasoner"}}
ingest:
  source: {format: jsonl, path: "${TRACEMILL_DATA}/samples/demo-problems.jsonl"}
  problem: {question: question, reference: answer}
generate:
  samplers: {tiny: {model: tiny, on_policy: true, n: %d, sampling: {max_tokens: 200}}}
"""
STAGES = ("generate", "generate by workers")


class Sampling(NamedTuple):
    """What came of sampling, in seconds and tokens."""

    seconds: float
    first: float
    tokens: int


class Clock:
    """Takes the time of the stages that sample."""

    def __init__(self) -> None:
        self.begun = self.first = self.last = 0.0
        self.tokens = 0

    def started(self, stage: str, total: int | None) -> None:
        """The clock starts with the first of them."""
        if stage in STAGES and total:
            self.begun = self.begun or time.perf_counter()

    def advanced(self, stage: str, rows: int) -> None:
        """Samples have come."""
        if stage in STAGES:
            self.last = time.perf_counter()
            self.first = self.first or self.last

    def measured(self, stage: str, amounts: Mapping[str, int]) -> None:
        """Tokens have come."""
        if stage in STAGES:
            self.tokens += amounts.get("tokens", 0)

    def noted(self, message: str) -> None:
        """Say why work does not go on as it should."""
        print(message, file=sys.stderr)

    def finished(self, stage: str) -> None:
        """Not needed: the last samples say when it was."""


@contextmanager
def serving(folder: Path) -> Iterator[None]:
    """A Prefect server and a worker, which end with the block; this process uses that server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    url = f"http://127.0.0.1:{port}/api"
    os.environ |= {
        "PREFECT_HOME": str(folder),
        "PREFECT_API_URL": url,
        "PREFECT_CLI_PROMPT": "false",
        "PWD": str(Path.cwd()),
    }
    prefect = [sys.executable, "-m", "prefect"]
    started = [subprocess.Popen([*prefect, "server", "start", "--port", port], stdout=subprocess.DEVNULL)]
    try:
        while not _up(url):
            time.sleep(0.2)
        for command in (["work-pool", "create", "tracemill", "--type", "process"], ["deploy", "-n", "sample"]):
            subprocess.run([*prefect, *command], check=True, stdout=subprocess.DEVNULL)
        started.append(
            subprocess.Popen([*prefect, "worker", "start", "--pool", "tracemill"], stdout=subprocess.DEVNULL)
        )
        yield
    finally:
        for one in reversed(started):
            one.terminate()
            one.wait()


def _up(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/health").is_success
    return False


def sampled(recipe: str, lake: Path, workers: int) -> Sampling:
    """Refresh once with so many workers."""
    from flows.refresh import refresh

    clock = Clock()
    with watched_by(clock):
        refresh(recipe, str(lake), [f"machines.workers={workers}"])
    return Sampling(clock.last - clock.begun, clock.first - clock.begun, clock.tokens)


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--samples", type=int, default=8, help="of each of 200 problems")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="counts of workers; 1: the run alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, serving(Path(name) / "prefect"):
        recipe = Path(name) / "workers.yaml"
        recipe.write_text(RECIPE % options.samples)
        found = {count: sampled(str(recipe), Path(name) / f"lake{count}", count) for count in options.workers}
    metrics: dict[str, float] = {}
    for count, one in found.items():
        label = "alone" if count == 1 else f"workers_{count}"
        metrics[f"{label}_tokens_per_s"] = one.tokens / one.seconds
        metrics["alone_start_s" if count == 1 else "share_start_s"] = one.first
    rows = [
        [str(count), f"{one.tokens:,}", f"{one.seconds:.1f}", f"{one.tokens / one.seconds:,.0f}", f"{one.first:.1f}"]
        for count, one in found.items()
    ]
    header = ("workers", "tokens", "seconds", "tokens/s", "seconds to the first sample")
    publish("generation by several workers", header, rows, metrics)
    write(options.json, metrics)


if __name__ == "__main__":
    main()
