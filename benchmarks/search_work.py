"""What `benchmarks.search` samples and counts: one list of samples for all plain methods, and a run of each search."""

import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.steps import problem_table
from data.tiny_reasoner.problems import Problem
from schemas.refs import Stage, Tables, added
from tasks.engines.models import ModelConfig, Models
from tasks.generate.config import GenerateConfig
from tasks.generate.contract import Branch, Reply
from tasks.generate.generate import Goal
from tasks.generate.task import generate
from tasks.generate.votes import winner
from tasks.lake import Lake
from tasks.places import DATA
from tasks.verify.live import LiveVerifier
from tasks.verify.verify import VerifyConfig

POLICY: Final = "policy"
PRM: Final = "prm"
STEP: Final[Mapping[str, Any]] = {"end": "\n", "max_tokens": 64}
"""The bundled model writes a step a line."""
Column = NDArray[np.float64]


class Point(NamedTuple):
    """A method at one size, on every problem, in their order."""

    tokens: Column
    """Sampled for the problem."""
    right: Column
    """1 where the answer that the method gives is right."""
    covered: Column
    """1 where any of its whole traces is right."""


class Leaf(NamedTuple):
    """A whole trace, as votes need it."""

    branch: Branch
    answer: str | None
    right: bool
    chosen: bool
    tokens: int


Points = dict[tuple[str, int], Point]
"""By method and size: samples, or branches alive at once."""


def measured(problems: Mapping[str, Problem], sizes: Sequence[int], seed: int, temperature: float) -> Points:
    """Every method's points for one seed; problems by id."""
    worth = {"reward": PRM, "reduce": "min"}
    plain = {"best_of_n": {"n": max(sizes), "by": "weighted", "worth": worth}}
    strategies: dict[str, Any] = {"plain": plain}
    for size in sizes:
        beam = {"n": size, "width": min(4, size), "step": STEP, "worth": worth}
        if size > 1:
            strategies |= {f"beam {size}": {"beam": beam}, f"DVTS {size}": {"dvts": beam}}
    with tempfile.TemporaryDirectory() as folder, Models(_engines()) as models, LiveVerifier(VerifyConfig()) as live:
        lake = Lake(folder)
        leaves, spent = _sampled(lake, models, live, problems, _config(strategies, seed, temperature))
    ids = list(problems)
    found = {(name, size): point for size in sizes for name, point in _plain(leaves["plain"], ids, size).items()}
    for name in strategies.keys() - {"plain"}:
        method, _, alive = name.partition(" ")
        found[method, int(alive)] = _searched(leaves[name], ids, spent[name])
    return found


def _engines() -> dict[str, ModelConfig]:
    return {
        POLICY: ModelConfig(model=str(DATA / "models/tiny-reasoner"), engine={"transformers": {}}),
        PRM: ModelConfig(model=str(DATA / "models/tiny-prm"), engine={"reward": {}}),
    }


def _config(strategies: Mapping[str, Any], seed: int, temperature: float) -> GenerateConfig:
    common = {"model": POLICY, "n": 1, "temperatures": [temperature], "sampling": {"max_tokens": 256}}
    samplers = {name: common | {"strategy": one} for name, one in strategies.items()}
    return GenerateConfig.model_validate({"samplers": samplers, "seed": seed})


Leaves = dict[str, dict[str, list[Leaf]]]
"""By sampler and problem."""


def _sampled(
    lake: Lake, models: Models, live: LiveVerifier, problems: Mapping[str, Problem], config: GenerateConfig
) -> tuple[Leaves, dict[str, dict[str, int]]]:
    """The whole traces, and the tokens that were sampled, by sampler and problem."""
    stage = Stage(name="benchmark", version="1", config={}, tables=("problems",))
    rounds = [lake.run(stage, lambda: [lambda: {"problems": problem_table(problems)}])]
    (tables,) = added(rounds, generate.fn(lake, rounds, config, models, live, Goal()))
    asked = {row["problem_id"]: row for row in lake.rows(tables, "problems").to_pylist()}
    leaves: Leaves = defaultdict(lambda: defaultdict(list))
    spent: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in _branches(lake, tables):
        if row["finish_reason"] == "stop":
            (told,) = live.told(asked[row["problem_id"]], [row["text"]])
            branch = Branch(row["trace_id"], row["text"], (), Reply(row["text"], row["finish_reason"]), None)
            branch.value = row["search"]["value"]
            leaf = Leaf(
                branch, told.answer, told.status == "correct", row["search"]["chosen"], row["completion_tokens"]
            )
            leaves[row["source"]][row["problem_id"]].append(leaf)
        spent[row["source"]][row["problem_id"]] += _own_tokens(row)
    return leaves, spent


def _branches(lake: Lake, tables: Tables) -> list[dict[str, Any]]:
    """All branches, each with the tokens of the one that it goes on from."""
    names = [
        "trace_id",
        "problem_id",
        "parent_trace_id",
        "text",
        "finish_reason",
        "completion_tokens",
        "source",
        "search",
    ]
    rows = lake.rows(tables, "traces", names).to_pylist()
    tokens = {row["trace_id"]: row["completion_tokens"] for row in rows}
    return [row | {"before": tokens.get(row["parent_trace_id"], 0)} for row in rows]


def _own_tokens(row: Mapping[str, Any]) -> int:
    return int(row["completion_tokens"]) - int(row["before"])


def _plain(leaves: Mapping[str, Sequence[Leaf]], ids: Sequence[str], size: int) -> dict[str, Point]:
    """The methods that choose among the first `size` samples."""
    some = [sorted(leaves[one], key=lambda leaf: leaf.branch.key)[:size] for one in ids]
    tokens = np.array([sum(leaf.tokens for leaf in those) for those in some], float)
    covered = np.array([any(leaf.right for leaf in those) for those in some], float)

    def point(weight: Any) -> Point:
        return Point(tokens, np.array([_elected(those, weight) for those in some], float), covered)

    single = np.array([np.mean([leaf.right for leaf in those] or [False]) for those in some])
    best = [max(those, key=lambda leaf: leaf.branch.value or 0.0, default=None) for those in some]
    return {
        "one sample": Point(tokens / max(size, 1), single, covered),
        "majority": point(lambda _: 1.0),
        "weighted": point(lambda leaf: leaf.branch.value or 0.0),
        "best of N": Point(tokens, np.array([one is not None and one.right for one in best], float), covered),
    }


def _elected(those: Sequence[Leaf], weight: Any) -> bool:
    found = winner(
        [leaf.branch for leaf in those],
        {leaf.branch.key: leaf.answer for leaf in those},
        {leaf.branch.key: weight(leaf) for leaf in those},
    )
    return found is not None and any(leaf.right for leaf in those if leaf.branch is found[0])


def _searched(leaves: Mapping[str, Sequence[Leaf]], ids: Sequence[str], spent: Mapping[str, int]) -> Point:
    return Point(
        np.array([spent[one] for one in ids], float),
        np.array([any(leaf.chosen and leaf.right for leaf in leaves.get(one, ())) for one in ids], float),
        np.array([any(leaf.right for leaf in leaves.get(one, ())) for one in ids], float),
    )
