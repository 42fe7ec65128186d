"""A long life with faults: `refreshes` in a row by one process, on the bundled model, and what is left of it.

Every other refresh is disturbed by the next of `soak_faults.FAULTS`, in a seeded order; the one after it is not, and
has to finish. After each that finishes: every part of the newest run's tables has its digest (`broken` counts those
that have not); every trace that the finished run before held, or a journal since, is among the newest run's traces
(`lost` counts the ids that are not; a trace that was dropped stays in its table, so it is not lost); every file of an
earlier version of the release is what it was, byte for byte (`changed` counts those that are not).

`rss_growth` and its like are medians of the last ten refreshes against those of the fifth to the fifteenth, in percent,
after the collector has run and the allocator has given back what it can. `pace_growth` is that of the seconds of the
second half of undisturbed refreshes over the first; these look through all rounds, and so grow with the lake.
"""

import ctypes
import gc
import hashlib
import os
import random
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from benchmarks.results import arguments, publish, write
from benchmarks.soak_faults import FAULTS, Ground, Server, children
from flows.environment import quiet_prefect
from tasks.places import DATA

SETTLED: Final = slice(4, 15)
LAST: Final = slice(-10, None)


class Seen(NamedTuple):
    """What there is after a refresh."""

    fault: str
    ended: str
    """How the run ended: nothing if it finished."""
    seconds: float
    rss_mb: float
    open_files: int
    threads: int
    children: int
    temporary: int
    lake_mb: float


class Kept:
    """What has to stay: traces by id, and the files of finished versions of the release."""

    def __init__(self, lake: str) -> None:
        self._lake = lake
        self._stored: set[str] = set()
        self._files: dict[Path, str] = {}
        self.parts = self.broken = self.lost = self.changed = 0

    def store(self) -> None:
        """Note what sampled rows a journal holds, whether its run finished or not."""
        import pyarrow.parquet as pq

        for path in Path(self._lake).glob("traces/*/journal-*.parquet"):
            self._stored |= set(map(str, pq.read_table(path, columns=["trace_id"])["trace_id"].to_pylist()))

    def check(self) -> None:
        """Compare a finished run with all that came before it."""
        from tasks.lake import Lake
        from tasks.parts import intact

        lake = Lake(self._lake)
        newest = lake.newest()
        for ref in {ref for those in newest.values() for ref in those}:
            manifest = lake.manifest(ref)
            parts = manifest.parts if manifest else ()
            self.parts += len(parts)
            self.broken += not parts or sum(not intact(lake.storage, ref.path, (part,)) for part in parts)
        there = set(map(str, lake.rows(newest, "traces", ["trace_id"])["trace_id"].to_pylist()))
        self.lost += len(self._stored - there)
        self._stored = there
        files = {path: _digest(path) for path in Path(self._lake, "releases").rglob("*") if path.is_file()}
        self.changed += sum(files.get(path) != digest for path, digest in self._files.items())
        self._files = {path: one for path, one in files.items() if (_version(path) / "manifest.json") in files}


def recipe(folder: Path, problems: int, samples: int) -> str:
    """The demo's recipe with small numbers."""
    content = yaml.safe_load((DATA / "recipes/demo.yaml").read_text())
    content["name"] = "soak"
    content["problems"] |= {"count": problems}
    content["verify"]["majority"] = {"share": 0.3, "least": 1}
    content["generate"]["samplers"]["tiny"] |= {"n": samples, "temperatures": [0.7], "sampling": {"max_tokens": 200}}
    path = folder / "soak.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def schedule(refreshes: int, seed: int) -> list[str]:
    """The fault of each refresh, nothing for none: all kinds in turn, each time in another order."""
    draw, kinds = random.Random(seed), list[str]()
    while len(kinds) * 2 < refreshes:
        kinds += draw.sample(sorted(FAULTS), len(FAULTS))
    # The first has nothing to damage yet, and the last shows that all is well.
    return ["" if at % 2 == 0 or at == refreshes - 1 else kinds[at // 2] for at in range(refreshes)]


def soak(ground: Ground, faults: Sequence[str]) -> tuple[list[Seen], Kept]:
    """Refresh again and again."""
    seen, kept = list[Seen](), Kept(ground.lake)
    for fault in faults:
        began = time.perf_counter()
        ended = _refresh(ground, fault)
        seconds = time.perf_counter() - began
        kept.store()
        if not ended:
            kept.check()
        seen.append(_look(ground, fault, ended, seconds))
        print(len(seen), *seen[-1], f"lost {kept.lost} broken {kept.broken} changed {kept.changed}", flush=True)
    return seen, kept


def growth(values: Sequence[float]) -> float:
    """Percent by which the last are above those of a process that is warm."""
    settled = statistics.median(values[SETTLED] or values)
    return 100 * (statistics.median(values[LAST]) - settled) / settled


def metrics(seen: Sequence[Seen], kept: Kept) -> dict[str, float]:
    """All that is printed."""
    calm = [one.seconds for one in seen if not one.fault]
    half = len(calm) // 2
    return {
        "refreshes": len(seen),
        "finished": sum(not one.ended for one in seen),
        "faults": sum(bool(one.fault) for one in seen),
        "lost": kept.lost,
        "broken": kept.broken,
        "digests_held": kept.parts - kept.broken,
        "changed": kept.changed,
        "rss_growth": growth([one.rss_mb for one in seen]),
        "open_files_growth": growth([one.open_files for one in seen]),
        "threads_growth": growth([one.threads for one in seen]),
        "children_left": seen[-1].children,
        "temporary_left": seen[-1].temporary,
        "refresh_s": statistics.median(calm),
        "pace_growth": 100 * (statistics.median(calm[half:]) / statistics.median(calm[1 : half + 1]) - 1),
        "lake_growth": growth([one.lake_mb for one in seen]),
        "lake_mb": seen[-1].lake_mb,
    }


def _refresh(ground: Ground, fault: str) -> str:
    """Run one; how it ended, if a fault ended it."""
    from flows.refresh import refresh

    around: AbstractContextManager[None] = FAULTS[fault].inject(ground) if fault else nullcontext()
    ends: tuple[type[BaseException], ...] = FAULTS[fault].ends if fault else ()
    try:
        with around:
            refresh(ground.recipe, ground.lake)
    except ends as exc:
        return type(exc).__name__
    return ""


def _look(ground: Ground, fault: str, ended: str, seconds: float) -> Seen:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    files = [path for path in Path(ground.lake).rglob("*") if path.is_file()]
    return Seen(
        fault=fault,
        ended=ended,
        seconds=seconds,
        rss_mb=pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        open_files=len(list(Path("/proc/self/fd").iterdir())),
        threads=len(list(Path("/proc/self/task").iterdir())),
        children=len([one for one in children() if one != ground.server.pid]),
        temporary=sum(path.name.startswith(".tmp-") for path in files),
        # A version's unchanged files are those of the version before, by another name.
        lake_mb=sum({found.st_ino: found.st_size for found in (path.stat() for path in files)}.values()) / 1e6,
    )


def _version(path: Path) -> Path:
    """The folder of a release's version that a file is in."""
    return next(one for one in path.parents if one.parents[1].name == "releases")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _rows(seen: Sequence[Seen]) -> list[list[str]]:
    return [
        [str(at), *(f"{value:.1f}" if isinstance(value, float) else str(value) for value in one)]
        for at, one in enumerate(seen, start=1)
    ]


def main() -> None:
    """Soak and print."""
    quiet_prefect()
    parser = arguments(__doc__ or "")
    parser.add_argument("--refreshes", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the faults' order, and where they strike")
    parser.add_argument("--problems", type=int, default=24, help="new problems a refresh")
    parser.add_argument("--samples", type=int, default=2, help="traces a problem")
    parser.add_argument("--faults", nargs="*", choices=sorted(FAULTS), help="these in this order, then one undisturbed")
    options = parser.parse_args()
    server = Server()
    with tempfile.TemporaryDirectory() as folder:
        made = recipe(Path(folder), options.problems, options.samples)
        ground = Ground(f"{folder}/lake", made, server, random.Random(options.seed))
        given: list[str] | None = options.faults
        faults = schedule(options.refreshes, options.seed) if given is None else ["", *given, ""]
        seen, kept = soak(ground, faults)
    found: Mapping[str, Any] = metrics(seen, kept)
    header = ["", *(name.replace("_", " ") for name in Seen._fields)]
    publish("soak", header, _rows(seen), found)
    write(options.json, found)


if __name__ == "__main__":
    main()
