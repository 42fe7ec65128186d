"""`tracemill curate` on the 5,276 labelled GSM8K traces and on 200,000 made from them.

Wall time and peak memory of each stage, and Prefect's share: the same work is run as a flow (with a server running)
and as plain functions, alternately, each into a lake of its own.
"""

import json
import os
import re
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

import psutil

from benchmarks.results import arguments, publish, write
from flows.environment import quiet_prefect
from tasks.progress import watched_by

GSM8K = Path(os.environ.get("GSM8K", "../shared/data/gsm8k"))
STAGES = ("ingest", "verify", "dedupe: problems", "dedupe: traces", "decontaminate", "preferences", "export")


class Run(NamedTuple):
    """One curation: seconds and peak MiB by stage, and as a whole."""

    seconds: dict[str, float]
    peak_mb: dict[str, float]


class Meter:
    """Watches stages, and the memory of this process and its workers."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.peak_mb: dict[str, float] = {"all": 0.0}
        self.now: str | None = None
        self.done = threading.Event()
        self.sampler = threading.Thread(target=self._sample, daemon=True)

    def started(self, stage: str, total: int | None) -> None:
        """Begin a stage's clock."""
        self.now, self.seconds[stage], self.peak_mb[stage] = stage, -time.perf_counter(), 0.0

    def advanced(self, stage: str, rows: int) -> None:
        """Rows are not counted here."""

    def measured(self, stage: str, amounts: Mapping[str, int]) -> None:
        """Nor is anything else."""

    def noted(self, message: str) -> None:
        """There is nobody to tell."""

    def finished(self, stage: str) -> None:
        """Stop a stage's clock."""
        self.seconds[stage] += time.perf_counter()
        self.now = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measure the whole block."""
        self.sampler.start()
        began = time.perf_counter()
        with watched_by(self):
            yield
        self.seconds["all"] = time.perf_counter() - began
        self.done.set()
        self.sampler.join()

    def _sample(self) -> None:
        process = psutil.Process()
        while not self.done.wait(0.02):
            family = [process, *process.children(recursive=True)]
            used = sum(_resident(one) for one in family) / 2**20
            self.peak_mb["all"] = max(self.peak_mb["all"], used)
            stage = self.now
            if stage is not None:
                self.peak_mb[stage] = max(self.peak_mb[stage], used)


def _resident(process: psutil.Process) -> int:
    try:
        # Servers that the harness started are not ours; workers are.
        return 0 if "prefect" in " ".join(process.cmdline()) else process.memory_info().rss
    except psutil.Error:
        return 0


def curate(folder: Path, data: Path, *, plain: bool) -> Run:
    """Curate into a fresh lake, as a flow or as plain functions."""
    from prefect import Task

    from flows import artifacts
    from flows import curate as module

    lake = tempfile.mkdtemp(dir=folder)
    settings = [f"ingest.source.path={data}"]
    meter = Meter()
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, {"GSM8K": str(GSM8K)}))
        if plain:
            stack.enter_context(mock.patch.object(Task, "__call__", lambda task, *given: task.fn(*given)))
            log = SimpleNamespace(took={})
            stack.enter_context(mock.patch.object(module, "logged", lambda: nullcontext(log)))
            shown = dict.fromkeys(("show", "show_release", "show_outcome"), lambda *_: None)
            stack.enter_context(mock.patch.multiple(artifacts, **shown))
        stack.enter_context(meter.running())
        (module.curate.fn if plain else module.curate)("gsm8k-model-solutions", lake, settings)
    return Run(meter.seconds, meter.peak_mb)


def copies(rows: list[dict[str, Any]], traces: int) -> Iterator[str]:
    """JSON lines with so many traces: every copy has words of its own, so that none is a duplicate of another."""
    for copy in range(-(-traces // (4 * len(rows)))):
        suffix = "" if copy == 0 else "q" + "abcdefghij"[copy % 10] + "klmnopqrst"[copy // 10 % 10]
        for row in rows:
            if traces <= 0:
                return
            yield json.dumps(_renamed(row, suffix))
            traces -= 4


def _renamed(value: Any, suffix: str) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(one, suffix) for key, one in value.items()}
    return re.sub(r"[A-Za-z]{2,}", lambda word: word.group() + suffix, value) if isinstance(value, str) else value


def main() -> None:
    """Measure and print."""
    quiet_prefect()
    from prefect.testing.utilities import prefect_test_harness

    parser = arguments(__doc__ or "")
    parser.add_argument("--traces", type=int, default=200_000)
    parser.add_argument("--pairs", type=int, default=3, help="flow and plain runs of each size")
    options = parser.parse_args()
    rows = [json.loads(line) for line in (GSM8K / "example_model_solutions.jsonl").open()]
    table: list[list[str]] = []
    metrics: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name, prefect_test_harness(server_startup_timeout=120):
        folder = Path(name)
        for traces in (4 * len(rows), options.traces):
            data = folder / f"{traces}.jsonl"
            data.write_text("\n".join(copies(rows, traces)))
            curate(folder, data, plain=True)
            paired = [
                (curate(folder, data, plain=False), curate(folder, data, plain=True)) for _ in range(options.pairs)
            ]
            table += _lines(traces, [flow for flow, _ in paired])
            metrics |= _metrics(traces, paired)
            table.append([f"{traces:,}", "Prefect's share", f"{metrics['prefect_share']:.1%}", ""])
    publish("curate", ["traces", "stage", "seconds", "peak MiB"], table, metrics)
    write(options.json, metrics)


def _lines(traces: int, runs: list[Run]) -> list[list[str]]:
    return [
        [f"{traces:,}", stage, *(f"{statistics.median(values):,.2f}" for values in _columns(runs, stage))]
        for stage in (*STAGES, "all")
    ]


def _columns(runs: list[Run], stage: str) -> tuple[list[float], list[float]]:
    return [run.seconds[stage] for run in runs], [run.peak_mb[stage] for run in runs]


def _metrics(traces: int, paired: list[tuple[Run, Run]]) -> dict[str, float]:
    """The last and largest size is the one whose metrics stand."""
    share = statistics.median(1 - plain.seconds["all"] / flow.seconds["all"] for flow, plain in paired)
    seconds = statistics.median(flow.seconds["all"] for flow, _ in paired)
    return {
        "prefect_share": share,
        f"prefect_share_{traces}": share,
        "peak_rss_mb": statistics.median(flow.peak_mb["all"] for flow, _ in paired),
        "rows_per_s": traces / seconds,
    }


if __name__ == "__main__":
    main()
