"""Does searching pay? Samples, votes, a reward model's choice, beam and DVTS, by tokens: `python -m benchmarks.search`.

The bundled model solves held-out problems; the bundled reward model, trained on step labels by rollouts alone, values
steps. Each method runs at several sizes; every token that the policy sampled for it counts. `beam_vs_majority_points`:
by how many points beam search at its largest size is right more often than the majority of as many tokens' samples
(interpolated between sizes, along the logarithm of tokens), with its 95 % interval by a bootstrap over seeds and
problems. Accuracy is that of the one answer that a method gives; coverage, whether any of its traces is right.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.results import arguments, publish, write
from benchmarks.search_work import Column, Points, measured
from data.tiny_reasoner.evaluate import LOOKED_AT, held_out
from tasks.ids import question_id

METHODS: Final = ("one sample", "majority", "best of N", "weighted", "beam", "DVTS")
COLOURS: Final = ("#9aa5b1", "#c46a1b", "#2e8b57", "#7b4fa3", "#1f4e9c", "#0e8f9c")
_RESAMPLED: Final = 2_000


def curve(seeds: Sequence[Points], method: str, what: str = "right") -> tuple[Column, Column]:
    """Mean tokens and mean accuracy (or coverage) of a method, by its sizes from small to large."""
    sizes = sorted(size for name, size in seeds[0] if name == method)
    tokens = [np.mean([one[method, size].tokens.mean() for one in seeds]) for size in sizes]
    values = [np.mean([getattr(one[method, size], what).mean() for one in seeds]) for size in sizes]
    return np.array(tokens), np.array(values)


def advantage(seeds: Sequence[Points], method: str, over: str = "majority") -> float:
    """By how many points a method's largest size beats another method at as many tokens."""
    tokens, right = curve(seeds, method)
    others, theirs = curve(seeds, over)
    return 100 * float(right[-1] - np.interp(np.log(tokens[-1]), np.log(others), theirs))


def interval(seeds: Sequence[Points], method: str) -> tuple[float, float, float]:
    """The advantage with its 95 % interval: seeds are resampled, and the problems, the same ones for all methods."""
    rng = np.random.default_rng(0)
    count = len(next(iter(seeds[0].values())).right)
    found = []
    for _ in range(_RESAMPLED):
        those = rng.integers(count, size=count)
        some = [seeds[at] for at in rng.integers(len(seeds), size=len(seeds))]
        found.append(advantage([_among(one, those, method) for one in some], method))
    low, high = np.percentile(found, [2.5, 97.5])
    return advantage(seeds, method), float(low), float(high)


def _among(one: Points, those: "np.ndarray[tuple[int], np.dtype[np.int64]]", method: str) -> Points:
    return {
        key: type(point)(*(column[those] for column in point))
        for key, point in one.items()
        if key[0] in (method, "majority")
    }


def plot(seeds: Sequence[Points], out: Path) -> None:
    """Accuracy by tokens, a line for each method, and how often any trace is right."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    tokens, covered = curve(seeds, "majority", "covered")
    axes.plot(tokens, 100 * covered, color="#c46a1b", linestyle=":", label="samples: any is right")
    for method, colour in zip(METHODS[1:], COLOURS[1:], strict=True):
        tokens, right = curve(seeds, method)
        axes.plot(tokens, 100 * right, color=colour, marker="o", markersize=3.5, label=method)
    axes.set(xscale="log", xlabel="sampled tokens a problem", ylabel="held-out problems solved, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(out, dpi=110)
    plt.close(figure)


def table(seeds: Sequence[Points]) -> list[list[str]]:
    """A row for each method and size."""
    found = []
    for method in METHODS:
        sizes = sorted(size for name, size in seeds[0] if name == method)
        curves = (*curve(seeds, method), curve(seeds, method, "covered")[1])
        for size, tokens, right, covered in zip(sizes, *curves, strict=True):
            each = ", ".join(f"{100 * one[method, size].right.mean():.1f}" for one in seeds)
            found.append([method, f"{size}", f"{tokens:.0f}", f"{100 * right:.1f}", each, f"{100 * covered:.1f}"])
    return found


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--problems", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves")
    options = parser.parse_args()
    seeds = [_seed(options, seed) for seed in range(options.seeds)]
    metrics: dict[str, float] = {}
    for method, name in (("beam", "beam"), ("DVTS", "dvts"), ("weighted", "weighted"), ("best of N", "best_of_n")):
        points, low, high = interval(seeds, method)
        metrics |= {f"{name}_vs_majority_points": points, f"{name}_low": low, f"{name}_high": high}
    if options.plot:
        plot(seeds, options.plot)
    header = ["method", "size", "tokens a problem", "accuracy, %", "by seed", "coverage, %"]
    publish("search", header, table(seeds), metrics)
    write(options.json, metrics)


def _seed(options: argparse.Namespace, seed: int) -> Points:
    problems = {question_id("math", one.question): one for one in held_out(options.problems, LOOKED_AT)}
    return measured(problems, options.sizes, seed, options.temperature)


if __name__ == "__main__":
    main()
