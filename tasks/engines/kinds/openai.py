"""Any server that speaks OpenAI's protocol: vLLM, SGLang, llama.cpp, hosted ones; by OpenAI's own client."""

import asyncio
import base64
import json
import os
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from schemas.base import ConfigBase
from schemas.errors import EngineError
from tasks.engines.contract import Completion, Finish, Identity, Message, Request
from tasks.engines.faults import Blame, Fault, GarbledReplyError, fault_of_status, pause
from tasks.engines.outcomes import overflow, refused
from tasks.engines.reach import Reach
from tasks.engines.redact import redact, redacted_logs
from tasks.engines.replies import read_reply
from tasks.engines.revision import revision_of
from tasks.engines.template import Template, UnrenderableError, load_template, turn_of
from tasks.engines.tool_calls import with_calls
from tasks.keys import block_name, named

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_CONNECT_S: Final = 10.0
_GREETING_S: Final = 10.0
"""How long a server may take to be there at the start; a wrong address should not cost all patience."""
_GREETING_STEP_S: Final = 0.5
_PER_CLIENT: Final = 32
"""Connections of one client: its pool looks at each of them for every request, which makes large pools slow."""
_SPARE: Final = 8
"""Connections of a client beside those of requests."""
_IDLE_S: Final = 2.0
"""How long an idle connection is kept; servers close theirs after 5 s, maybe just as a request is sent."""
_NO_KEY: Final = "EMPTY"
_OF_ROW: Final = {Blame.ROW: Finish.REFUSED, Blame.LENGTH: Finish.OVERFLOW}


class Config(ConfigBase):
    """Where the server is, and how much is asked of it."""

    base_url: str = Field(pattern=r"^https?://", description="up to and with /v1")
    api_key_env: str = Field(
        default="OPENAI_API_KEY", description="the environment variable with the key; a local server needs none"
    )
    login_env: str | None = Field(
        default=None,
        description="the environment variable with `user:password`, for a server that wants these and no key",
    )
    concurrency: int = Field(default=256, ge=1, description="requests in flight together")
    timeout_s: float = Field(default=600.0, gt=0, description="for one reply")
    attempts: int = Field(
        default=5,
        ge=1,
        description="tries of a request that fails while the server answers others, until it is refused",
    )
    patience_s: float = Field(
        default=300.0, ge=0, description="how long the server may answer nothing at all before the run ends"
    )
    tokenizer: str | None = Field(
        default=None,
        description="a folder or hub id, whose chat template renders prompts here; else the server renders them",
    )
    chat_template: str | None = Field(
        default=None, description="a file with a Jinja template, instead of the tokenizer's"
    )
    context: int | None = Field(default=None, ge=2, description="tokens of prompt and reply; else as the server says")
    max_tokens_key: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    extra: dict[str, Any] = Field(default={}, description="put into every request's body, such as `top_k: 20`")

    @field_validator("base_url")
    @classmethod
    def _has_host(cls, value: str) -> str:
        parts = urlsplit(value)
        if not parts.hostname or parts.port == 0:
            raise ValueError("has no host")
        if parts.username is not None:
            raise ValueError("holds a login; put it into the environment variable that `login_env` names")
        return value


def build(config: Config, model: str, revision: str | None) -> "OpenAIEngine":
    """An engine that asks the server."""
    return OpenAIEngine(config, model, revision)


class OpenAIEngine:
    """Requests to one server, `concurrency` at a time, each tried again until it is answered or patience ends."""

    def __init__(self, config: Config, model: str, revision: str | None) -> None:
        self._config, self._model, self._revision = config, model, revision
        self._url = config.base_url
        self._key = os.environ.get(named(config.api_key_env), "").strip() or _NO_KEY
        login = os.environ.get(named(config.login_env), "").strip() if config.login_env else ""
        self._headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} if login else {}
        self._secrets = tuple(one for one in (self._key, login, login.partition(":")[2]) if one and one != _NO_KEY)
        self._context = config.context
        self._free: asyncio.LifoQueue[AsyncOpenAI] = asyncio.LifoQueue()
        """A client for each request that may still be sent."""
        self._reach = Reach(f"the server at {self._url}", config.patience_s)
        self._ends = AsyncExitStack()

    @cached_property
    def identity(self) -> Identity:
        """The model as the server knows it; its template where prompts are rendered here."""
        revision = revision_of(self._model, self._revision) if Path(self._model).is_dir() else self._revision
        return Identity(self._model, revision, "openai", self._template.template_hash if self._template else None)

    async def __aenter__(self) -> Self:
        if not (self._key.isascii() and self._key.isprintable()):
            raise EngineError(f"the key in the environment variable {self._config.api_key_env} has odd characters")
        async with AsyncExitStack() as ends:
            count = -(-self._config.concurrency // _PER_CLIENT)
            clients = [await ends.enter_async_context(self._connect()) for _ in range(count)]
            self._client = clients[0]
            ends.enter_context(redacted_logs(self._secrets))
            await self._greet()
            for number in range(self._config.concurrency):
                self._free.put_nowait(clients[number % count])
            self._ends = ends.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._ends.aclose()

    async def complete(self, request: Request) -> Completion:
        """Ask until the server answers; what it turns down is this request's outcome."""
        client = await self._free.get()
        try:
            ask = await self._ask(request)
            return ask if isinstance(ask, Completion) else await self._persist(request, ask, client)
        except UnrenderableError as exc:
            return refused(request, str(exc))
        finally:
            self._free.put_nowait(client)

    @cached_property
    def _template(self) -> Template | None:
        tokenizer = self._config.tokenizer
        if tokenizer is None and (Path(self._model) / "tokenizer_config.json").is_file():
            tokenizer = self._model
        return load_template(tokenizer, None, self._config.chat_template) if tokenizer else None

    async def _ask(self, request: Request) -> "_Ask | Completion":
        """What is sent; the completion already where the prompt is known to be too long."""
        limit = request.sampling.max_tokens
        template = self._template
        if template is None:
            return self._body("/chat/completions", request, limit, _chat(request))
        if self._context is None and not request.prefix:
            text = template.text(request.messages, request.prefix, request.tools)
        else:
            # With a prefix for the check alone: the server reads the text with a tokenizer of the same kind.
            text, ids = await template.prompt_aside(request.messages, request.prefix, request.tools)
            context = self._context or len(ids) + limit
            if len(ids) >= context:
                return overflow(request, len(ids), context)
            limit = min(limit, context - len(ids))
        return self._body("/completions", request, limit, {"prompt": text, "add_special_tokens": False})

    def _body(self, path: str, request: Request, limit: int, prompt: dict[str, Any]) -> "_Ask":
        sampling = request.sampling
        body = {"model": self._model, "temperature": sampling.temperature, "top_p": sampling.top_p}
        body[self._config.max_tokens_key if "messages" in prompt else "max_tokens"] = limit
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if sampling.seed is not None:
            body["seed"] = sampling.seed
        if request.json_schema:
            schema = {"name": "reply", "schema": json.loads(request.json_schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return _Ask(path, body | prompt | self._config.extra)

    async def _persist(self, request: Request, ask: "_Ask", client: "AsyncOpenAI") -> Completion:
        failures = tries = 0
        while isinstance(answer := await self._try(request, ask, client), Fault):
            if answer.blame is Blame.SETTING:
                raise EngineError(await self._wrong(answer))
            self._reach.failed(answer.detail)
            if answer.blame is Blame.SERVER and self._reach.lively and not isinstance(await self._models(), Fault):
                tries += 1
                if tries >= self._config.attempts:
                    return refused(request, f"{tries} tries failed while the server was in reach: {answer.detail}")
            await asyncio.sleep(min(pause(failures, answer.wait_s), self._reach.left_s))
            failures += 1
        self._reach.answered()
        return answer

    async def _try(self, request: Request, ask: "_Ask", client: "AsyncOpenAI") -> Completion | Fault:
        reply = await self._call(client.post(ask.path, cast_to=object, body=ask.body))
        if isinstance(reply, Fault):
            finish = _OF_ROW.get(reply.blame)
            return Completion(request.request_id, "", finish, None, None, reply.detail) if finish else reply
        try:
            completion = read_reply(reply, request.request_id)
        except GarbledReplyError as exc:
            return Fault(Blame.SERVER, redact(str(exc), self._secrets))
        if completion.detail:
            completion = completion._replace(detail=redact(completion.detail, self._secrets))
        return with_calls(completion, request)

    async def _call(self, reply: Awaitable[object]) -> object:
        """A reply's JSON, or a Fault without secrets: the client's own exceptions may hold what a server echoes."""
        import openai

        try:
            return await reply
        except openai.APIStatusError as exc:
            return fault_of_status(exc.status_code, redact(exc.message, self._secrets), exc.response.headers)
        except openai.APIConnectionError as exc:
            return Fault(Blame.SERVER, redact(f"{exc} {exc.__cause__!r}", self._secrets))
        except (openai.APIError, ValueError) as exc:
            return Fault(Blame.SERVER, redact(f"the reply is no JSON: {exc}", self._secrets))

    async def _models(self) -> list[Any] | Fault:
        """What the server says of its models; nothing where it does not list them."""
        listed = await self._call(self._client.get("/models", cast_to=object, options={"timeout": _CONNECT_S}))
        match listed:
            case {"data": [*models]}:
                return models
            case Fault() if listed.status != 404:
                return listed
        return []

    async def _greet(self) -> None:
        """Wait for the server to be there, and hear how long its model's context is."""
        greeting = Reach(f"the server at {self._url}", min(_GREETING_S, self._config.patience_s))
        while isinstance(models := await self._models(), Fault):
            if models.blame is Blame.SETTING:
                raise EngineError(await self._wrong(models))
            greeting.failed(models.detail)
            await asyncio.sleep(min(_GREETING_STEP_S, greeting.left_s))
        for one in models:
            match one:
                case {"id": self._model, "max_model_len": int(context)} if self._context is None:
                    self._context = context

    async def _wrong(self, fault: Fault) -> str:
        """A message that says which setting to look at."""
        advice = "check `base_url`"
        if fault.status in (401, 403):
            variable = self._config.login_env or self._config.api_key_env
            unset = "" if self._secrets else ", which is not set"
            setting = "login_env" if self._config.login_env else "api_key_env"
            advice = f"check the key in the environment variable {variable}{unset} (`{setting}`), or in the Prefect "
            advice += f"secret block {block_name(variable)}"
        elif fault.status == 404:
            models = await self._models()
            known = ", ".join(str(one.get("id")) for one in models if isinstance(one, dict)) if models else ""
            advice = (
                f"check `base_url` and `model`, which is {self._model}; the server has {known or 'no list of models'}"
            )
        return f"the server at {self._url}: {fault.detail}: {advice}"

    def _connect(self) -> "AsyncOpenAI":
        import openai

        limits = type(openai.DEFAULT_CONNECTION_LIMITS)
        most = _PER_CLIENT + _SPARE
        # No time-out for a place in the pool: there is one for each request in flight.
        timeout = openai.Timeout(self._config.timeout_s, connect=_CONNECT_S, pool=None)
        return openai.AsyncOpenAI(
            api_key=self._key,
            base_url=self._url,
            max_retries=0,
            default_headers=self._headers,
            http_client=openai.DefaultAsyncHttpxClient(
                limits=limits(max_connections=most, max_keepalive_connections=most, keepalive_expiry=_IDLE_S),
                timeout=timeout,
            ),
        )


class _Ask(NamedTuple):
    path: str
    body: dict[str, Any]


def _chat(request: Request) -> dict[str, Any]:
    """Messages for the server to render; a prefix is an assistant's turn that is not over."""
    body: dict[str, Any] = {"messages": [_turn(message) for message in request.messages]}
    if request.tools:
        body["tools"] = [json.loads(one) for one in request.tools]
    if request.prefix:
        body["messages"].append({"role": "assistant", "content": request.prefix})
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    return body


def _turn(message: Message) -> dict[str, Any]:
    """A turn as the protocol has it, where arguments are a text."""
    turn = turn_of(message)
    for call, one in zip(turn.get("tool_calls", ()), message.tool_calls, strict=True):
        call["function"]["arguments"] = one.arguments
    return turn
