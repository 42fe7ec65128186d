"""What the benchmarks share in which the bundled model learns from releases: sampling, measuring, intervals."""

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.results import arguments

if TYPE_CHECKING:
    from schemas.refs import ReleaseManifest, Tables
    from tasks.lake import Lake

MODEL: Final = Path(__file__).resolve().parent.parent / "data/models/tiny-reasoner"
SAMPLES: Final = 8
HEADER: Final = ["model", "pass@1", f"pass@{SAMPLES}", "pass@1 by seed"]
_RESAMPLED: Final = 10_000

Scores = NDArray[np.float64]
"""Of each held-out problem, the share of its samples that are right."""


class Lab(NamedTuple):
    """Where everything lies, and how much of it there is."""

    folder: Path
    options: argparse.Namespace

    @property
    def held_out(self) -> Path:
        """The problems that models are measured on."""
        return self.folder / "held-out.jsonl"


class Made(NamedTuple):
    """What a recipe came to."""

    lake: "Lake"
    release: "ReleaseManifest"

    @property
    def folder(self) -> Path:
        """The release's files."""
        return Path(self.lake.storage.full(f"releases/{self.release.name}/{self.release.version}"))


def parser_of(description: str) -> argparse.ArgumentParser:
    """A parser with what both benchmarks take."""
    parser = arguments(description)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=8, help="of each problem")
    parser.add_argument("--held-out", type=int, default=240, help="problems to measure on")
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--epochs", type=float, default=1)
    parser.add_argument("--batch", type=int, default=16)
    return parser


@contextmanager
def lab(options: argparse.Namespace) -> Iterator[Lab]:
    """A folder for one run, with the held-out problems in it."""
    from data.tiny_reasoner.write import write
    from flows.environment import quiet_prefect

    quiet_prefect()
    with tempfile.TemporaryDirectory() as folder:
        made = Lab(Path(folder), options)
        write(made.held_out, options.held_out, "held out", held_out=True)
        yield made


def made_by_irpo(place: Lab, seed: int, settings: Sequence[str]) -> Made:
    """Sample problems of a seed's own by the recipe `irpo`, without gold solutions, and publish."""
    from data.tiny_reasoner.write import write
    from flows.refresh import refresh
    from tasks.lake import Lake

    options, folder = place.options, place.folder / str(seed)
    folder.mkdir()
    write(folder / "problems.jsonl", options.problems, f"improve {seed}", held_out=False)
    common = [
        f"models.policy.model={MODEL}",
        f"ingest.source.path={folder / 'problems.jsonl'}",
        "ingest.completions=[]",
        f"generate.samplers.policy.n={options.samples}",
        f"generate.samplers.policy.temperatures=[{options.temperature}]",
        f"generate.seed={seed}",
    ]
    lake = str(folder / "lake")
    return Made(Lake(lake), refresh("irpo", lake, [*common, *settings]))


def measured(place: Lab, model: Path, name: str) -> Scores:
    """Sample the held-out problems with a model, by the recipe `pass-at-k`."""
    from flows.refresh import refresh
    from tasks.lake import Lake

    lake = str(place.folder / "lakes" / name)
    release = refresh("pass-at-k", lake, [f"models.policy.model={model}", f"ingest.source.path={place.held_out}"])
    store = Lake(lake)
    of = column(store, release.tables, "traces", "trace_id", "problem_id")
    counts = dict.fromkeys(column(store, release.tables, "problems", "problem_id", "problem_id"), 0)
    for trace, status in column(store, release.tables, "standings", "trace_id", "status").items():
        counts[of[trace]] += status == "correct"
    return np.array(list(counts.values())) / SAMPLES


def column(lake: "Lake", tables: "Tables", name: str, key: str, value: str) -> dict[str, str]:
    """One column of a table by another."""
    rows = lake.rows(tables, name, sorted({key, value}))
    return {str(row[key]): str(row[value]) for row in rows.to_pylist()}


def gain(after: Sequence[Scores], before: Sequence[Scores]) -> tuple[float, float, float]:
    """The mean rise in points with its 95 % interval: seeds are resampled, and problems within them (the same ones)."""
    rises = np.array(after) - np.array(before)
    rng = np.random.default_rng(0)
    seeds = rng.integers(len(rises), size=(_RESAMPLED, len(rises)))
    problems = rng.integers(rises.shape[1], size=(_RESAMPLED, rises.shape[1]))
    means = [rises[some][:, those].mean() for some, those in zip(seeds, problems, strict=True)]
    low, high = np.percentile(means, [2.5, 97.5])
    return 100 * float(rises.mean()), 100 * float(low), 100 * float(high)


def table_of(models: Mapping[str, Sequence[Scores]]) -> list[list[str]]:
    """A row for each model: pass@1 and pass@8 over seeds, and pass@1 of each seed."""
    return [
        [name, _mean(those), _mean([(one > 0).astype(np.float64) for one in those]), _each(those)]
        for name, those in models.items()
    ]


def _mean(those: Sequence[Scores]) -> str:
    return f"{100 * statistics.fmean(float(one.mean()) for one in those):.1f}"


def _each(those: Sequence[Scores]) -> str:
    return ", ".join(f"{100 * one.mean():.1f}" for one in those)
