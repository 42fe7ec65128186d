"""What every benchmark prints and writes."""

import argparse
import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

PACKAGES = ("tracemill", "prefect", "pyarrow", "duckdb", "numba", "math-verify")


def arguments(description: str) -> argparse.ArgumentParser:
    """A parser that knows `--json FILE`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the metrics to FILE")
    return parser


def machine() -> str:
    """The machine in words: processor, cores, memory, Python and package versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, {memory:.0f} GiB, Python {platform.python_version()}, {versions}"


def publish(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], metrics: Mapping[str, float]) -> None:
    """Print a table, the machine and the metrics."""
    console = Console(highlight=False, width=120)
    table = Table(*header, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print(machine(), soft_wrap=True)
    for name, value in metrics.items():
        console.print(f"{name}: {value:.4g}")


def write(path: Path | None, metrics: Mapping[str, float]) -> None:
    """Write `{"metrics": …, "machine": …}` if there is a path to write to."""
    if path is not None:
        path.write_text(json.dumps({"metrics": dict(metrics), "machine": machine()}, indent=2))
