"""What every kind of reward model's engine does, by every way to read a score.

The kinds are those that can run here, or those that TRACEMILL_SCORERS lists (`TRACEMILL_SCORERS=vllm_reward`).
"""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import EngineError, RecipeError
from tasks.engines.contract import Completion, Graded, Message, Request, Sampling, Scores
from tasks.engines.flight import Job
from tasks.engines.models import ModelConfig, Models
from tasks.engines.rewards import scores
from tasks.engines.usage import Usage

BASE = Path(__file__).parents[2] / "data/models/tiny-reasoner"
ASKED = "Ana has {} apples and buys {} more. How many apples does she have?"
HEADS = ("tokens", "token_classification", "sequence")


def _kinds() -> list[str]:
    if listed := os.environ.get("TRACEMILL_SCORERS"):
        return listed.split(",")
    return ["reward", *(["vllm_reward"] if find_spec("vllm") else [])]


@pytest.fixture(scope="module", params=HEADS)
def head(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module", params=_kinds())
def config(request: pytest.FixtureRequest, head: str, tmp_path_factory: pytest.TempPathFactory) -> ModelConfig:
    kind: str = request.param
    settings: dict[str, Any] = {"batch": 8, "threads": 1} if kind == "reward" else {"max_num_seqs": 32}
    folder = BASE if head == "tokens" else classifier(tmp_path_factory.mktemp("model") / f"tiny-{head}", head)
    return ModelConfig(model=str(folder), engine={kind: {"head": head, "dtype": "float32", **settings}})


def classifier(folder: Path, head: str) -> Path:
    """The bundled model with a head of random weights."""
    import torch
    import transformers

    classes = {"token_classification": "AutoModelForTokenClassification"}
    auto: Any = getattr(transformers, classes.get(head, "AutoModelForSequenceClassification"))
    torch.manual_seed(1)
    labels = 2 if head == "token_classification" else 1
    model = auto.from_pretrained(BASE, num_labels=labels, dtype=torch.float32)
    model.score.weight.data.normal_(std=0.05)
    model.save_pretrained(folder)
    tokenizer: Any = transformers.AutoTokenizer
    tokenizer.from_pretrained(BASE).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def models(config: ModelConfig) -> Iterator[Models]:
    with Models({"prm": config}) as models:
        yield models


def reply(name: str, *numbers: int, steps: Sequence[str] | None = None) -> Graded:
    one, two = numbers or (4, 3)
    lines = (f"{one} + {two} = {one + two}.\n", f"She has {one + two} apples.\n", rf"\boxed{{{one + two}}}")
    return Graded(name, (Message("user", ASKED.format(one, two)),), tuple(lines if steps is None else steps))


def job(models: Models, *asked: Graded) -> Job[Scores]:
    async def run(emit: Callable[[Scores], None]) -> None:
        for done in await asyncio.gather(*(models.score("prm", one) for one in asked)):
            emit(done)

    return run


def graded(models: Models, *asked: Graded) -> list[Scores]:
    """In the order of what was asked, each under its own id."""
    done = {one.request_id: one for some in models.stream([job(models, *asked)], every_s=0.05) for one in some}
    assert len(done) == len(asked)
    return [done[one.request_id] for one in asked]


def test_many_in_flight_come_back_under_their_own_ids(models: Models) -> None:
    done = graded(models, *[reply(f"r{index}", 3 + index, 2) for index in range(30)])
    assert all(len(one.scores) == 3 and one.tokens and not one.detail for one in done)
    assert all(0 <= score <= 1 for one in done for score in one.scores)
    assert len({one.scores for one in done}) > 20


def test_equal_replies_score_alike_whatever_the_others(models: Models) -> None:
    asked = [reply(f"r{index}", 50 + index, 7 * index) for index in range(6)]
    others = [reply(f"long{index}", index, 1, steps=["1 + 1 = 2\n"] * (5 * index + 1)) for index in range(5)]
    together = graded(models, *asked, *others)[:6]
    alone = [graded(models, one)[0] for one in asked]
    for one, other in zip(together, alone, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-3)


def test_what_comes_later_changes_no_score(models: Models) -> None:
    whole = reply("whole", 8, 9)
    grown = [whole._replace(request_id=str(count), steps=whole.steps[:count]) for count in (1, 2, 3)]
    [known] = graded(models, whole)
    for one in grown:
        assert graded(models, one)[0].scores == pytest.approx(known.scores[: len(one.steps)], abs=1e-3)


def test_too_long_a_reply_is_its_own_outcome(models: Models) -> None:
    first, long, last = graded(
        models, reply("a"), reply("long", steps=["and so on, 1 + 1 = 2" * 12 + "\n"] * 12), reply("b")
    )
    assert long.scores == ()
    assert "1024" in long.detail
    assert len(first.scores) == 3
    assert first.scores == pytest.approx(last.scores, abs=1e-3)


@pytest.mark.parametrize(
    ("steps", "scored"),
    [((), 0), (("", " \n"), 2), (("half of a pair: \ud83d",), 0), (("<|end|>🙂\n\n\n", "\x00 \u2028"), 2)],
    ids=["no step", "empty steps", "no text", "odd characters"],
)
def test_odd_replies_are_their_own_outcome(models: Models, steps: tuple[str, ...], scored: int) -> None:
    odd, plain = graded(models, reply("odd", steps=steps), reply("plain"))
    assert len(odd.scores) == scored
    assert bool(odd.detail) == (not scored)
    assert len(plain.scores) == 3


def test_what_is_given_up_harms_no_other(models: Models) -> None:
    asked = [reply(str(index), 100 + index, 4) for index in range(12)]

    async def run(emit: Callable[[Scores | None], None]) -> None:
        tasks = [asyncio.create_task(models.score("prm", one)) for one in asked]
        await asyncio.sleep(0)
        for task in tasks[::3]:
            task.cancel()
        for done in await asyncio.gather(*tasks, return_exceptions=True):
            emit(done if isinstance(done, Scores) else None)

    done = [one for some in models.stream([run]) for one in some]
    assert [one is None for one in done] == [index % 3 == 0 for index in range(12)]


def test_what_it_read_is_counted(models: Models) -> None:
    before = models.used.get("prm", Usage())
    [done] = graded(models, reply("counted", 31, 17))
    after = models.used["prm"]
    assert after == before.read(done.tokens)._replace(seconds=after.seconds)


def test_the_identity_is_stable_and_tells_how_scores_are_read(models: Models, config: ModelConfig) -> None:
    [(kind, settings)] = config.engine.items()
    other = config.model_copy(update={"engine": {kind: settings | {"tag": "|"}}})
    with Models({"prm": config, "other": other}) as others:
        identity = models.identity("prm")
        assert others.identity("prm") == identity
        assert others.identity("other") != identity
    assert (identity.model, identity.engine) == (Path(config.model).name, kind)


def test_it_scores_and_does_not_write(models: Models, config: ModelConfig) -> None:
    async def run(emit: Callable[[Completion], None]) -> None:
        emit(await models.complete("prm", Request("r", (Message("user", "Hello"),), Sampling())))

    assert scores(config)
    with pytest.raises(RecipeError, match="reward model"):
        list(models.stream([run]))


def test_no_such_model_is_said(config: ModelConfig) -> None:
    wrong = config.model_copy(update={"model": f"{config.model}-not-there"})
    with Models({"prm": wrong}) as models, pytest.raises(EngineError, match=r"tiny.*-not-there"):
        graded(models, reply("a"))


def test_nothing_is_left_behind(config: ModelConfig) -> None:
    before = set(threading.enumerate())
    with Models({"prm": config}) as models:
        stream = models.stream([job(models, reply(str(index))) for index in range(40)], every_s=0.01)
        assert next(stream)
    left = {thread.name for thread in set(threading.enumerate()) - before if thread.is_alive()}
    assert left <= {"AnyIO worker thread"}
