"""Does training on what tracemill makes help? `make improve`, three seeds, on the bundled model.

One round of IRPO, wholly by recipes: `irpo` samples problems, verifies and pairs, without gold solutions, so that the
model learns from itself alone. TRL trains with DPO + NLL on the release; `pass-at-k` samples held-out problems before
and after. `pass1_gain_points` is the mean rise of pass@1 in points, `pass1_gain_low` the low end of its 95 % interval,
by a bootstrap over seeds and problems.

Then curated against raw: as many traces of the `sft` release (verified, deduplicated) as of those that were sampled, of
the same problems; the same training on both. `curated_gain_points` and `curated_gain_low` compare the two.
"""

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.results import arguments, publish, write
from benchmarks.training import Preference, Training, irpo, sft
from flows.environment import quiet_prefect

if TYPE_CHECKING:
    from schemas.refs import ReleaseManifest, Tables
    from tasks.lake import Lake

MODEL: Final = Path(__file__).resolve().parent.parent / "data/models/tiny-reasoner"
SAMPLES: Final = 8
CHECKPOINTS: Final = 3
BETA: Final = 0.1
RESAMPLED: Final = 10_000

Scores = NDArray[np.float64]
"""Of each held-out problem, the share of its samples that are right."""


class Work(NamedTuple):
    """Where everything lies, and how much of it there is."""

    folder: Path
    options: argparse.Namespace

    @property
    def held_out(self) -> Path:
        """The problems that models are measured on."""
        return self.folder / "held-out.jsonl"


class Seeded(NamedTuple):
    """What one seed came to: scores after each checkpoint, and of models trained on curated and on raw traces."""

    curve: list[Scores]
    curated: Scores
    raw: Scores


def measured(work: Work, model: Path, name: str) -> Scores:
    """Sample the held-out problems with a model."""
    from flows.refresh import refresh
    from tasks.lake import Lake

    lake = str(work.folder / "lakes" / name)
    release = refresh("pass-at-k", lake, [f"models.policy.model={model}", f"ingest.source.path={work.held_out}"])
    store = Lake(lake)
    of = _column(store, release.tables, "traces", "trace_id", "problem_id")
    counts = dict.fromkeys(_column(store, release.tables, "problems", "problem_id", "problem_id"), 0)
    for trace, status in _column(store, release.tables, "standings", "trace_id", "status").items():
        counts[of[trace]] += status == "correct"
    return np.array(list(counts.values())) / SAMPLES


def one_seed(work: Work, seed: int) -> Seeded:
    """Sample, curate, train and measure."""
    from data.tiny_reasoner.write import write as write_problems
    from flows.refresh import refresh
    from tasks.lake import Lake

    options, folder = work.options, work.folder / str(seed)
    folder.mkdir()
    problems = folder / "problems.jsonl"
    write_problems(problems, options.problems, f"improve {seed}", held_out=False)
    lake = str(folder / "lake")
    settings = [
        f"models.policy.model={MODEL}",
        f"ingest.source.path={problems}",
        f"generate.samplers.policy.n={options.samples}",
        f"generate.samplers.policy.temperatures=[{options.temperature}]",
        f"generate.seed={seed}",
        "ingest.completions=[]",
        f"preferences.rules.correct_vs_incorrect.pairs_per_problem={options.pairs}",
        "export.formats={dpo: {instructions: asked}, sft: {instructions: asked}}",
    ]
    release = refresh("irpo", lake, settings)
    there = Path(lake) / "releases" / release.name
    how = Training(options.rate, options.epochs, options.batch, seed, CHECKPOINTS)
    models = irpo(MODEL, there / release.version / "dpo/train", folder / "irpo", how, Preference(BETA, options.alpha))
    curve = [measured(work, model, f"{seed}-{number}") for number, model in enumerate(models)]
    release = refresh("irpo", lake, [*settings, "dedupe={}"], sample=False)
    sets = _sets(Lake(lake), release, there / release.version / "sft/train", options.traces, seed)
    scores = {}
    for name, rows in sets.items():
        data = folder / f"{name} traces"
        data.mkdir()
        pq.write_table(rows, data / "part-0.parquet")
        [model] = sft(MODEL, data, folder / name, how._replace(checkpoints=1))
        scores[name] = measured(work, model, f"{seed}-{name}")
    return Seeded(curve, scores["curated"], scores["raw"])


def _sets(lake: "Lake", release: "ReleaseManifest", curated: Path, count: int, seed: int) -> dict[str, pa.Table]:
    """So many traces (messages) of the release, and as many of all that the policy sampled, both drawn at random."""
    rng = np.random.default_rng(seed)
    kept = pq.read_table(curated)
    kept = kept.take(np.sort(rng.permutation(kept.num_rows)[:count])).select(["messages"])
    questions = _column(lake, release.tables, "problems", "problem_id", "question")
    sampled = lake.rows(release.tables, "traces", ["problem_id", "text"]).to_pylist()
    drawn = rng.choice(len(sampled), kept.num_rows, replace=False)
    raw = [
        {"messages": [_turn("user", _asked(questions[one["problem_id"]])), _turn("assistant", one["text"])]}
        for one in (sampled[at] for at in sorted(drawn.tolist()))
    ]
    return {"curated": kept, "raw": pa.Table.from_pylist(raw, schema=kept.schema)}


def _column(lake: "Lake", tables: "Tables", name: str, key: str, value: str) -> dict[str, str]:
    rows = lake.rows(tables, name, sorted({key, value}))
    return {str(row[key]): str(row[value]) for row in rows.to_pylist()}


def _asked(question: str) -> str:
    from schemas.tables import Domain
    from tasks.prompts import PROMPTS

    return PROMPTS[Domain.MATH].replace("{question}", question)


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def gain(after: Sequence[Scores], before: Sequence[Scores]) -> tuple[float, float, float]:
    """The mean rise in points with its 95 % interval: seeds are resampled, and problems within them (the same ones)."""
    rises = np.array(after) - np.array(before)
    rng = np.random.default_rng(0)
    seeds = rng.integers(len(rises), size=(RESAMPLED, len(rises)))
    problems = rng.integers(rises.shape[1], size=(RESAMPLED, rises.shape[1]))
    means = [rises[some][:, those].mean() for some, those in zip(seeds, problems, strict=True)]
    low, high = np.percentile(means, [2.5, 97.5])
    return 100 * float(rises.mean()), 100 * float(low), 100 * float(high)


def plot(before: float, curves: Sequence[Sequence[float]], out: Path) -> None:
    """pass@1 on held-out problems along the training, a line for each seed, and their mean."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
    shares = [100 * number / CHECKPOINTS for number in range(CHECKPOINTS + 1)]
    for curve in curves:
        axes.plot(shares, [100 * one for one in (before, *curve)], color="#b8c4d6", linewidth=1)
    mean = [100 * statistics.fmean(at) for at in zip(*curves, strict=True)]
    axes.plot(shares, [100 * before, *mean], color="#1f4e9c", linewidth=2, marker="o")
    axes.set(xlabel="of the training on the pairs, %", ylabel="held-out pass@1, %")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, dpi=110)
    plt.close(figure)


def main() -> None:
    """Measure and print."""
    from data.tiny_reasoner.write import write as write_problems

    quiet_prefect()
    parser = arguments(__doc__ or "")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--problems", type=int, default=1600, help="to sample and train on, for each seed")
    parser.add_argument("--samples", type=int, default=8, help="of each problem (the paper: 30)")
    parser.add_argument("--held-out", type=int, default=240, help="problems to measure on")
    parser.add_argument("--pairs", type=int, default=4, help="of each problem, at most (the paper: 10)")
    parser.add_argument("--temperature", type=float, default=0.3, help="of the samples (the paper: 0.8)")
    parser.add_argument("--alpha", type=float, default=30, help="weight of the likelihood term (the paper: 1)")
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--epochs", type=float, default=1)
    parser.add_argument("--traces", type=int, default=2000, help="curated ones, and raw ones, to fine-tune on")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curve")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Work(Path(folder), options)
        write_problems(work.held_out, options.held_out, "held out", held_out=True)
        before = measured(work, MODEL, "before")
        seeds = [one_seed(work, seed) for seed in range(options.seeds)]
        _tell(options, before, seeds)


def _tell(options: argparse.Namespace, before: Scores, seeds: Sequence[Seeded]) -> None:
    same = [before] * len(seeds)
    after = gain([one.curve[-1] for one in seeds], same)
    curated = gain([one.curated for one in seeds], [one.raw for one in seeds])
    if options.plot:
        plot(float(before.mean()), [[float(at.mean()) for at in one.curve] for one in seeds], options.plot)
    sets = {
        "before": [before],
        **{f"IRPO, {number + 1}/{CHECKPOINTS}": [one.curve[number] for one in seeds] for number in range(CHECKPOINTS)},
        "SFT on curated traces": [one.curated for one in seeds],
        "SFT on raw traces": [one.raw for one in seeds],
    }
    rows = [
        [
            name,
            *(f"{100 * statistics.fmean(some(one) for one in those):.1f}" for some in (np.mean, _any)),
            ", ".join(f"{100 * one.mean():.1f}" for one in those),
        ]
        for name, those in sets.items()
    ]
    metrics = {"pass1_before": 100 * float(before.mean())}
    for name, (mean, low, high) in (("pass1", after), ("curated", curated)):
        metrics |= {f"{name}_gain_points": mean, f"{name}_gain_low": low, f"{name}_gain_high": high}
    publish("improve", ["model", "pass@1", f"pass@{SAMPLES}", "pass@1 by seed"], rows, metrics)
    write(options.json, metrics)


def _any(scores: Scores) -> float:
    return float((scores > 0).mean())


if __name__ == "__main__":
    main()
