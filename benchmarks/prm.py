"""Do step labels teach? A reward model trained on a release of ours, beside the truth: `python -m benchmarks.prm`.

The recipe `math-shepherd` labels the bundled model's traces of training problems by rollouts (OmegaPRM's search), where
it solves some samples of a problem, not all; the release's labels, and nothing else, train that model to score steps
(`data/tiny_reasoner/train_prm.py`). It is measured on traces of held-out problems, whose first wrong step is known
(`benchmarks/steps.py`): the area under the ROC curve of the steps' scores, right against wrong, up to and with the
first wrong one; and that of a trace's least, last and mean score, right answers against wrong ones. Intervals are of a
bootstrap over problems. The same training with the true labels says what there is to be learnt, one with labels at
random that nothing leaks; `bundled` is `data/models/tiny-prm`. With `--lake` a release that is there is taken.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import numpy as np
import pyarrow.dataset as ds
from numpy.typing import NDArray

from benchmarks.results import arguments, publish, write
from benchmarks.steps import MODEL, first_wrong, sampled
from data.tiny_reasoner.evaluate import LOOKED_AT, held_out
from data.tiny_reasoner.problems import Problem, problems
from data.tiny_reasoner.train_prm import BASE, Row, Training, graded, rows_of, save, train
from data.tiny_reasoner.write import write as write_problems
from flows.environment import quiet_prefect
from schemas.refs import Tables
from schemas.tables import Status
from tasks.engines.contract import Scores
from tasks.engines.flight import Job
from tasks.engines.models import ModelConfig, Models
from tasks.engines.rewards import Reduction, reduced
from tasks.ids import question_id
from tasks.lake import Lake
from tasks.places import DATA
from tasks.text.steps import steps
from tasks.verify.live import LiveVerifier
from tasks.verify.verify import VerifyConfig

SEED: Final = "prm2"
"""Of the training problems; no held-out question is among them."""
WAYS: Final[tuple[Reduction, ...]] = ("min", "last", "mean")
_RESAMPLED: Final = 1_000
_SHORT: Final = 200
"""Tokens of a trace, at most."""
Floats = NDArray[np.float64]


class Trace(NamedTuple):
    """A trace of a problem whose steps are known."""

    problem: int
    question: str
    steps: tuple[str, ...]
    wrong: int
    """The first wrong step, from 0; -1 where there is none."""
    right: bool
    """Whether its answer is."""


class Judged(NamedTuple):
    """What is told apart: a score, whether it is of something right, and the problem that it belongs to."""

    scores: Floats
    right: NDArray[np.bool_]
    problem: NDArray[np.int64]


def auc(scores: Floats, right: NDArray[np.bool_]) -> float:
    """The chance that something right has a greater score than something wrong; ties count half (Mann-Whitney)."""
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    good, bad = int(right.sum()), int((~right).sum())
    return float((ranks[right].sum() - good * (good + 1) / 2) / (good * bad)) if good and bad else float("nan")


def interval(judged: Judged) -> tuple[float, float]:
    """95 %, of a bootstrap over problems."""
    rng = np.random.default_rng(0)
    names = np.unique(judged.problem)
    of = {name: np.flatnonzero(judged.problem == name) for name in names}
    drawn = (np.concatenate([of[one] for one in rng.choice(names, len(names))]) for _ in range(_RESAMPLED))
    found = [auc(judged.scores[places], judged.right[places]) for places in drawn]
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return float(low), float(high)


def by_step(traces: Sequence[Trace], scores: Sequence[Scores]) -> Judged:
    """Steps up to and with the first wrong one."""
    rows = [
        (score, at != one.wrong, one.problem)
        for one, told in zip(traces, scores, strict=True)
        for at, score in enumerate(told.scores[: one.wrong + 1] if one.wrong >= 0 else told.scores)
    ]
    return _judged(rows)


def by_answer(traces: Sequence[Trace], scores: Sequence[Scores], how: Reduction) -> Judged:
    """Whole traces."""
    pairs = zip(traces, scores, strict=True)
    return _judged([(reduced(told.scores, how) or 0.0, one.right, one.problem) for one, told in pairs])


def _judged(rows: Sequence[tuple[float, bool, int]]) -> Judged:
    scores, right, problem = zip(*rows, strict=True)
    return Judged(np.array(scores, float), np.array(right, bool), np.array(problem, int))


def traces_of(lake: Lake, tables: Tables, known: Mapping[str, Problem]) -> dict[str, Trace]:
    """The traces of problems that are known by their questions, by id, with what is true of them."""
    asked = {row["problem_id"]: row["question"] for row in lake.rows(tables, "problems").to_pylist()}
    stands = {row["trace_id"]: row["status"] for row in lake.rows(tables, "standings").to_pylist()}
    number = {question: at for at, question in enumerate(known)}
    found = {}
    for row in lake.rows(tables, "traces").to_pylist():
        question, lines = asked[row["problem_id"]], tuple(steps(row["text"], row["step_offsets"]))
        wrong, right = first_wrong(lines, known[question]), stands[row["trace_id"]] == Status.CORRECT
        found[row["trace_id"]] = Trace(number[question], question, lines, wrong, right)
    return found


def true_rows(traces: Mapping[str, Trace]) -> list[Row]:
    """What a release would hold whose labels are the truth."""
    cut = [one if one.wrong < 0 else one._replace(steps=one.steps[: one.wrong + 1]) for one in traces.values()]
    return [Row(one.question, one.steps, tuple(at != one.wrong for at in range(len(one.steps)))) for one in cut]


def random_rows(rows: Sequence[Row]) -> list[Row]:
    """The same rows, their labels shuffled."""
    rng = Random(0)
    labels = [label for row in rows for label in row.labels]
    rng.shuffle(labels)
    rest = iter(labels)
    return [row._replace(labels=tuple(islice(rest, len(row.labels)))) for row in rows]


def labelled(release: Path) -> dict[str, list[bool]]:
    """The release's labels, by trace."""
    table = ds.dataset(release / "stepwise/train", format="parquet").to_table(columns=["trace_id", "labels"])
    return {row["trace_id"]: row["labels"] for row in table.to_pylist()}


def agreement(labels: Mapping[str, Sequence[bool]], traces: Mapping[str, Trace]) -> float:
    """The share of labels that are true, of steps up to and with the first wrong one."""
    same = [
        label == (at != traces[name].wrong)
        for name, those in labels.items()
        for at, label in enumerate(those)
        if traces[name].wrong < 0 or at <= traces[name].wrong
    ]
    return float(np.mean(same))


def made(options: argparse.Namespace, folder: Path) -> tuple[Lake, Path]:
    """The lake with the release, and the release's folder; made here unless `--lake` has one."""
    from flows.refresh import refresh

    place = str(options.lake or folder / "lake")
    name = "math-shepherd"
    if not list(Path(place).glob(f"releases/{name}/v*/stepwise")):
        write_problems(folder / "problems.jsonl", options.problems, SEED, held_out=False)
        settings = {
            "models.policy.model": BASE,
            "models.policy.engine": options.engine,
            "ingest.source.path": folder / "problems.jsonl",
            "generate.samplers.policy.n": options.samples,
            "generate.samplers.policy.temperatures": "[1.0]",
            "generate.samplers.policy.sampling.max_tokens": _SHORT,
            "select": "[{pass_rate: {}}]",
            "score.method": "omega",
            "score.k": options.k,
            "score.sampling.temperature": options.temperature,
            "score.sampling.max_tokens": _SHORT,
        }
        refresh(name, place, [f"{key}={value}" for key, value in settings.items()])
    newest = max(Path(place).glob(f"releases/{name}/v*/stepwise"), key=lambda one: int(one.parent.name[1:]))
    return Lake(place), newest.parent


def known(seed: str, questions: Set[str]) -> dict[str, Problem]:
    """The problems of a seed, until all of these questions are among them."""
    found: dict[str, Problem] = {}
    for one in problems(seed, held_out=False):
        found[one.question] = one
        if len(found) >= len(questions) and questions <= found.keys():
            return found
    raise AssertionError("problems have no end")


def measured_on(options: argparse.Namespace, folder: Path) -> list[Trace]:
    """Traces of held-out problems by the bundled model."""
    asked = held_out(options.held_out, LOOKED_AT)
    engine = {MODEL: ModelConfig(model=str(BASE), engine={"transformers": {}})}
    with Models(engine) as models, LiveVerifier(VerifyConfig()) as live:
        lake = Lake(str(folder / "held-out"))
        tables = sampled(lake, {question_id("math", one.question): one for one in asked}, models, live, options.samples)
        return list(traces_of(lake, tables, {one.question: one for one in asked}).values())


def scored(model: Path, traces: Sequence[Trace]) -> list[Scores]:
    """What the engine `reward` makes of traces, in their order."""
    found: dict[str, Scores] = {}

    def job(at: int, one: Trace) -> Job[Scores]:
        async def run(emit: Callable[[Scores], None]) -> None:
            emit(await models.score("prm", graded(one.question, one.steps)._replace(request_id=str(at))))

        return run

    with Models({"prm": ModelConfig(model=str(model), engine={"reward": {}})}) as models:
        for some in models.stream(job(at, one) for at, one in enumerate(traces)):
            found |= {one.request_id: one for one in some}
    return [found[str(at)] for at in range(len(traces))]


class Lab(NamedTuple):
    """What is trained on, and what is measured on."""

    rows: Mapping[str, Sequence[Row]]
    traces: Sequence[Trace]
    agreement: float


@contextmanager
def lab(options: argparse.Namespace) -> Iterator[tuple[Path, Lab]]:
    """A folder for models, and all that they need."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lake, release = made(options, folder)
        tables = lake.newest()
        questions = {str(one) for one in lake.rows(tables, "problems", ["question"])["question"].to_pylist()}
        every, labels = traces_of(lake, tables, known(SEED, questions)), labelled(release)
        traces = {name: every[name] for name in labels}
        rows = rows_of(release)
        sets = {"release": rows, "true": true_rows(traces), "random": random_rows(rows)}
        yield folder, Lab(sets, measured_on(options, folder), agreement(labels, traces))


def figures(traces: Sequence[Trace], scores: Sequence[Scores]) -> dict[str, Judged]:
    """What is told apart by a model's scores."""
    return {"steps": by_step(traces, scores), **{how: by_answer(traces, scores, how) for how in WAYS}}


def main() -> None:
    """Make a release, train on it, measure and print."""
    quiet_prefect()
    options = _options()
    with lab(options) as (folder, ready):
        runs = [("release", seed) for seed in range(options.seeds)] + [(name, 0) for name in options.beside]
        bundled = figures(ready.traces, scored(DATA / "models/tiny-prm", ready.traces))
        found: dict[str, list[dict[str, Judged]]] = {"bundled": [bundled]}
        for name, seed in runs:
            model = folder / f"{name}-{seed}"
            save(train(ready.rows[name], Training(options.epochs, options.rate, seed)), model, {})
            found.setdefault(name, []).append(figures(ready.traces, scored(model, ready.traces)))
    metrics: dict[str, float] = {"label_agreement": ready.agreement}
    table = []
    for name, seeds in found.items():
        cells = [name]
        for what in ("steps", *WAYS):
            values = [auc(one[what].scores, one[what].right) for one in seeds]
            low, high = interval(seeds[0][what])
            cells.append(f"{statistics.fmean(values):.3f} ({low:.3f} to {high:.3f})")
            metrics[f"{name}_{what}_auc"] = statistics.fmean(values)
            if (name, what) == ("release", "steps"):
                metrics |= {"tiny_prm_auc": statistics.fmean(values), "tiny_prm_auc_low": low}
                metrics |= {f"tiny_prm_auc_seed_{seed}": value for seed, value in enumerate(values)}
        table.append(cells)
    wrong = sum(one.wrong >= 0 for one in ready.traces)
    title = f"AUC on {len(ready.traces)} traces of held-out problems, {wrong} with a wrong step; interval: first seed's"
    publish(title, ["labels", "steps", *(f"answers, by {how}" for how in WAYS)], table, metrics)
    write(options.json, metrics)


def _options() -> argparse.Namespace:
    parser = arguments(__doc__ or "")
    parser.add_argument("--problems", type=int, default=6000, help="to train on")
    parser.add_argument("--samples", type=int, default=4, help="traces of each problem")
    parser.add_argument("--k", type=int, default=4, help="continuations of a step")
    parser.add_argument(
        "--temperature", type=float, default=0.3, help="of the continuations; the traces are taken at 1"
    )
    parser.add_argument("--held-out", type=int, default=240, help="problems to measure on")
    parser.add_argument("--engine", default="transformers", help="what samples and goes on: transformers or vllm")
    parser.add_argument("--lake", type=Path, help="where the release is, or is to be kept")
    parser.add_argument("--epochs", type=float, default=Training().epochs)
    parser.add_argument("--rate", type=float, default=Training().rate)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--beside", nargs="*", default=["true", "random"], help="also with such labels: true, random")
    parser.add_argument("--quick", action="store_true", help="a small try of a few minutes")
    options = parser.parse_args()
    if options.quick:
        options.problems, options.held_out, options.epochs, options.seeds = 40, 30, 2, 1
    return options


if __name__ == "__main__":
    main()
