"""The transformers engine when something is wrong with the model, the machine or the engine."""

import asyncio
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import EngineError
from tasks.engines.contract import Completion, Finish, Message, Request, Sampling
from tasks.engines.decoding import Decoder
from tasks.engines.kinds.transformers import Config, TransformersEngine, build

MODEL = str(Path(__file__).parents[3] / "data/models/tiny-reasoner")


def engine(model: str = MODEL, **settings: Any) -> TransformersEngine:
    return build(Config.model_validate({"threads": 1, "batch": 4} | settings), model, None)


def request(text: str = "Ana has 3 apples.", **sampling: Any) -> Request:
    return Request("id", (Message("user", text),), Sampling.model_validate(sampling))


async def outcomes(one: TransformersEngine, count: int, **sampling: Any) -> list[Completion | BaseException]:
    return await asyncio.gather(*(one.complete(request(**sampling)) for _ in range(count)), return_exceptions=True)


def decoding() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("transformers")}


@pytest.fixture(autouse=True)
def _leaves_no_thread() -> Iterator[None]:
    before = decoding()  # Of an engine that serves other tests.
    yield
    assert decoding() <= before


def test_a_broken_decoder_is_an_error_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(self: Decoder[Any]) -> list[Any]:
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(Decoder, "step", step)

    async def run() -> None:
        async with engine() as one:
            failed = await outcomes(one, 9)
            assert {type(each) for each in failed} == {EngineError}
            assert "CUDA out of memory; set a smaller `batch`" in str(failed[0])
            with pytest.raises(EngineError, match="the engine broke"):
                await one.complete(request())

    asyncio.run(run())


def test_an_end_with_requests_in_flight() -> None:
    async def run() -> list[Completion | BaseException]:
        async with engine() as one:
            asked = asyncio.create_task(outcomes(one, 9, temperature=2, max_tokens=900, seed=1))
            await asyncio.sleep(0.1)
        return await asked

    ended = asyncio.run(asyncio.wait_for(run(), 60))
    assert any(isinstance(each, EngineError) and "has ended" in str(each) for each in ended)


@pytest.mark.parametrize("batch", [1, 3])
def test_few_slots_serve_many(batch: int) -> None:
    async def run() -> list[Completion | BaseException]:
        async with engine(batch=batch) as one:
            return await outcomes(one, 10, max_tokens=3)

    done = asyncio.run(run())
    assert [each.finish for each in done if isinstance(each, Completion)] == [Finish.LENGTH] * 10


def test_a_context_that_is_set_counts() -> None:
    async def run() -> list[Completion]:
        async with engine(context=20) as one:
            long = "Ana has 3 apples and Ben has 4 apples and Zoe has 12 apples."
            return [await one.complete(request("Hi", temperature=0)), await one.complete(request(long))]

    short, long = asyncio.run(run())
    assert short.prompt_tokens
    assert short.completion_tokens
    assert short.prompt_tokens + short.completion_tokens <= 20
    assert long.finish is Finish.OVERFLOW
    assert "context 20" in long.detail


def start(one: TransformersEngine) -> None:
    async def run() -> None:
        async with one:
            pass

    asyncio.run(run())


def test_weights_that_are_missing_or_damaged(tmp_path: Path) -> None:
    copy = shutil.copytree(MODEL, tmp_path / "model")
    weights = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(weights[:1000])
    with pytest.raises(EngineError, match="cannot be loaded"):
        start(engine(str(copy)))
    (copy / "model.safetensors").unlink()
    with pytest.raises(EngineError, match="cannot be loaded"):
        start(engine(str(copy)))
    (copy / "config.json").write_text('{"model_type": "no-such-kind"}')
    with pytest.raises(EngineError, match=r"cannot be loaded"):
        start(engine(str(copy)))


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(EngineError, match="cannot be loaded"):
        start(engine(device="cuda:93"))
