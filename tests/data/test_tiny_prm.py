"""The committed reward model is small, loads as it was written, and tells right steps from wrong ones."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from data.tiny_reasoner.evaluate import held_out
from data.tiny_reasoner.problems import Problem
from data.tiny_reasoner.solutions import solution
from data.tiny_reasoner.train_prm import Row, Training, graded, save, train
from tasks.engines.contract import Graded, Scores
from tasks.engines.kinds.reward import Config, RewardEngine, build

FOLDER = Path(__file__).parents[2] / "data" / "models" / "tiny-prm"


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def prm(loop: asyncio.Runner) -> Iterator[RewardEngine]:
    engine = build(Config(threads=1), str(FOLDER), None)
    loop.run(engine.__aenter__())
    yield engine
    loop.run(engine.__aexit__(None, None, None))


def scored(loop: asyncio.Runner, engine: RewardEngine, asked: list[Graded]) -> list[Scores]:
    async def gathered() -> list[Scores]:
        return await asyncio.gather(*map(engine.score, asked))

    return loop.run(gathered())


def broken(problem: Problem, rng: Random) -> list[str]:
    """The first step comes to one more than it is."""
    first, *rest = problem.steps
    return solution(problem._replace(steps=(first._replace(value=first.value + 1), *rest)), rng)


def test_it_is_small() -> None:
    assert (FOLDER / "model.safetensors").stat().st_size <= 5_000_000
    assert (FOLDER / "README.md").is_file()


def test_it_tells_right_steps_from_wrong_ones(loop: asyncio.Runner, prm: RewardEngine) -> None:
    asked, rng = held_out(40), Random(0)
    right = scored(loop, prm, [graded(one.question, solution(one, rng)) for one in asked])
    wrong = scored(loop, prm, [graded(one.question, broken(one, rng)) for one in asked])
    assert all(len(told.scores) == len(one.steps) + 1 for told, one in zip(right, asked, strict=True))
    pairs = [(good.scores[0], bad.scores[0]) for good, bad in zip(right, wrong, strict=True)]
    assert sum(good > bad for good, bad in pairs) >= 30


def test_a_trained_model_loads_as_a_reward_model(loop: asyncio.Runner, tmp_path: Path) -> None:
    [problem] = held_out(1)
    row = Row(problem.question, tuple(solution(problem, Random(0))), (True,) * (len(problem.steps) + 1))
    save(train([row] * 4, Training(epochs=80)), tmp_path, {"seed": 0})
    engine = build(Config(threads=1), str(tmp_path), None)
    loop.run(engine.__aenter__())
    [told] = scored(loop, engine, [graded(row.question, row.steps)])
    loop.run(engine.__aexit__(None, None, None))
    assert min(told.scores) > 0.5
