"""A real `vllm serve` behind the `openai` engine; the tests that kill it come last."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import pytest

from schemas.errors import EngineError
from tasks.engines.contract import Completion, Engine, Finish, Request
from tasks.engines.kinds.openai import Config, build

MODEL = "data/models/tiny-reasoner"
Ask = Callable[..., Request]


class Server(Protocol):
    url: str

    def start(self) -> None: ...
    def wait(self) -> None: ...
    def kill(self) -> None: ...


def asking(server: Server, **settings: Any) -> Engine:
    return build(Config.model_validate({"base_url": server.url, **settings}), "tiny", None)


@pytest.mark.parametrize("settings", [{"tokenizer": MODEL}, {}], ids=["completions", "chat"])
def test_greedy_texts_are_those_of_transformers(
    settings: dict[str, Any], server: Server, loop: asyncio.Runner, some: list[Request], references: list[Completion]
) -> None:
    async def completions() -> list[Completion]:
        async with asking(server, **settings) as started:
            return await asyncio.gather(*(started.complete(request) for request in some))

    assert loop.run(completions()) == references


@pytest.mark.parametrize("settings", [{"tokenizer": MODEL}, {}], ids=["completions", "chat"])
def test_what_the_server_turns_down_is_that_request_s_outcome(
    settings: dict[str, Any], server: Server, ask: Ask, loop: asyncio.Runner, questions: list[str]
) -> None:
    async def completions() -> list[Completion]:
        async with asking(server, **settings) as started:
            requests = [ask("word " * 3000), ask(questions[0], stop=("",)), ask(questions[0])]
            return await asyncio.gather(*(started.complete(request) for request in requests))

    overflow, refused, done = loop.run(completions())
    assert (overflow.finish, overflow.text) == (Finish.OVERFLOW, "")
    assert (refused.finish, refused.text) == (Finish.REFUSED, "")
    assert done.text


def test_a_model_that_the_server_lacks_ends_the_run(server: Server, ask: Ask, loop: asyncio.Runner) -> None:
    async def completion() -> Completion:
        async with build(Config(base_url=server.url), "small", None) as started:
            return await started.complete(ask("How much is 1 + 1?"))

    with pytest.raises(EngineError, match="tiny"):
        loop.run(completion())


async def outcomes_with(server: Server, engine: Engine, request: Request, then: Callable[[], None]) -> list[Any]:
    """Of 300 requests in flight when the server is killed, and `then` is done."""
    async with engine:
        tasks = [asyncio.create_task(engine.complete(request)) for _ in range(300)]
        while sum(task.done() for task in tasks) < 20:
            await asyncio.sleep(0.05)
        await asyncio.to_thread(server.kill)
        assert sum(task.done() for task in tasks) < 300
        then()
        return await asyncio.gather(*tasks, return_exceptions=True)


def test_a_server_that_comes_back_finishes_what_was_in_flight(server: Server, ask: Ask, loop: asyncio.Runner) -> None:
    request = ask("How many apples are there?", temperature=1, max_tokens=200)
    engine = asking(server, tokenizer=MODEL, concurrency=64, patience_s=280)
    outcomes = loop.run(outcomes_with(server, engine, request, server.start))
    assert {outcome.finish for outcome in outcomes} <= {Finish.STOP, Finish.LENGTH}
    assert len(outcomes) == 300


def test_a_server_that_stays_away_ends_the_run_and_keeps_what_was_finished(
    server: Server, ask: Ask, loop: asyncio.Runner
) -> None:
    server.wait()
    request = ask("How many apples are there?", temperature=1, max_tokens=200)
    engine = asking(server, tokenizer=MODEL, concurrency=64, patience_s=2)
    outcomes = loop.run(outcomes_with(server, engine, request, lambda: None))
    done = [outcome for outcome in outcomes if isinstance(outcome, Completion)]
    failed = [outcome for outcome in outcomes if isinstance(outcome, EngineError)]
    assert len(done) >= 20
    assert len(done) + len(failed) == 300
    assert "patience_s" in str(failed[0])
