"""A server that speaks OpenAI's protocol, with the bundled model behind it; and what exporters are given."""

import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from schemas.columns import MESSAGES
from tasks.engines.contract import Finish, Message, Request, Sampling
from tasks.engines.kinds.transformers import Config, build
from tasks.engines.template import load_template
from tasks.export.selection import Selection

ALIAS = "tiny"


class _Served:
    """The bundled model behind OpenAI's replies; `raw_template` is a file with a template that adds nothing."""

    def __init__(self, model: str, raw_template: str) -> None:
        self._model = model
        self._engine = build(Config(batch=32, threads=1, chat_template=raw_template), model, None)
        self._template = load_template(model)

    @asynccontextmanager
    async def life(self, _: FastAPI) -> AsyncIterator[None]:
        async with self._engine:
            yield

    async def models(self) -> Any:
        return {"data": [{"id": self._model, "max_model_len": 1024}, {"id": ALIAS}]}

    async def complete(self, body: dict[str, Any]) -> Any:
        assert body["add_special_tokens"] is False
        return await self._reply(body, body["prompt"], lambda text: {"text": text})

    async def chat(self, body: dict[str, Any]) -> Any:
        if body.get("tools"):
            return self._called(body)
        turns = [Message(**turn) for turn in body["messages"]]
        if not turns:
            return _error(400, "messages: too short")
        prefix = turns.pop().content if body.get("continue_final_message") else ""
        prompt = self._template.text(tuple(turns), prefix)
        return await self._reply(body, prompt, lambda text: {"message": {"role": "assistant", "content": text}})

    def _called(self, body: dict[str, Any]) -> Any:
        """A call of the first tool, until there is a result; then the result is the answer."""
        last, usage = body["messages"][-1], {"prompt_tokens": 9, "completion_tokens": 3}
        if last["role"] == "tool":
            said = {"role": "assistant", "content": f"It is {last['content']}."}
            return {"choices": [{"message": said, "finish_reason": "stop"}], "usage": usage}
        function = {"name": body["tools"][0]["function"]["name"], "arguments": '{"expression": "1 + 1"}'}
        message: dict[str, Any] = {"role": "assistant", "content": None}
        message |= {"tool_calls": [{"id": "call_1", "type": "function", "function": function}]}
        return {"choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": usage}

    async def _reply(self, body: dict[str, Any], prompt: str, choice: Callable[[str], dict[str, Any]]) -> Any:
        if body["model"] not in (self._model, ALIAS):
            return _error(404, f"The model `{body['model']}` does not exist.")
        keys = ("temperature", "top_p", "max_tokens", "stop", "seed")
        sampling = Sampling.model_validate({key: body[key] for key in keys if key in body})
        done = await self._engine.complete(Request("", (Message("user", prompt),), sampling))
        if done.finish is Finish.OVERFLOW:
            return _error(400, f"This model's maximum context length is 1024 tokens: {done.detail}")
        if done.finish is Finish.REFUSED:
            return _error(400, done.detail)
        usage = {"prompt_tokens": done.prompt_tokens, "completion_tokens": done.completion_tokens}
        return {"choices": [choice(done.text) | {"finish_reason": str(done.finish)}], "usage": usage}


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message}}, status)


def _app(served: _Served) -> FastAPI:
    app = FastAPI(lifespan=served.life)
    app.get("/v1/models")(served.models)
    app.post("/v1/completions")(served.complete)
    app.post("/v1/chat/completions")(served.chat)
    return app


@pytest.fixture(scope="session")
def model_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of the bundled model's server, which knows it by its path and as `tiny`."""
    raw = tmp_path_factory.mktemp("server") / "raw.jinja"
    raw.write_text("{{ messages[0]['content'] }}")
    model = str(Path(__file__).parents[2] / "data/models/tiny-reasoner")
    server = uvicorn.Server(
        uvicorn.Config(_app(_Served(model, str(raw))), port=0, log_level="error", timeout_graceful_shutdown=10)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/v1"
    server.should_exit = True
    thread.join(30)


USED = json.dumps(
    {
        "tools": [{"type": "function", "function": {"name": "calculator", "description": "Adds.", "parameters": {}}}],
        "messages": [
            {"role": "user", "content": "What is 1 + 1?"},
            {
                "role": "assistant",
                "content": "I add.",
                "tool_calls": [
                    {
                        "id": "abcdefgh1",
                        "type": "function",
                        "function": {"name": "calculator", "arguments": '{"expression": "1 + 1"}'},
                    }
                ],
            },
            {"role": "tool", "content": "2", "name": "calculator", "tool_call_id": "abcdefgh1"},
            {"role": "assistant", "content": "two"},
        ],
    }
)
"""A conversation in which a tool was used, as TRACES has it."""


def strings(**columns: Sequence[str | None]) -> pa.Table:
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


@pytest.fixture
def selection() -> Selection:
    """Problems of every domain; trace t5's problem is gone, and pair k3 refers to a trace that is gone.

    Of the traces t0, t2 and t3, verdicts judge the steps. Trace t1 is t2 with its one step rewritten, and used a tool.
    """
    texts = ["1 + 1 = 2\n#### 2", "two", "3", "<think>\nhm\n</think>\n\nfour é😀", "I do not know.", "9"]
    traces = strings(
        trace_id=[f"t{n}" for n in range(6)],
        problem_id=["p0", "p0", "p0", "p1", "p2", "gone"],
        text=texts,
        source=["a.jsonl"] * 6,
        model=["tiny"] * 5 + [None],
    )
    offsets = pa.array([[0, 10], *[[0]] * 2, [0, 21], *[[0]] * 2], pa.list_(pa.int32()))
    traces = traces.append_column("step_offsets", offsets)
    rewritten: dict[str, pa.Array[Any]] = {
        "origin": pa.array(["imported", "rewritten", *["imported"] * 4]),
        "parent_trace_id": pa.array([None, "t2", *[None] * 4], pa.string()),
        "fork_step": pa.array([None, 0, *[None] * 4], pa.int32()),
    }
    for name, values in (rewritten | {"conversation": pa.array([None, USED, *[None] * 4], pa.string())}).items():
        traces = traces.append_column(name, values)
    problems = strings(
        problem_id=[f"p{n}" for n in range(6)],
        domain=["math", "math", "open", "code", "instruction", "choice"],
        question=["1 + 1?", "2 + 2?", "Why?", "Write f.", "No commas.", "A or B?"],
        reference=["2", None, " ", None, None, "B"],
        tests=[*[None] * 3, "assert f(1) == 1", None, None],
        constraints=[*[None] * 4, '[{"kind": "punctuation:no_comma", "kwargs": {}}]', None],
    )
    verdicts = pa.table(
        {
            "trace_id": ["t0", "t0", "t2", "t3", "gone"],
            "verifier": ["person", "rollouts", "person", "rollouts", "person"],
            "first_wrong_step": pa.array([-1, None, 0, None, 0], pa.int32()),
            "step_scores": pa.array([None, [1.0, 0.0], None, [0.5, 0.0], None], pa.list_(pa.float32())),
            "verifier_version": ["1"] * 5,
        }
    )
    references = pa.table(
        {"problem_id": ["p1"], "reference": ["4"], "origin": ["majority"], "votes": [3], "samples": [4]}
    )
    statuses = ["correct", "correct", "incorrect", "correct", "unverifiable", "correct"]
    pairs = strings(
        pair_id=["k1", "k2", "k3", "k4"],
        problem_id=["p0", "p0", "p0", "gone"],
        chosen_trace_id=["t1", "t0", "t0", "t5"],
        rejected_trace_id=["t2", "t2", "t9", "t2"],
        rule=["correct_vs_incorrect"] * 4,
    )
    asked = [{"role": "user", "content": "Is 1 + 1 = 2?"}]
    judgements = strings(judgement_id=["j0", "j1"], reply=['{"verdict": "correct"}', '{"verdict": "incorrect"}'])
    judgement_pairs = strings(
        pair_id=["m1", "m2", "m3"],
        problem_id=["p0", "p0", "gone"],
        trace_id=["t0", "t0", "t5"],
        judge=["grader"] * 3,
        chosen_judgement_id=["j0", "j0", "j0"],
        rejected_judgement_id=["j1", "gone", "j1"],
        rule=["meta_rewarding"] * 3,
    )
    return Selection(
        problems=problems,
        judgements=judgements.append_column("messages", pa.array([asked, asked], MESSAGES)),
        judgement_pairs=judgement_pairs,
        traces=pa.concat_tables([traces.slice(0, 2), traces.slice(2)]),
        standings=strings(trace_id=[f"t{n}" for n in range(6)], status=statuses),
        pairs=pairs,
        references=references,
        verdicts=verdicts,
    )


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """The bundled model's tokenizer, with its chat template."""
    from transformers import AutoTokenizer

    load: Any = AutoTokenizer.from_pretrained
    return load(Path(__file__).parents[2] / "data/models/tiny-reasoner")
