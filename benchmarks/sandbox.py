"""Sandboxed runs of a trivial program beside a bare `subprocess.run` of the same, pinned to one core, in one run.

In alternation, after a warm-up of both; the figure of each is the median of its rounds. `code`: verdicts of the code
verifier on a function with three asserts, for which tests and program run in two sandboxed processes.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from benchmarks.results import arguments, publish, write
from schemas.tables import Domain
from tasks.sandbox.messages import Job
from tasks.sandbox.sandbox import Sandbox, protections
from tasks.verify.contract import CORRECT, Claim, ProblemView
from tasks.verify.verifiers.code import Config, build

TRIVIAL = "print(1)"
TESTS = "assert double(1) == 2\nassert double(2) == 4\nassert double('a') == 'aa'"
PROGRAM = "```python\ndef double(x):\n    return 2 * x\n```"


def bare(runs: int) -> None:
    """A fresh interpreter for each."""
    for _ in range(runs):
        done = subprocess.run([sys.executable, "-I", "-c", TRIVIAL], capture_output=True, check=True)
        assert done.stdout == b"1\n"


def sandboxed(sandbox: Sandbox, runs: int) -> None:
    """A jail for each."""
    for _ in range(runs):
        (ended,) = sandbox.run(Job(TRIVIAL.encode()))
        assert ended.stdout == b"1\n", ended


def judged(runs: int) -> None:
    """Two jails for each."""
    verifier = build(Config(time_s=30))
    claim = verifier.claim(ProblemView(Domain.CODE, "Write double(x).", None, TESTS, None), PROGRAM)
    assert isinstance(claim, Claim)
    for _ in range(runs):
        assert verifier.check(claim) == CORRECT


def rate(work: Callable[[int], None], runs: int) -> float:
    """Runs a second."""
    began = time.perf_counter()
    work(runs)
    return runs / (time.perf_counter() - began)


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--runs", type=int, default=150)
    parser.add_argument("--times", type=int, default=7)
    options = parser.parse_args()
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})  # zygotes inherit it
    names = ("sandbox", "subprocess", "code")
    with Sandbox() as sandbox:
        works: list[Callable[[int], None]] = [lambda runs: sandboxed(sandbox, runs), bare, judged]
        for work in works:
            work(10)
        rounds = [[rate(work, options.runs) for work in works] for _ in range(options.times)]
    rates = {name: statistics.median(one[side] for one in rounds) for side, name in enumerate(names)}
    os.sched_setaffinity(0, cores)
    with Sandbox() as sandbox, ThreadPoolExecutor(len(cores)) as threads:
        began = time.perf_counter()
        list(threads.map(lambda _: sandboxed(sandbox, options.runs), cores))
        together = options.runs * len(cores) / (time.perf_counter() - began)
    metrics = {
        "runs_per_s_core": rates["sandbox"],
        "vs_subprocess": statistics.median(one[0] / one[1] for one in rounds),
        "code_verdicts_per_s_core": rates["code"],
        "runs_per_s_all_cores": together,
    }
    rows = [[name, f"{value:,.0f}"] for name, value in rates.items()] + [[f"{len(cores)} threads", f"{together:,.0f}"]]
    rows += [[one.name, "active" if one.active else f"missing: {one.why_not}"] for one in protections()]
    publish("sandbox", ["what", "runs/s"], rows, metrics)
    write(options.json, metrics)


if __name__ == "__main__":
    main()
