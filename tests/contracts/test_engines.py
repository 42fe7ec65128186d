"""What every kind of engine does with the bundled model.

The kinds are those that can run here, or those that TRACEMILL_ENGINES lists (`TRACEMILL_ENGINES=vllm`).
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import EngineError
from tasks.engines.contract import Completion, Finish, Message, Request, Sampling, ToolCall
from tasks.engines.flight import Job
from tasks.engines.models import ModelConfig, Models

MODEL = str(Path(__file__).parents[2] / "data/models/tiny-reasoner")
QUESTION = (
    "Ana has {} apples and buys {} more. Then she gives 2 of them to Ben, who already had 5. "
    "How many apples do the two have together?"
)


def _kinds() -> list[str]:
    if listed := os.environ.get("TRACEMILL_ENGINES"):
        return listed.split(",")
    return ["transformers", "openai", "openai-chat", *(["vllm"] if find_spec("vllm") else [])]


@pytest.fixture(scope="module", params=_kinds())
def config(request: pytest.FixtureRequest) -> ModelConfig:
    kind: str = request.param
    if kind.startswith("openai"):
        server: dict[str, Any] = {"base_url": request.getfixturevalue("model_server"), "patience_s": 20}
        return ModelConfig(model="tiny" if kind.endswith("chat") else MODEL, engine={"openai": server})
    settings: dict[str, Any] = {"batch": 32, "threads": 1} if kind == "transformers" else {"dtype": "float32"}
    return ModelConfig(model=MODEL, engine={kind: settings})


@pytest.fixture(scope="module")
def models(config: ModelConfig) -> Iterator[Models]:
    with Models({"m": config}) as models:
        yield models


def job(models: Models, *requests: Request) -> Job[Completion]:
    async def run(emit: Callable[[Completion], None]) -> None:
        async def one(request: Request) -> None:
            emit(await models.complete("m", request))

        await asyncio.gather(*map(one, requests))

    return run


def ask(models: Models, *requests: Request) -> list[Completion]:
    """The completions in the order of the requests, each under its own id."""
    jobs = [job(models, request) for request in requests]
    done = {one.request_id: one for some in models.stream(jobs, every_s=0.05) for one in some}
    assert len(done) == len(requests)
    return [done[request.request_id] for request in requests]


def question(name: str, *numbers: int, prefix: str = "", **sampling: Any) -> Request:
    return request(name, QUESTION.format(*(numbers or (4, 3))), prefix=prefix, **sampling)


def request(name: str, *texts: str, prefix: str = "", **sampling: Any) -> Request:
    messages = tuple(Message("user", text) for text in texts)
    return Request(name, messages, Sampling.model_validate({"temperature": 0, "max_tokens": 200} | sampling), prefix)


def test_many_in_flight_come_back_under_their_own_ids(models: Models) -> None:
    asked = [question(f"q{index}", 3 + index, 2) for index in range(48)]
    done = ask(models, *asked)
    assert {one.finish for one in done} == {Finish.STOP}
    assert all(one.text and one.prompt_tokens and one.completion_tokens for one in done)
    assert sum(str(3 + index) in one.text for index, one in enumerate(done)) > 40


def test_greedy_text_does_not_depend_on_the_others(models: Models) -> None:
    asked = [question(f"q{index}", 3 + index, 7 * index) for index in range(8)]
    together = ask(models, *asked, *[question(f"more{index}", index, 1, temperature=1) for index in range(16)])
    alone = [ask(models, one)[0] for one in asked]
    assert [one.text for one in together[:8]] == [one.text for one in alone]


def test_a_prefix_is_continued_and_not_repeated(models: Models) -> None:
    [whole] = ask(models, question("whole"))
    lines = whole.text.splitlines(keepends=True)
    prefixes = ["".join(lines[:count]) for count in range(len(lines))]
    done = ask(models, *[question(str(index), prefix=prefix) for index, prefix in enumerate(prefixes)])
    assert [prefix + one.text for prefix, one in zip(prefixes, done, strict=True)] == [whole.text] * len(lines)


def test_a_seed_gives_the_same_again(models: Models) -> None:
    asked = [question(str(seed), temperature=1.0, top_p=0.95, seed=seed) for seed in range(8)]
    first, again = ask(models, *asked), ask(models, *reversed(asked))
    assert [one.text for one in first] == [one.text for one in reversed(again)]
    assert len({one.text for one in first}) > 1
    unseeded = ask(models, *[question(str(index), temperature=1.0) for index in range(8)])
    assert len({one.text for one in unseeded}) > 1


def test_max_tokens_end_it(models: Models) -> None:
    [done] = ask(models, question("short", max_tokens=5))
    assert (done.finish, done.completion_tokens) == (Finish.LENGTH, 5)


def test_a_stop_text_ends_it_and_is_not_part_of_it(models: Models) -> None:
    [whole] = ask(models, question("whole"))
    [line, boxed] = ask(models, question("line", stop=["\n"]), question("boxed", stop=["never", r"\boxed{"]))
    assert line.text == whole.text.split("\n")[0]
    assert boxed.text == whole.text.split(r"\boxed{")[0]
    assert line.finish is boxed.finish is Finish.STOP
    assert whole.stopped in (None, "")
    assert line.stopped in ("\n", "")
    assert boxed.stopped in (r"\boxed{", "")


def test_an_overlong_prompt_is_its_own_outcome(models: Models) -> None:
    asked = [question("a"), request("long", "many words " * 2000), question("b"), question("last", prefix="1 " * 900)]
    first, long, second, last = ask(models, *asked)
    assert (long.finish, long.text) == (Finish.OVERFLOW, "")
    assert long.detail
    assert first.finish is second.finish is Finish.STOP
    assert last.finish in (Finish.OVERFLOW, Finish.LENGTH, Finish.STOP)


def test_a_reply_ends_with_the_context(models: Models) -> None:
    [done] = ask(models, question("full", prefix="1 + " * 320, max_tokens=5000, stop=["never"]))
    assert done.prompt_tokens
    assert done.completion_tokens
    assert done.finish in (Finish.LENGTH, Finish.STOP)
    assert done.prompt_tokens + done.completion_tokens <= 1024


@pytest.mark.parametrize(
    "texts",
    [(), ("",), ("🙂🙃 ٣ עברית \x00 \u2028 <|end|>",), ("x" * 200_000,), ("a", "b"), ("\n" * 50,)],
    ids=["no message", "empty", "odd characters", "long word", "two turns", "new lines"],
)
def test_odd_messages_are_their_own_outcome(models: Models, texts: Sequence[str]) -> None:
    odd, plain = ask(models, request("odd", *texts, max_tokens=30), question("plain"))
    assert isinstance(odd.finish, Finish)
    assert odd.detail or odd.finish in (Finish.STOP, Finish.LENGTH)
    assert plain.finish is Finish.STOP


TOOL = '{"type": "function", "function": {"name": "calculator", "description": "Adds.", "parameters": {}}}'


def test_a_request_with_tools_is_its_own_outcome(models: Models, config: ModelConfig) -> None:
    """A model whose template has no place for tools says so; a server that knows tools says what is called."""
    plain, offered = question("plain"), question("tools")._replace(tools=(TOOL,))
    first, told = ask(models, plain, offered)
    assert (first.finish, first.tool_calls) == (Finish.STOP, ())
    if config.model == MODEL:
        assert (told.finish, told.detail) == (Finish.REFUSED, "the chat template has no place for tools")
        return
    call = ToolCall("calculator", '{"expression": "1 + 1"}', "call_1")
    assert (told.finish, told.text, told.tool_calls) == (Finish.STOP, "", (call,))
    turns = (Message("assistant", "", (call,)), Message("tool", "2", name="calculator", call_id="call_1"))
    [answered] = ask(models, offered._replace(request_id="on", messages=offered.messages + turns))
    assert (answered.text, answered.tool_calls) == ("It is 2.", ())


def test_what_is_given_up_makes_room(models: Models) -> None:
    endless = [question(f"e{index}", index, 1, temperature=2.0, max_tokens=900) for index in range(64)]
    stream = models.stream([job(models, question("first", max_tokens=1)), job(models, *endless)], every_s=0.02)
    assert [one.request_id for one in next(stream)]
    stream.close()
    started = time.monotonic()
    assert ask(models, question("next"))[0].finish is Finish.STOP
    assert time.monotonic() - started < 60


def test_others_go_on_where_some_are_given_up(models: Models) -> None:
    asked = [question(str(index), 3 + index, 4) for index in range(16)]
    whole = [one.text for one in ask(models, *asked)]

    async def run(emit: Callable[[str], None]) -> None:
        tasks = [asyncio.create_task(models.complete("m", one)) for one in asked]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks[::3]:
            task.cancel()
        for done in await asyncio.gather(*tasks, return_exceptions=True):
            emit(done.text if isinstance(done, Completion) else "given up")

    [texts] = models.stream([run])
    assert texts.count("given up") < len(texts) / 2
    assert all(text in ("given up", expected) for text, expected in zip(texts, whole, strict=True))


def test_the_identity_is_stable(models: Models, config: ModelConfig) -> None:
    with Models({"m": config}) as others:
        assert others.identity("m") == models.identity("m")
    identity = models.identity("m")
    assert identity.model == Path(config.model).name
    assert identity.engine in config.engine
    assert (identity.template_hash is None) == (config.model == "tiny")


def test_no_such_model_is_said(config: ModelConfig) -> None:
    wrong = config.model_copy(update={"model": f"{config.model}-not-there"})
    with Models({"m": wrong}) as models, pytest.raises(EngineError, match=r"tiny.*-not-there"):
        ask(models, question("a"))


def test_nothing_is_left_behind(config: ModelConfig) -> None:
    before = set(threading.enumerate())
    with Models({"m": config}) as models:
        stream = models.stream([job(models, question(str(index), max_tokens=900)) for index in range(8)], every_s=0.01)
        assert next(stream)
    assert {thread.name for thread in set(threading.enumerate()) - before if thread.is_alive()} <= {
        "AnyIO worker thread"
    }
