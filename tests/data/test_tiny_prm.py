"""The committed reward model is small, loads as it was written, and tells right steps from wrong ones."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from benchmarks.prm import Trace, auc, by_step
from benchmarks.steps import first_wrong
from data.tiny_reasoner.documents import solve_prompt
from data.tiny_reasoner.evaluate import complete, held_out, load, prompt_of
from data.tiny_reasoner.solutions import solution
from data.tiny_reasoner.train_prm import BASE, Row, Training, graded, save, train
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


def test_it_is_small() -> None:
    assert (FOLDER / "model.safetensors").stat().st_size <= 5_000_000
    assert (FOLDER / "README.md").is_file()


def test_it_tells_right_steps_of_the_bundled_model_from_wrong_ones(loop: asyncio.Runner, prm: RewardEngine) -> None:
    """Of sampled traces; what it is blind to, such as sums that are off by one, its card says."""
    asked, rng = held_out(20), Random(0)
    prompts = [prompt_of(solve_prompt(one, rng)) for one in asked for _ in range(4)]
    texts = complete(load(BASE), prompts, temperature=1.0)
    lines = [tuple(one.splitlines()) for one in texts]
    known = [(question, one) for one in asked for question in [one.question] * 4]
    traces = [
        Trace(at // 4, question, steps, first_wrong(steps, problem), right=False)
        for at, ((question, problem), steps) in enumerate(zip(known, lines, strict=True))
    ]
    told = scored(loop, prm, [graded(one.question, one.steps) for one in traces])
    assert all(len(one.scores) == len(trace.steps) for one, trace in zip(told, traces, strict=True))
    judged = by_step(traces, told)
    assert auc(judged.scores, judged.right) > 0.8


def test_a_trained_model_loads_as_a_reward_model(loop: asyncio.Runner, tmp_path: Path) -> None:
    [problem] = held_out(1)
    row = Row(problem.question, tuple(solution(problem, Random(0))), (True,) * (len(problem.steps) + 1))
    save(train([row] * 4, Training(epochs=80)), tmp_path, {"seed": 0})
    engine = build(Config(threads=1), str(tmp_path), None)
    loop.run(engine.__aenter__())
    [told] = scored(loop, engine, [graded(row.question, row.steps)])
    loop.run(engine.__aexit__(None, None, None))
    assert min(told.scores) > 0.5
