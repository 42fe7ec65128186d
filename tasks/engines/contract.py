"""What an engine is: a coroutine from a request to its completion, any number of them in flight together.

The engine decides how requests share the hardware (continuous batching, batches, bounded concurrency). Whatever
concerns one request, such as a prompt that is too long, is that request's outcome; an exception ends the run.
"""

from collections.abc import Iterable
from enum import StrEnum
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from pydantic import Field

from schemas.base import ConfigBase


class ToolCall(NamedTuple):
    """A function that the model wants called."""

    name: str
    arguments: str
    """JSON as the model wrote it: an object, if it is right."""
    call_id: str = ""


class Message(NamedTuple):
    """One turn of a conversation."""

    role: str
    """`system`, `user`, `assistant`, or `tool` for the result of a call."""
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    """What the assistant wants called; the results follow in this order."""
    name: str = ""
    """Of the tool whose result this is."""
    call_id: str = ""
    """Of the call whose result this is."""

    @property
    def said(self) -> tuple[str, ...]:
        """All that it says, for ids; of a turn without tools these are its role and its content."""
        called = (part for call in self.tool_calls for part in call)
        told = (self.name, self.call_id) if self.name or self.call_id else ()
        return (self.role, self.content, *called, *told)


def said_in(messages: Iterable[Message]) -> list[str]:
    """All that is said in these messages, for ids."""
    return [part for message in messages for part in message.said]


class Sampling(ConfigBase):
    """How a completion is sampled."""

    temperature: float = Field(default=0.7, ge=0, description="0 takes the likeliest token each time")
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int = Field(default=512, ge=1)
    stop: tuple[str, ...] = Field(default=(), description="texts that end the completion and are not part of it")
    seed: int | None = None


class Request(NamedTuple):
    """One completion to be sampled; the engine renders the messages with the model's own chat template."""

    request_id: str
    messages: tuple[Message, ...]
    sampling: Sampling
    prefix: str = ""
    """How the reply begins; the model goes on from exactly there."""
    json_schema: str | None = None
    """What the reply has to be: `vllm` and `openai` hold the model to it, `transformers` samples freely."""
    tools: tuple[str, ...] = ()
    """Functions that the model may call, each as JSON in OpenAI's form: {type: function, function: {name, …}}."""


class Finish(StrEnum):
    """How a completion ended."""

    STOP = "stop"
    """The model ended it, or a stop text did."""
    LENGTH = "length"
    """It reached max_tokens."""
    OVERFLOW = "context overflow"
    """The prompt leaves no room in the model's context; nothing was sampled."""
    REFUSED = "refused"
    """The engine turned this request down; nothing was sampled."""
    STEP = "step"
    """No engine says that: a search ended the text with a step, to go on from it or not."""


class Completion(NamedTuple):
    """What came of a request; `text` goes on from the request's prefix and does not repeat it."""

    request_id: str
    text: str
    finish: Finish
    prompt_tokens: int | None
    completion_tokens: int | None
    detail: str = ""
    """Why, where nothing was sampled; without secrets."""
    stopped: str | None = None
    """The stop text that ended it; None where none did, empty where a server does not say whether one did."""
    tool_calls: tuple[ToolCall, ...] = ()
    """What the model wants called, of a request with tools; `text` is what it said before that."""
    call_fault: str = ""
    """What is wrong with a call that cannot be read; `text` is then all that the model wrote."""


class Graded(NamedTuple):
    """A reply to be scored step by step; joined, the steps are the reply as far as it goes."""

    request_id: str
    messages: tuple[Message, ...]
    steps: tuple[str, ...]


class Scores(NamedTuple):
    """What a reward model makes of a reply."""

    request_id: str
    scores: tuple[float, ...]
    """From 0 to 1, one a step; none where it could not be scored."""
    tokens: int | None
    """What the model read."""
    detail: str = ""
    """Why, where it could not be scored; without secrets."""


class Identity(NamedTuple):
    """What a trace says of the model that wrote it."""

    model: str
    revision: str | None
    """A hub revision, or the digest of a local folder's files."""
    engine: str
    template_hash: str | None
    """Of the chat template; None where a server renders the messages with its own."""


class Samples(Protocol):
    """A recipe's models, by their names in it."""

    def identity(self, name: str) -> Identity:
        """What a trace or a completion says of its model."""

    async def complete(self, name: str, request: Request) -> Completion:
        """Sample one completion."""


class Grading(Samples, Protocol):
    """The same, and the reward models among them."""

    async def score(self, name: str, request: Graded) -> Scores:
        """Have a reward model score a reply."""


class Engine(Protocol):
    """What an engine plug-in's `build(config, model, revision)` returns. `async with` starts and ends it."""

    @property
    def identity(self) -> Identity:
        """The model and its template; known without starting the engine.

        Raises:
            EngineError: there is no such model.
        """

    async def __aenter__(self) -> Self:
        """Load the model or reach the server.

        Raises:
            EngineError: no model at the path, no server at the address, or it lacks the model.
        """

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give everything back; no process or thread outlives this."""

    async def complete(self, request: Request) -> Completion:
        """Sample one completion. Cancelling it drops the request from the engine.

        Raises:
            EngineError: the engine broke, or stayed out of reach for longer than its patience.
        """


class Scorer(Protocol):
    """What the plug-in of a reward model's engine builds; all but `score` is as in `Engine`."""

    @property
    def identity(self) -> Identity:
        """The model and its template."""

    async def __aenter__(self) -> Self:
        """Load the model."""

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give everything back."""

    async def score(self, request: Graded) -> Scores:
        """Score one reply. What concerns it alone, such as too long a text, is its outcome.

        Raises:
            EngineError: the engine broke.
        """
