"""What a shard costs on a cluster: verdicts on traces made by this process, and by Ray with one and two workers.

The traces are sums, repeated under other numbers. `overhead_s` is what a shard takes beyond its share of the work: with
one worker, the time above that of this process, by shards. Where workers share this machine's cores it is that which is
measured; the gain of more machines is not.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks.results import arguments, publish, write
from benchmarks.timing import clock
from flows.environment import quiet_prefect
from flows.machines import MachinesConfig
from schemas.refs import Tables
from tasks.ingest.config import IngestConfig
from tasks.lake import Lake
from tasks.sources import SourceConfig
from tasks.verify.verify import VerifyConfig

PORT: Final = 6390
START_S: Final = 120
_NODE: Final = "--object-store-memory=80000000", "--disable-usage-stats", "--node-ip-address=127.0.0.1"


def _problem(number: int) -> str:
    """A sum, with a trace that is right and one that is wrong."""
    texts = [f"{number} + {number + one} = {2 * number + one}.\nThe answer is {2 * number + one}." for one in (7, 8)]
    question = f"What is {number} plus {number + 7}?"
    return json.dumps({"q": question, "a": str(2 * number + 7), "t": [{"text": text} for text in texts]})


@contextmanager
def _ray(workers: int) -> Iterator[str]:
    """A Ray cluster of one node on this machine, while the block lasts."""
    ray = str(Path(sys.executable).with_name("ray"))
    environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(Path(__file__).parents[1])}
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        head = f"--port={PORT}", f"--num-cpus={workers}", f"--temp-dir={folder}", "--include-dashboard=false"
        with subprocess.Popen(
            [ray, "start", "--head", "--block", *head, *_NODE],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as node:
            try:
                yield f"ray:127.0.0.1:{PORT}"
            finally:
                node.terminate()


def _timed(source: Path, part_rows: int, times: int, cluster: str | None) -> float:
    """Median seconds of verifying, after one warm-up; a new lake each time."""
    from prefect import flow

    from flows.cluster import shared
    from tasks.ingest.task import ingest
    from tasks.verify.task import verify

    columns = {"problem": {"question": "q", "reference": "a"}, "completions": [{"text": "t[].text"}]}
    origin = SourceConfig(format="jsonl", path=str(source))
    config = IngestConfig.model_validate({"source": origin, "part_rows": part_rows, **columns})

    @flow(name="shards", persist_result=False)
    def measured() -> list[float]:
        found = []
        with tempfile.TemporaryDirectory() as folder:
            lakes = [Lake(f"{folder}/{number}") for number in range(times + 1)]
            rounds: list[Tables] = [ingest(lake, config) for lake in lakes]
            with shared(MachinesConfig(cluster=cluster, shard_rows=part_rows), lakes[0]):
                for lake, one in zip(lakes, rounds, strict=True):
                    seconds, _ = clock(partial(verify, lake, [one], VerifyConfig(processes=1)))
                    found.append(seconds)
        return found[1:]

    return statistics.median(measured())


def main() -> None:
    """Measure, print, and write the metrics."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--problems", type=int, default=40_000, help="with two traces each")
    parser.add_argument("--parts", type=int, default=8)
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    quiet_prefect()
    traces = 2 * given.problems
    part_rows = -(-traces // given.parts)
    took: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "sums.jsonl"
        source.write_text("\n".join(map(_problem, range(given.problems))))
        took["this process"] = _timed(source, part_rows, given.times, None)
        for workers in (1, 2):
            with _ray(workers) as address:
                _await(address)
                took[f"Ray, {workers} at once"] = _timed(source, part_rows, given.times, address)
    alone, one, two = took.values()
    metrics = {"local_rows_s": traces / alone, "ray1_rows_s": traces / one, "ray2_rows_s": traces / two}
    metrics["overhead_s"] = (one - alone) / given.parts
    rows = [[name, f"{seconds:.1f}", f"{traces / seconds:,.0f}"] for name, seconds in took.items()]
    title = f"verdicts on {traces:,} traces in {given.parts} parts; Ray {version('ray')}, median of {given.times}"
    publish(title, ["made by", "seconds", "traces/s"], rows, metrics)
    write(given.json, metrics)


def _await(address: str) -> None:
    """Wait until the cluster is there."""
    from flows.nodes import connected
    from schemas.errors import WorkerError

    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            with connected(address) as cluster:
                if cluster.places():
                    return
        except WorkerError:
            time.sleep(1)
    raise WorkerError(f"no node of {address} within {START_S} s")


if __name__ == "__main__":
    main()
