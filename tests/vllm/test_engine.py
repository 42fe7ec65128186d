"""The engine inside this process: what a request can meet, and the same greedy texts as transformers."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from schemas.errors import EngineError, RecipeError
from tasks.engines.contract import Completion, Engine, Finish, Request
from tasks.engines.kinds import transformers
from tasks.engines.kinds.vllm import Config, VllmEngine, build
from tasks.engines.revision import revision_of
from tasks.engines.template import load_template

MODEL = "data/models/tiny-reasoner"
Ask = Callable[..., Request]
Complete = Callable[[Engine, list[Request]], list[Completion]]


def test_greedy_texts_are_those_of_transformers(engine: Engine, loop: asyncio.Runner, some: list[Request]) -> None:
    async def completions() -> list[list[Completion]]:
        async with transformers.build(transformers.Config(dtype="float32"), MODEL, None) as other:
            return [await asyncio.gather(*(one.complete(request) for request in some)) for one in (engine, other)]

    ours, theirs = loop.run(completions())
    assert ours == theirs
    assert all(one.text for one in ours)


def test_a_trace_can_say_which_model_wrote_it(engine: Engine) -> None:
    template = load_template(MODEL)
    assert engine.identity == (MODEL, revision_of(MODEL), "vllm", template.template_hash)


def test_hundreds_of_requests_are_in_flight_together(
    engine: Engine, ask: Ask, complete: Complete, questions: list[str]
) -> None:
    requests = [ask(text, temperature=1, seed=seed) for text in questions for seed in range(50)]
    done = complete(engine, requests)
    assert [one.request_id for one in done] == [request.request_id for request in requests]
    assert {one.finish for one in done} <= {Finish.STOP, Finish.LENGTH}
    assert len({one.text for one in done}) > len(questions)
    assert all(one.completion_tokens and one.prompt_tokens for one in done)


def test_a_seed_gives_the_same_text_again(engine: Engine, ask: Ask, complete: Complete, questions: list[str]) -> None:
    one, other = ask(questions[0], temperature=1, seed=1), ask(questions[0], temperature=1, seed=2)
    texts = [complete(engine, [request])[0].text for request in (one, one, other)]
    assert texts[0] == texts[1] != texts[2]


def test_what_cannot_be_sampled_is_that_request_s_outcome(
    engine: Engine, ask: Ask, complete: Complete, questions: list[str]
) -> None:
    long, odd, fine = ask("word " * 3000), ask(questions[0], stop=("",)), ask(questions[0])
    overflow, refused, done = complete(engine, [long, odd, fine])
    assert (overflow.finish, overflow.text, overflow.completion_tokens) == (Finish.OVERFLOW, "", 0)
    assert "the model's context 1024" in overflow.detail
    assert (refused.finish, refused.text) == (Finish.REFUSED, "")
    assert "stop" in refused.detail
    assert done.text


def test_max_tokens_are_clipped_to_the_room_left(engine: Engine, ask: Ask, complete: Complete) -> None:
    [done] = complete(engine, [ask("Ana has 3 apples. " * 90, temperature=2, max_tokens=100_000)])
    assert done.finish in (Finish.STOP, Finish.LENGTH)
    assert done.prompt_tokens is not None
    assert done.completion_tokens is not None
    assert done.prompt_tokens + done.completion_tokens <= 1024


def test_max_tokens_and_stop_texts_end_a_completion(
    engine: Engine, ask: Ask, complete: Complete, questions: list[str]
) -> None:
    [whole] = complete(engine, [ask(questions[0])])
    word = whole.text.split()[2]
    stopped, cut = complete(engine, [ask(questions[0], stop=(word,)), ask(questions[0], max_tokens=5)])
    assert (stopped.finish, stopped.text) == (Finish.STOP, whole.text[: whole.text.index(word)])
    assert (cut.finish, cut.completion_tokens) == (Finish.LENGTH, 5)
    assert whole.text.startswith(cut.text)


def test_a_cancelled_request_leaves_the_engine(engine: VllmEngine, loop: asyncio.Runner, ask: Ask) -> None:
    async def cancelled() -> Any:
        task = asyncio.create_task(engine.complete(ask("word " * 50, temperature=2, max_tokens=900)))
        await asyncio.sleep(0.3)
        task.cancel()
        return await asyncio.gather(task, return_exceptions=True)

    [outcome] = loop.run(cancelled())
    assert isinstance(outcome, asyncio.CancelledError)
    assert engine._llm is not None
    assert engine._llm.get_num_unfinished_requests() == 0


@pytest.mark.parametrize(
    ("config", "model", "error", "said"),
    [
        (Config(engine_args={"max_modl_len": 3}), MODEL, RecipeError, "max_modl_len"),
        (Config(max_model_len=1_000_000), MODEL, EngineError, "max_model_len"),
        (Config(), "data/models", EngineError, "data/models"),
        (Config(), "data/models/absent", EngineError, "absent"),
    ],
)
def test_a_start_that_fails_says_why(
    loop: asyncio.Runner, config: Config, model: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        loop.run(build(config, model, None).__aenter__())
