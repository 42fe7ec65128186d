"""What is installed, reachable and writable."""

import os
import platform
import shutil
import urllib.request
import uuid
from importlib.metadata import PackageNotFoundError, version
from typing import Final, NamedTuple
from urllib.error import URLError

from schemas.errors import LakeError, WorkerError
from tasks.engines.redact import redact
from tasks.lake import Lake
from tasks.sandbox.sandbox import protections
from tasks.workers import Done, WorkerPool

NEEDED: Final = ("prefect", "datasets", "duckdb", "pyarrow", "datasketch", "numba", "math-verify")


class Finding(NamedTuple):
    """One thing looked at."""

    what: str
    good: bool
    details: str
    needed: bool = True


def examine(lake: str) -> list[Finding]:
    """Look at everything a run may need."""
    return [
        Finding("python", good=True, details=platform.python_version()),
        *map(_package, NEEDED),
        Finding("cores", good=True, details=str(len(os.sched_getaffinity(0)))),
        _workers(),
        *_sandbox(),
        *_lake(lake),
        _prefect(),
    ]


def _package(name: str) -> Finding:
    try:
        return Finding(name, good=True, details=version(name))
    except PackageNotFoundError:
        return Finding(name, good=False, details="pip install tracemill")


def _workers() -> Finding:
    """Verifying needs processes that start, answer and can be killed."""
    try:
        with WorkerPool(1) as pool:
            ((_, result),) = pool.map(abs, [-1], deadline_s=30)
    except WorkerError as exc:
        return Finding("workers", good=False, details=str(exc))
    return Finding("workers", good=isinstance(result, Done), details="start and answer")


def _sandbox() -> list[Finding]:
    """What keeps programs in: only recipes that run programs need it, and say so themselves."""
    try:
        return [
            Finding(f"sandbox: {one.name}", good=one.active, details=one.why_not or one.keeps, needed=False)
            for one in protections()
        ]
    except WorkerError as exc:
        return [Finding("sandbox", good=False, details=str(exc), needed=False)]


def _lake(url: str) -> list[Finding]:
    storage = Lake(url).storage
    probe = f"probe-{uuid.uuid4().hex}"
    try:
        storage.write(probe, b"tracemill")
        storage.remove(probe)
    except LakeError as exc:
        return [Finding("lake", good=False, details=str(exc))]
    findings = [Finding("lake", good=True, details=f"{url} is writable")]
    if not storage.exclusive():
        advice = "two runs at once may claim the same version of a release here: run one at a time"
        findings.append(Finding("conditional writes", good=False, details=advice, needed=False))
    if storage.local:
        free = shutil.disk_usage(storage.full("")).free / 1e9
        findings.append(Finding("disk", good=free > 1, details=f"{free:.1f} GB free"))
    return findings


def _prefect() -> Finding:
    """A server is optional: without one a run starts its own for as long as it lasts."""
    from prefect.settings import PREFECT_API_URL

    url = PREFECT_API_URL.value()
    if not url:
        return Finding("prefect server", good=False, details="none set; each run starts its own", needed=False)
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:  # noqa: S310 - the user's own server
            return Finding("prefect server", good=answer.status == 200, details=redact(url))
    except (URLError, OSError, ValueError) as exc:
        return Finding(
            "prefect server", good=False, details=redact(f"{url}: {exc}; start it, or unset PREFECT_API_URL")
        )
