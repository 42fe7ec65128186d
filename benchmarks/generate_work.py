"""What the generate stage and a bare loop both have to do: the model, the problems, and the requests they come to."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa

from data.tiny_reasoner.problems import problems as worded_problems
from schemas.refs import Stage
from schemas.tables import PROBLEMS, Domain
from tasks.engines.contract import Completion, Finish, Graded, Identity, Request, Sampling, Scores
from tasks.engines.models import Models
from tasks.generate.config import GenerateConfig, Sampler
from tasks.generate.contract import Accepts, Problem, Told
from tasks.generate.generate import Goal
from tasks.generate.rollouts import Rollouts
from tasks.generate.task import generate
from tasks.ids import content_id
from tasks.lake import Lake

BUNDLED: Final = Path(__file__).parents[1] / "data/models/tiny-reasoner"
NAME: Final = "model"
LADDER: Final = 6
"""Samplers; each may write twice as long as the next."""


class Run(NamedTuple):
    """One side, once."""

    lengths: Sequence[int]
    """Tokens of each completion."""
    seconds: float

    @property
    def rate(self) -> float:
        """Completion tokens per second."""
        return sum(self.lengths) / self.seconds


Side = Callable[[], Run]


class Work(NamedTuple):
    """Problems, how they are sampled, and the requests that this comes to."""

    problems: pa.Table
    config: GenerateConfig
    requests: Sequence[Request]


def work(identity: Identity, count: int, longest: int) -> Work:
    """Samples of so many problems, of up to `longest` tokens, half as many, and so on."""
    rows = [
        {
            "problem_id": content_id(one.question),
            "domain": str(Domain.MATH),
            "question": one.question,
            "source": "benchmark",
            "round": 0,
        }
        for one in islice(worded_problems("benchmark", held_out=True), count)
    ]
    limits = [max(1, longest >> step) for step in range(LADDER)]
    samplers = {
        f"up-to-{limit}": Sampler(model=NAME, n=1, temperatures=(1.0,), sampling=Sampling(max_tokens=limit))
        for limit in limits
    }
    config = GenerateConfig(samplers=samplers, keep_unfinished=True)
    return Work(pa.Table.from_pylist(rows, PROBLEMS), config, asyncio.run(_requests(rows, config, identity)))


def stage(todo: Work, models: Models, live: Accepts) -> Side:
    """The stage, each time on a lake of its own."""

    def run() -> Run:
        with tempfile.TemporaryDirectory() as folder:
            lake = Lake(folder)
            origin = Stage(name="problems", version="1", config={}, tables=("problems",))
            tables = lake.run(origin, lambda: [lambda: {"problems": todo.problems}])
            began = time.perf_counter()
            (made,) = generate.fn(lake, [tables], todo.config, models, live, Goal())
            seconds = time.perf_counter() - began
            tokens: list[Any] = lake.rows(made, "traces", ["completion_tokens"])[0].to_pylist()
            return Run(tokens, seconds)

    return run


def random_llama(folder: Path, hidden: int, layers: int, context: int) -> str:
    """A Llama of random weights in bfloat16, with the bundled model's tokenizer and template."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    for path in BUNDLED.glob("*token*.json"):
        shutil.copy(path, folder)
    shutil.copy(BUNDLED / "chat_template.jinja", folder)
    config = LlamaConfig(
        vocab_size=LlamaConfig.from_pretrained(BUNDLED).vocab_size,
        hidden_size=hidden,
        intermediate_size=4 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=max(1, hidden // 128),
        num_key_value_heads=max(1, hidden // 512),
        max_position_embeddings=context,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=1,
    )
    torch.manual_seed(0)
    model: Any = LlamaForCausalLM(config)
    model.bfloat16().save_pretrained(folder)
    return str(folder)


async def _requests(rows: Sequence[Problem], config: GenerateConfig, identity: Identity) -> Sequence[Request]:
    """What the stage asks for, in its own order."""
    recorder = _Recorder(identity)
    rollouts = Rollouts(config, recorder, recorder, {})
    for row in rows:
        await rollouts.take(row, lambda _: None)
    return recorder.asked


class _Recorder:
    """Stands for a recipe's models and its live verifier, and keeps the requests."""

    def __init__(self, identity: Identity) -> None:
        self.asked: list[Request] = []
        self._identity = identity

    def identity(self, name: str) -> Identity:
        return self._identity

    async def complete(self, name: str, request: Request) -> Completion:
        self.asked.append(request)
        return Completion(request.request_id, "", Finish.STOP, 0, 0)

    async def score(self, name: str, request: Graded) -> Scores:
        raise NotImplementedError

    def accepted(self, problem: Problem, texts: Sequence[str]) -> list[bool]:
        return []

    def told(self, problem: Problem, texts: Sequence[str]) -> list[Told]:
        return []
