"""The openai engine against a server that misbehaves on purpose."""

import asyncio
import json
import logging
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Response
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse

from schemas.errors import EngineError
from tasks.engines import faults
from tasks.engines.contract import Completion, Finish, Message, Request, Sampling
from tasks.engines.models import ModelConfig, Models

MODEL = str(Path(__file__).parents[3] / "data/models/tiny-reasoner")
KEY = "sk-test-0123456789abcdef"
Answer = Callable[[str, dict[str, Any]], Response]


def said(text: str, finish: str = "stop", **message: str) -> Response:
    message = {"role": "assistant", "content": text} | message
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    return JSONResponse({"choices": [{"message": message, "text": text, "finish_reason": finish}], "usage": usage})


def failed(status: int, message: str = "no", **headers: str) -> Response:
    return JSONResponse({"error": {"message": message}}, status, {"Retry-After": "0"} | headers)


class Server:
    """Answers as `answer(question, body)` does; `stop` and `start` again on the same port."""

    def __init__(self) -> None:
        self.answer: Answer = lambda question, body: said(f"re: {question}")
        self.models: Callable[[], Response] = lambda: JSONResponse({"data": [{"id": "m"}]})
        self.asked: list[str] = []
        self.aloft = self.most = 0
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        app = FastAPI()
        app.get("/v1/models")(self._models)
        app.post("/v1/{path:path}")(self._post)
        self._server = uvicorn.Server(uvicorn.Config(app, port=self.port, log_level="critical"))
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()

    async def _models(self) -> Response:
        return self.models()

    async def _post(self, path: str, http: HttpRequest) -> Response:
        body = await http.json()
        question = body["messages"][-1]["content"] if "messages" in body else body["prompt"]
        self.asked.append(question)
        self.bodies.append(body)
        self.headers.append(dict(http.headers))
        self.aloft += 1
        self.most = max(self.most, self.aloft)
        if question.startswith("slow"):
            await asyncio.sleep(0.8)
        self.aloft -= 1
        return self.answer(question, body)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "_WAIT_FIRST_S", 0.02)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    server.start()
    yield server
    server.stop()


def config(server: Server, model: str = "m", **settings: Any) -> ModelConfig:
    return ModelConfig(model=model, engine={"openai": {"base_url": server.url, "patience_s": 5} | settings})


def request(text: str, prefix: str = "", **sampling: Any) -> Request:
    return Request(text, (Message("user", text),), Sampling.model_validate(sampling), prefix)


def stream(models: Models, *requests: Request) -> Iterator[list[Completion]]:
    def job(one: Request) -> Callable[[Callable[[Completion], None]], Any]:
        async def run(emit: Callable[[Completion], None]) -> None:
            emit(await models.complete("m", one))

        return run

    return models.stream(map(job, requests), every_s=0.05)


def ask(config: ModelConfig, *requests: Request) -> dict[str, Completion]:
    with Models({"m": config}) as models:
        return {one.request_id: one for some in stream(models, *requests) for one in some}


def script(*answers: Response) -> Answer:
    """These answers in turn, the last of them for ever."""
    left = list(answers)
    return lambda question, body: left.pop(0) if len(left) > 1 else left[0]


def test_messages_and_sampling_go_out_as_they_are(server: Server) -> None:
    done = ask(
        config(server, extra={"top_k": 5}), request("hi", "So", temperature=0.5, seed=7, stop=("\n",), max_tokens=9)
    )
    assert done["hi"] == Completion("hi", "re: So", Finish.STOP, 3, 2, stopped="")
    assert server.bodies == [
        {
            "model": "m",
            "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "So"}],
            "continue_final_message": True,
            "add_generation_prompt": False,
            "temperature": 0.5,
            "top_p": 1.0,
            "max_tokens": 9,
            "stop": ["\n"],
            "seed": 7,
            "top_k": 5,
        }
    ]


def test_a_tokenizer_here_renders_the_prompt_here(server: Server) -> None:
    ask(config(server, tokenizer=MODEL), request("hi", "So \n"))
    assert server.bodies[0]["prompt"] == "<|user|>hi<|end|><|assistant|>So \n"
    assert server.bodies[0]["add_special_tokens"] is False
    assert not {"stop", "seed", "messages"} & server.bodies[0].keys()


def test_a_prefix_that_the_tokenizer_changes_is_not_sent(server: Server, tmp_path: Path) -> None:
    """Though the server's context is unknown, so that nothing else has to be tokenized here."""
    shutil.copytree(MODEL, tmp_path / "nfc")
    told = json.loads((tmp_path / "nfc/tokenizer.json").read_text())
    (tmp_path / "nfc/tokenizer.json").write_text(json.dumps(told | {"normalizer": {"type": "NFC"}}))
    asked = [request("changed", "cafe\u0301 "), request("kept", "caf\u00e9 ")]
    done = ask(config(server, tokenizer=str(tmp_path / "nfc")), *asked)
    assert done["changed"].finish is Finish.REFUSED
    assert "does not keep the text to go on from" in done["changed"].detail
    assert done["kept"].finish is Finish.STOP
    assert len(server.bodies) == 1


def test_a_json_schema_goes_along_whoever_renders_the_prompt(server: Server) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    for settings in ({}, {"tokenizer": MODEL}):
        ask(config(server, **settings), request("hi")._replace(json_schema=json.dumps(schema)))
    form = {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema, "strict": True}}
    assert [body["response_format"] for body in server.bodies] == [form, form]


def test_the_servers_context_bounds_what_is_asked(server: Server) -> None:
    server.models = lambda: JSONResponse({"data": [{"id": "m", "max_model_len": 40}]})
    done = ask(config(server, tokenizer=MODEL), request("hi", max_tokens=5000), request("long " * 50))
    assert done["hi"].finish is Finish.STOP
    assert done["long " * 50].finish is Finish.OVERFLOW
    assert [body["max_tokens"] < 40 for body in server.bodies] == [True]


def test_reasoning_that_comes_apart_is_put_back(server: Server) -> None:
    server.answer = lambda question, body: said("18", **{question: "let me see"})
    done = ask(config(server), request("reasoning_content"), request("reasoning"))
    assert {one.text for one in done.values()} == {"<think>\nlet me see\n</think>\n18"}


def test_finishes(server: Server) -> None:
    server.answer = lambda question, body: said("some text", question)
    done = ask(config(server), request("stop"), request("length"), request("content_filter"))
    assert {name: one.finish for name, one in done.items()} == {
        "stop": Finish.STOP,
        "length": Finish.LENGTH,
        "content_filter": Finish.REFUSED,
    }
    assert done["content_filter"].detail


def test_an_empty_completion_is_one(server: Server) -> None:
    server.answer = lambda question, body: said("")
    assert ask(config(server), request("a"))["a"] == Completion("a", "", Finish.STOP, 3, 2, stopped="")


@pytest.mark.parametrize(
    "fault",
    [
        failed(500),
        failed(502),
        failed(503),
        failed(429),
        failed(408),
        Response("{not json", media_type="application/json"),
        Response("<html>", media_type="text/html"),
        Response(b"\xff\xfe", media_type="application/json"),
        JSONResponse({"choices": []}),
        JSONResponse([1]),
        JSONResponse({"error": {"message": "overloaded"}}),
        said("half", "abort"),
    ],
    ids=["500", "502", "503", "429", "408", "no JSON", "HTML", "bytes", "no choice", "a list", "an error", "aborted"],
)
def test_a_fault_is_tried_again(server: Server, fault: Response) -> None:
    server.answer = script(fault, fault, said("right"))
    assert ask(config(server), request("a"))["a"].text == "right"
    assert len(server.asked) == 3


def test_the_wait_that_a_server_asks_for_is_kept(server: Server) -> None:
    server.answer = script(failed(429, **{"Retry-After": "1.5"}), said("right"))
    started = time.monotonic()
    assert ask(config(server), request("a"))["a"].text == "right"
    assert time.monotonic() - started >= 1.5


def test_a_row_that_is_turned_down_is_its_own_outcome(server: Server) -> None:
    answers = {
        "long": failed(400, "This model's maximum context length is 1024 tokens"),
        "roles": failed(400, "roles must alternate"),
        "large": failed(413, "too large"),
        "odd": failed(422, "unprocessable"),
    }
    server.answer = lambda question, body: answers.get(question) or said("right")
    done = ask(config(server), *map(request, answers), request("good"))
    assert {name: done[name].finish for name in answers} == dict.fromkeys(answers, Finish.REFUSED) | {
        "long": Finish.OVERFLOW
    }
    assert "roles must alternate" in done["roles"].detail
    assert done["good"].text == "right"
    assert len(server.asked) == 5


def test_one_that_always_fails_is_refused_while_others_succeed(server: Server) -> None:
    server.answer = lambda question, body: failed(500, "boom") if question == "bad" else said("right")
    done = ask(config(server, attempts=2, patience_s=60), request("bad"), *[request(str(n)) for n in range(5)])
    assert done["bad"].finish is Finish.REFUSED
    assert "boom" in done["bad"].detail
    assert sum(one.text == "right" for one in done.values()) == 5


def test_one_that_takes_too_long_is_refused_while_others_succeed(server: Server) -> None:
    done = ask(config(server, attempts=2, timeout_s=0.3), request("slow"), request("a"), request("b"))
    assert (done["slow"].finish, done["a"].text) == (Finish.REFUSED, "re: a")
    assert server.asked.count("slow") == 2


def test_a_server_that_always_fails_ends_the_run_within_patience(server: Server) -> None:
    server.answer = lambda question, body: failed(500, "boom")
    started = time.monotonic()
    with pytest.raises(EngineError, match=r"answered no request for . s .*boom.*patience_s"):
        ask(config(server, attempts=1, patience_s=1), request("a"), request("b"))
    assert time.monotonic() - started < 4


def test_a_server_that_comes_back_is_waited_for(server: Server) -> None:
    with Models({"m": config(server, patience_s=30)}) as models:
        assert [one.text for some in stream(models, request("a")) for one in some] == ["re: a"]
        server.stop()
        back = threading.Timer(1.5, server.start)
        back.start()
        done = {one.request_id for some in stream(models, *[request(str(n)) for n in range(20)]) for one in some}
        back.join()
    assert done == {str(n) for n in range(20)}


def test_a_server_that_stays_away_ends_the_run_and_keeps_what_is_done(server: Server) -> None:
    finished: list[str] = []

    def run() -> None:
        with Models({"m": config(server, concurrency=4, patience_s=1)}) as models:
            for some in stream(models, *[request(str(n)) for n in range(2000)]):
                finished.extend(one.request_id for one in some)
                if len(finished) > 20 and server._thread.is_alive():
                    server.stop()

    started = time.monotonic()
    with pytest.raises(EngineError, match="answered no request for"):
        run()
    assert time.monotonic() - started < 20
    assert 20 < len(finished) < 2000
    server.start()


def test_no_server_at_the_address() -> None:
    nobody = Server()
    with pytest.raises(EngineError, match=rf"127.0.0.1:{nobody.port}/v1 answered no request"):
        ask(config(nobody, patience_s=0.5), request("a"))


@pytest.mark.parametrize(
    ("status", "match"),
    [
        (401, r"TRACEMILL_KEY, which is not set \(`api_key_env`\)"),
        (403, "`api_key_env`"),
        (404, "`base_url` and `model`, which is m; the server has m$"),
        (405, "`base_url`"),
    ],
)
def test_a_wrong_setting_is_named(server: Server, status: int, match: str) -> None:
    server.answer = lambda question, body: failed(status)
    with pytest.raises(EngineError, match=match):
        ask(config(server, api_key_env="TRACEMILL_KEY"), request("a"))


def test_a_key_is_never_shown(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("TRACEMILL_KEY", KEY)

    def answer(question: str, body: dict[str, Any]) -> Response:
        echo = f"Incorrect API key {KEY} in Bearer {KEY}"
        return failed(int(question), echo, **{"X-Echo": KEY, "X-Request-Id": KEY})

    server.answer = answer
    said_of_it = ""
    for status in ("400", "401", "404", "500"):
        try:
            done = ask(config(server, api_key_env="TRACEMILL_KEY", patience_s=0.5), request(status))
            said_of_it += repr(done)
        except EngineError as exc:
            chain: BaseException | None = exc
            while chain is not None:
                said_of_it += f"{chain!r} {chain.__dict__} "
                chain = chain.__cause__ or chain.__context__
    server.models = lambda: failed(401, KEY)
    with pytest.raises(EngineError) as caught:
        ask(config(server, api_key_env="TRACEMILL_KEY"), request("200"))
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    assert "Incorrect API key" in said_of_it
    assert caplog.records
    shown = said_of_it + str(caught.value) + "".join(record.getMessage() for record in caplog.records)
    assert KEY not in shown


def test_a_login_is_used_and_never_shown(
    server: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("SERVER", "me:pa ss-word")
    server.answer = script(said("right"), failed(404))
    assert ask(config(server, login_env="SERVER"), request("a"))["a"].text == "right"
    assert server.headers[0]["authorization"] == "Basic bWU6cGEgc3Mtd29yZA=="
    with pytest.raises(EngineError) as caught:
        ask(config(server, login_env="SERVER"), request("a"))
    assert not any(secret in str(caught.value) + caplog.text for secret in ("ss-word", "bWU6cGEgc3Mtd29yZA"))


def test_an_odd_key_is_said_without_showing_it(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEMILL_KEY", "sk-ключ\n")
    with pytest.raises(EngineError, match="TRACEMILL_KEY has odd characters") as caught:
        ask(config(server, api_key_env="TRACEMILL_KEY"), request("a"))
    assert "ключ" not in str(caught.value)


def test_no_more_than_concurrency_are_in_flight(server: Server) -> None:
    done = ask(config(server, concurrency=2), *[request(f"slow {n}") for n in range(4)])
    assert (len(done), server.most) == (4, 2)
