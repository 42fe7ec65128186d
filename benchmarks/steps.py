"""First wrong steps found by rollouts beside the true ones: `python -m benchmarks.steps`.

The bundled model solves held-out problems whose steps are known. The first wrong step of a trace is the first that does
not work out the value which the problem's own step works out, from the same numbers (for the last: that does not give
the answer). Both methods score the same traces. A figure is the share of traces of which a method names that very step
(-1 where there is none), with its 95 % interval; further ones the same among traces with a wrong step, and among those
of them whose problem is solved by another trace: rollouts from right steps fail, too, where nothing solves a problem.
"""

import argparse
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import pyarrow as pa

from benchmarks.results import arguments, publish, write
from data.tiny_reasoner.evaluate import LOOKED_AT, held_out
from data.tiny_reasoner.problems import Problem, Step
from schemas.conform import rows
from schemas.refs import Stage, Tables, added
from schemas.tables import PROBLEMS, Status
from tasks.engines.contract import Sampling
from tasks.engines.models import ModelConfig, Models
from tasks.generate.config import GenerateConfig, Sampler
from tasks.generate.generate import Goal
from tasks.generate.task import generate
from tasks.ids import question_id
from tasks.lake import Lake
from tasks.places import DATA
from tasks.score.config import ScoreConfig
from tasks.score.search import METHODS
from tasks.score.task import score
from tasks.tally.agreement import wilson
from tasks.text.steps import steps
from tasks.verify.live import LiveVerifier
from tasks.verify.rule import RuleConfig
from tasks.verify.task import stand, verify
from tasks.verify.verify import VerifyConfig

MODEL: Final = "tiny"
_NUMBER: Final = re.compile(r"\d+")


class Agreement(NamedTuple):
    """On how many traces a method names the true first wrong step."""

    agreeing: int
    of: int

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.agreeing / max(self.of, 1)

    def __str__(self) -> str:
        low, high = wilson(self.agreeing, self.of)
        return f"{self.share:.2f} of {self.of} ({low:.2f} to {high:.2f})"


class Figures(NamedTuple):
    """How a method did."""

    traces: Agreement
    wrong: Agreement
    """Traces with a wrong step, or said to have one."""
    solvable: Agreement
    """Those of them whose problem has a right trace, too."""
    rollouts: int


def first_wrong(lines: Sequence[str], problem: Problem) -> int:
    """The first line that is not the problem's own step, from 0; -1 where there is none."""
    for at, line in enumerate(lines):
        step = problem.steps[at] if at < len(problem.steps) else None
        if not (_is_step(line, step) if step else _answers(line, problem)):
            return at
    return -1 if len(lines) > len(problem.steps) else len(lines) - 1


def _is_step(line: str, step: Step) -> bool:
    told = set(map(int, _NUMBER.findall(line)))
    return step.value in told and told <= {step.left, step.right, step.value}


def _answers(line: str, problem: Problem) -> bool:
    return set(map(int, _NUMBER.findall(line))) == {problem.answer}


def problem_table(problems: Mapping[str, Problem]) -> pa.Table:
    """The problems by id as PROBLEMS."""
    empty = dict.fromkeys(PROBLEMS.names)
    records = [
        empty
        | {"problem_id": name, "domain": "math", "question": one.question, "reference": str(one.answer)}
        | {"source": "tiny reasoner", "round": 0}
        for name, one in problems.items()
    ]
    return rows(records, PROBLEMS, at="benchmark")


def sampled(lake: Lake, problems: Mapping[str, Problem], models: Models, live: LiveVerifier, n: int) -> Tables:
    """Problems, n traces of each, and where they stand."""
    stage = Stage(name="benchmark", version="1", config={}, tables=("problems",))
    rounds = [lake.run(stage, lambda: [lambda: {"problems": problem_table(problems)}])]
    config = GenerateConfig(samplers={MODEL: Sampler(model=MODEL, n=n, temperatures=(1.0,))})
    rounds = added(rounds, generate.fn(lake, rounds, config, models, live, Goal()))
    rounds = added(rounds, verify.fn(lake, rounds, VerifyConfig()))
    (made,) = added(rounds, stand.fn(lake, rounds, RuleConfig()))
    return made


def compared(lake: Lake, tables: Tables, scored: Tables, problems: Mapping[str, Problem]) -> Figures:
    """A method's verdicts beside the truth."""
    said = {row["trace_id"]: row["first_wrong_step"] for row in lake.rows(scored, "verdicts").to_pylist()}
    stands = {row["trace_id"]: row["status"] for row in lake.rows(tables, "standings").to_pylist()}
    traces = lake.rows(tables, "traces").to_pylist()
    solved = {row["problem_id"] for row in traces if stands[row["trace_id"]] == Status.CORRECT}
    found = [
        (
            said[row["trace_id"]],
            first_wrong(steps(row["text"], row["step_offsets"]), problems[row["problem_id"]]),
            row["problem_id"] in solved,
        )
        for row in traces
        if row["trace_id"] in said
    ]
    wrong = [one for one in found if one[:2] != (-1, -1)]
    solvable = [one for one in wrong if one[2]]
    rollouts = lake.row_count(scored.get("completions", ()))
    return Figures(_agreement(found), _agreement(wrong), _agreement(solvable), rollouts)


def _agreement(some: Sequence[tuple[int, int, bool]]) -> Agreement:
    return Agreement(sum(one == other for one, other, _ in some), len(some))


def measured(options: argparse.Namespace) -> Iterator[tuple[str, Figures]]:
    """Each method's figures, on the same traces."""
    problems = {question_id("math", one.question): one for one in held_out(options.problems, LOOKED_AT)}
    engine = {MODEL: ModelConfig(model=str(DATA / "models/tiny-reasoner"), engine={"transformers": {}})}
    with (
        tempfile.TemporaryDirectory() as folder,
        Models(engine) as models,
        LiveVerifier(VerifyConfig()) as live,
    ):
        lake = Lake(folder)
        tables = sampled(lake, problems, models, live, options.samples)
        for method in METHODS:
            sampling = Sampling(temperature=options.temperature, max_tokens=256)
            how = {"model": MODEL, "k": options.k, "method": method, "sampling": sampling}
            config = ScoreConfig.model_validate(how)
            (scored,) = score.fn(lake, [tables], config, models, live, {})
            yield method, compared(lake, tables, scored, problems)


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--samples", type=int, default=2, help="traces of each problem")
    parser.add_argument("--k", type=int, default=16, help="continuations of a step")
    parser.add_argument(
        "--temperature", type=float, default=0.7, help="of the continuations; the traces are taken at 1"
    )
    options = parser.parse_args()
    table: list[list[str]] = []
    metrics: dict[str, float] = {}
    for method, one in measured(options):
        table.append([method, str(one.traces), str(one.wrong), str(one.solvable), f"{one.rollouts}"])
        metrics |= {f"{method}_agreement": one.traces.share, f"{method}_rollouts": one.rollouts}
        metrics |= {f"{method}_among_wrong": one.wrong.share, f"{method}_among_solvable": one.solvable.share}
    metrics["omega_rollouts_share"] = metrics["omega_rollouts"] / metrics["math_shepherd_rollouts"]
    header = [
        "method",
        "agreement",
        "where one is wrong or said to be",
        "and the problem has a right trace",
        "rollouts",
    ]
    publish("First wrong steps", header, table, metrics)
    write(options.json, metrics)


if __name__ == "__main__":
    main()
