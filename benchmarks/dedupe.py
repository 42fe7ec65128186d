"""Near-duplicates beside datasketch, rensa and datatrove, on the same documents, each run in a process of its own.

Pair recall: of the pairs at the threshold or above (exact Jaccard of 5-word shingles), those of which at least one
goes. False positives: of the documents that go, those that are at the threshold with no other one. `vs_…`: medians of
ratios of runs that followed each other. datatrove has one threshold, about 0.72, whatever is asked for.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.dedupe_corpus import Truth, truth, write_corpus
from benchmarks.dedupe_peers import PEERS, SHINGLE
from benchmarks.results import arguments, publish, write

LARGEST: Final = {"datatrove": 10_000, "datasketch": 100_000}
"""Larger runs of these take an hour; `--all` makes them."""
PATIENCE: Final = 60
"""Seconds; what takes longer is run once."""
OURS: Final = "tracemill"


class Run(NamedTuple):
    """One run of one tool."""

    seconds: float
    cpu: float
    """Seconds of all threads: what can be compared on a machine that has other work, too."""
    above_text: int
    """Bytes at the peak, beside the texts."""
    version: str
    gone: NDArray[np.bool_]


class Case(NamedTuple):
    """What was run how."""

    documents: int
    threshold: float
    tool: str


Runs = dict[Case, list[Run]]


def main() -> None:
    """Measure, print and draw."""
    options = _options()
    pythons = dict(one.split("=", 1) for one in options.python)
    runs: Runs = {}
    quality: dict[Case, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        for documents in options.documents:
            corpus = Path(name) / f"{documents}.arrow"
            write_corpus(corpus, documents)
            known = truth(corpus, SHINGLE, min(options.thresholds))
            for threshold in options.thresholds:
                tools = [one for one in options.tools if options.all or documents <= LARGEST.get(one, documents)]
                for _ in range(options.times if threshold == options.thresholds[0] else 1):
                    for case in [Case(documents, threshold, tool) for tool in tools]:
                        run = measure(case, corpus, pythons.get(case.tool, sys.executable))
                        if run is None or run.seconds > PATIENCE:
                            tools.remove(case.tool)
                        if run is not None:
                            runs.setdefault(case, []).append(run)
                            quality[case] = scored(run.gone, known, threshold)
            corpus.unlink()
    versions = {case.tool: several[0].version for case, several in runs.items()}
    metrics = _metrics(runs, quality, options.thresholds[0])
    header = [
        "documents",
        "Jaccard",
        "tool",
        "documents/s",
        "CPU s",
        "MiB above text",
        "pair recall",
        "false positives",
    ]
    publish("near-duplicates", header, [_line(case, runs[case], quality[case]) for case in runs], metrics)
    print(", ".join(f"{tool} {version}" for tool, version in versions.items()))
    if options.plot:
        draw(runs, options.plot)
    write(options.json, metrics)


def _options() -> argparse.Namespace:
    parser = arguments(__doc__ or "")
    parser.add_argument("--documents", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.8, 0.7])
    parser.add_argument("--tools", nargs="+", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--times", type=int, default=3, help="runs at the first threshold; one at the others")
    parser.add_argument("--all", action="store_true", help="run slow tools on large corpora, too")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw rates and memory to a PNG file")
    parser.add_argument(
        "--python", action="append", default=[], metavar="TOOL=PYTHON", help="the interpreter that has this tool"
    )
    return parser.parse_args()


def measure(case: Case, corpus: Path, python: str) -> Run | None:
    """Run a tool in a process of its own; None, and a word about it, where it is not installed."""
    out = corpus.with_suffix(".npy")
    command = [python, "-m", "benchmarks.dedupe_peers", case.tool, str(corpus), str(case.threshold), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{case.tool}: not run: {(done.stderr.strip() or 'killed').splitlines()[-1]}", file=sys.stderr)
        return None
    told = json.loads(done.stdout.splitlines()[-1])
    return Run(told["seconds"], told["cpu"], told["bytes"], told["version"], np.load(out))


def scored(gone: NDArray[np.bool_], known: Truth, threshold: float) -> tuple[float, float]:
    """Pair recall, and false positives among what goes."""
    alike = known.jaccard >= threshold
    one, other = known.one[alike], known.other[alike]
    has = np.zeros(len(gone), np.bool_)
    has[one] = has[other] = True
    return float((gone[one] | gone[other]).mean()), float((gone & ~has).sum() / max(1, gone.sum()))


def _line(case: Case, several: list[Run], quality: tuple[float, float]) -> list[str]:
    seconds = statistics.median(run.seconds for run in several)
    cpu = statistics.median(run.cpu for run in several)
    peak = statistics.median(run.above_text for run in several) / 2**20
    speed = [f"{case.documents / seconds:,.0f}", f"{cpu:,.2f}", f"{peak:,.0f}"]
    return [f"{case.documents:,}", f"{case.threshold}", case.tool, *speed, f"{quality[0]:.4f}", f"{quality[1]:.2%}"]


def _metrics(runs: Runs, quality: dict[Case, tuple[float, float]], threshold: float) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for case, theirs in runs.items():
        ours = runs.get(case._replace(tool=OURS), [])
        if case.threshold == threshold and case.tool != OURS and ours:
            ratios = [peer.seconds / mine.seconds for mine, peer in zip(ours, theirs, strict=False)]
            # The largest corpus that a tool was run on is the one whose metric stands.
            metrics[f"vs_{case.tool}"] = metrics[f"vs_{case.tool}_{case.documents}"] = statistics.median(ratios)
    middle, large = Case(100_000, threshold, OURS), Case(1_000_000, threshold, OURS)
    if middle in runs:
        metrics["pair_recall"], metrics["false_positive_rate"] = quality[middle]
        for tool in ("datasketch", "rensa"):
            if f"vs_{tool}_100000" in metrics:
                metrics[f"vs_{tool}"] = metrics[f"vs_{tool}_100000"]
    if large in runs:
        metrics["gb_above_text_1m"] = statistics.median(run.above_text for run in runs[large]) / 1e9
        if middle in runs:
            both = ([run.seconds for run in runs[case]] for case in (large, middle))
            metrics["growth_100k_1m"] = statistics.median(next(both)) / statistics.median(next(both))
    return metrics


def draw(runs: Runs, path: Path) -> None:
    """Documents a second and memory above the text, by the number of documents, at the first threshold."""
    from matplotlib.figure import Figure

    threshold = next(iter(runs)).threshold
    figure = Figure(figsize=(9, 3.6), dpi=110, layout="constrained")
    rates, peaks = figure.subplots(1, 2)
    for tool in PEERS:
        cases = [case for case in runs if case.tool == tool and case.threshold == threshold]
        counts = [case.documents for case in cases]
        seconds = [statistics.median(run.seconds for run in runs[case]) for case in cases]
        memory = [statistics.median(run.above_text for run in runs[case]) / 2**20 for case in cases]
        rates.plot(counts, np.array(counts) / np.array(seconds), marker="o", label=tool)
        peaks.plot(counts, memory, marker="o", label=tool)
    for axes, title in ((rates, f"documents a second, Jaccard {threshold}"), (peaks, "MiB above the text, peak")):
        axes.set(xscale="log", yscale="log", xlabel="documents", title=title)
        axes.grid(alpha=0.3)
    rates.legend()
    figure.savefig(path)


if __name__ == "__main__":
    main()
