"""A model in this process by transformers: on a CPU out of the box, on a GPU where there is one."""

import asyncio
import random
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from pydantic import Field

from schemas.errors import EngineError
from tasks.engines.contract import Completion, Finish, Identity, Request
from tasks.engines.outcomes import overflow, refused
from tasks.engines.revision import revision_of
from tasks.engines.template import Prompt, Template, UnrenderableError, load_template
from tasks.engines.tool_calls import with_calls
from tasks.engines.weights import Weights, broke, load_model, loaded_by, passive_threads

if TYPE_CHECKING:
    from tasks.engines.decoding import Decoder, Row

_REFILL: Final = 8
"""A full decoder takes new rows in when this part of its slots is free: reading a prompt alone costs a whole step."""


class Config(Weights):
    """How transformers runs the model."""

    batch: int = Field(default=128, ge=1, description="requests that are decoded together")
    context: int | None = Field(default=None, ge=2, description="tokens of prompt and reply; the model's unless set")
    chat_template: str | None = Field(
        default=None, description="a file with a Jinja template, where the model has none"
    )


def build(config: Config, model: str, revision: str | None) -> "TransformersEngine":
    """An engine that runs the model of a folder or hub id."""
    passive_threads()
    return TransformersEngine(config, model, revision)


class _Ticket(NamedTuple):
    request_id: str
    future: "asyncio.Future[Completion]"


class TransformersEngine:
    """A thread decodes; requests reach it by a queue, completions come back to the event loop as they end."""

    def __init__(self, config: Config, model: str, revision: str | None) -> None:
        self._config, self._name, self._revision = config, model, revision
        self._inbox: SimpleQueue[Row[_Ticket] | None] = SimpleQueue()
        self._pending: set[asyncio.Future[Completion]] = set()
        self._context = 0
        self._ending = "the engine was not started"

    @cached_property
    def identity(self) -> Identity:
        """The model, the digest of its files and of its template."""
        revision = revision_of(self._name, self._revision)
        return Identity(self._name, revision, "transformers", self._template.template_hash)

    async def __aenter__(self) -> Self:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="transformers")
        decoder = await loaded_by(self._thread, self._load)
        loop = asyncio.get_running_loop()
        self._ending = ""
        self._worker = loop.run_in_executor(self._thread, self._work, decoder, loop)
        self._worker.add_done_callback(self._ended)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inbox.put(None)
        await asyncio.wait([self._worker])
        self._thread.shutdown()

    async def complete(self, request: Request) -> Completion:
        """Sample one completion, decoded together with others; equal seeds give equal noise, whatever the others."""
        try:
            prompt = await self._template.prompt_aside(request.messages, request.prefix, request.tools)
        except UnrenderableError as exc:
            return refused(request, str(exc))
        tokens = len(prompt.ids)
        if not tokens:
            return refused(request, "the rendered prompt is empty")
        if tokens >= self._context:
            return overflow(request, tokens, self._context)
        if self._ending:
            raise EngineError(self._ending)
        return with_calls(await self._ask(request, prompt), request)

    @cached_property
    def _template(self) -> Template:
        return load_template(self._name, self._revision, self._config.chat_template)

    async def _ask(self, request: Request, prompt: Prompt) -> Completion:
        from tasks.engines.decoding import Row

        sampling = request.sampling
        future: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        limit = min(sampling.max_tokens, self._context - len(prompt.ids))
        seed = random.getrandbits(64) if sampling.seed is None else sampling.seed % 2**64
        self._inbox.put(Row(_Ticket(request.request_id, future), prompt.ids, sampling, limit, seed))
        return await future

    def _load(self) -> "Decoder[_Ticket]":
        from tasks.engines.decoding import Decoder

        model = load_model(self._name, self._revision, self._config)
        own = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        self._context = self._config.context or own or self._template.tokenizer.model_max_length
        return Decoder(model, self._template.tokenizer, self._config.batch)

    def _work(self, decoder: "Decoder[_Ticket]", loop: asyncio.AbstractEventLoop) -> None:
        """What the thread does: take in, decode, hand over, until it is told to end."""
        waiting: deque[Row[_Ticket]] = deque()
        while self._receive(waiting, idle=not decoder.rows):
            decoder.leave(lambda row: row.ticket.future.done())
            room = self._config.batch - len(decoder.rows)
            if room >= max(1, self._config.batch // _REFILL):
                taken = [waiting.popleft() for _ in range(min(room, len(waiting)))]
                decoder.admit([row for row in taken if not row.ticket.future.done()])
            if decoder.rows and (over := decoder.step()):
                loop.call_soon_threadsafe(_deliver, [(row.ticket.future, _completion(row)) for row in over])

    def _receive(self, waiting: "deque[Row[_Ticket]]", *, idle: bool) -> bool:
        """Move what came into `waiting`; with nothing to do, wait for it. False when told to end."""
        while not self._inbox.empty() or (idle and not waiting):
            row = self._inbox.get()
            if row is None:
                return False
            waiting.append(row)
        return True

    def _ended(self, worker: "asyncio.Future[None]") -> None:
        exc = worker.exception()
        self._ending = broke(self._name, exc) if exc else f"model {self._name}: the engine has ended"
        for future in self._pending:
            if not future.done():
                future.set_exception(EngineError(self._ending))


def _completion(row: "Row[_Ticket]") -> Completion:
    finish = row.finish or Finish.STOP
    prompt, taken = len(row.prompt), len(row.ids)
    return Completion(row.ticket.request_id, row.text, finish, prompt, taken, stopped=row.stopped)


def _deliver(done: list[tuple["asyncio.Future[Completion]", Completion]]) -> None:
    for future, completion in done:
        if not future.done():
            future.set_result(completion)
