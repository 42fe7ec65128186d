"""How benchmarks take the time of two ways to do the same."""

import statistics
import time
from collections.abc import Callable
from typing import Any


def clock(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came of it."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def paired(ours: Callable[[], Any], theirs: Callable[[], Any], times: int) -> tuple[float, float, Any, Any]:
    """Median seconds of both, run alternately after one warm-up of ours."""
    ours()
    runs = [(clock(ours), clock(theirs)) for _ in range(times)]
    seconds = [statistics.median(run[side][0] for run in runs) for side in (0, 1)]
    return seconds[0], seconds[1], runs[-1][0][1], runs[-1][1][1]
