"""The engine inside this process, beyond what every engine does; the last test is the engine's last."""

import asyncio
import json
from collections.abc import Callable

import psutil
import pytest

from schemas.errors import EngineError, RecipeError
from tasks.engines.contract import Completion, Engine, Finish, Request
from tasks.engines.kinds.vllm import Config, build
from tasks.judge.judges import judges

MODEL = "data/models/tiny-reasoner"
Ask = Callable[..., Request]
Complete = Callable[[Engine, list[Request]], list[Completion]]


def test_greedy_texts_are_those_of_transformers(
    engine: Engine, complete: Complete, some: list[Request], references: list[Completion]
) -> None:
    assert complete(engine, some) == references


def test_hundreds_of_requests_are_in_flight_together(
    engine: Engine, ask: Ask, complete: Complete, questions: list[str]
) -> None:
    # Their prompts are more tokens than vLLM reads in one step, and each has its own seed: as the stage sends them.
    requests = [ask(f"{number}. {text}", temperature=1, seed=number) for number, text in enumerate(questions * 50)]
    done = complete(engine, requests)
    assert [one.request_id for one in done] == [request.request_id for request in requests]
    assert {one.finish for one in done} <= {Finish.STOP, Finish.LENGTH}


def test_what_vllm_turns_down_is_that_request_s_outcome(
    engine: Engine, ask: Ask, complete: Complete, questions: list[str]
) -> None:
    refused, done = complete(engine, [ask(questions[0], temperature=3), ask(questions[0])])
    assert (refused.finish, refused.text) == (Finish.REFUSED, "")
    assert "temperature must be in [0, 2]" in refused.detail
    assert done.text


def test_replies_keep_to_a_json_schema(engine: Engine, ask: Ask, complete: Complete, questions: list[str]) -> None:
    """The tiny model never heard of JSON, nor of when to end a sentence."""
    short = {"verdict": {"enum": ["correct", "incorrect"]}, "rating": {"type": "integer", "minimum": 1, "maximum": 5}}
    schema = {"type": "object", "properties": short, "required": [*short], "additionalProperties": False}
    held = json.dumps(schema)
    requests = [ask(text, temperature=1, seed=number) for number, text in enumerate(questions)]
    for one in complete(engine, [request._replace(json_schema=held) for request in requests]):
        assert one.finish is Finish.STOP
        reply = json.loads(one.text)
        assert reply["verdict"] in ("correct", "incorrect")
        assert reply["rating"] in range(1, 6)
    for kind in ("aspects", "grade", "pairwise"):
        form = judges({"one": {kind: {"model": "m"}}})["one"].kind.reply.model_json_schema()
        first = next(iter(form["properties"]))
        [begun] = complete(engine, [requests[0]._replace(json_schema=json.dumps(form))])
        assert begun.text.startswith(f'{{"{first}":')


@pytest.mark.parametrize(
    ("config", "model", "error", "said"),
    [
        (Config(engine_args={"max_modl_len": 3}), MODEL, RecipeError, "max_modl_len"),
        (Config(max_model_len=1_000_000), MODEL, EngineError, "max_model_len"),
        (Config(), "data/models", EngineError, "data/models"),
    ],
)
def test_a_start_that_fails_says_why(
    loop: asyncio.Runner, config: Config, model: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        loop.run(build(config, model, None).__aenter__())


def test_an_engine_that_died_ends_the_run(engine: Engine, loop: asyncio.Runner, ask: Ask) -> None:
    async def outcomes() -> list[object]:
        requests = [ask(f"{number} words", temperature=2, max_tokens=900) for number in range(200)]
        tasks = [asyncio.create_task(engine.complete(request)) for request in requests]
        await asyncio.sleep(0.5)
        for one in psutil.Process().children(recursive=True):
            if "EngineCore" in one.name():
                one.kill()
        return await asyncio.gather(*tasks, return_exceptions=True)

    ends = loop.run(outcomes())
    assert any(isinstance(one, EngineError) and "lower max_num_seqs" in str(one) for one in ends)
    assert all(isinstance(one, EngineError | Completion) for one in ends)
