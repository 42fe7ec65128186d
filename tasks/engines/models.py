"""The models a recipe names: their engines, all on one event loop, started when first asked and ended together."""

import asyncio
import gc
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from weakref import WeakSet

from pydantic import Field, field_validator

from schemas.base import ConfigBase
from schemas.errors import RecipeError
from tasks import plugins
from tasks.engines.contract import Completion, Engine, Graded, Identity, Request, Scorer, Scores
from tasks.engines.flight import Job, fly
from tasks.engines.usage import Price, Usage

KINDS: Final = "tasks.engines.kinds"
T = TypeVar("T")
AnyEngine = Engine | Scorer


class ModelConfig(ConfigBase):
    """One model and the engine that runs it."""

    model: str = Field(description="a folder, a hub id, or the name a server knows it by")
    revision: str | None = Field(default=None, description="of a hub id; a folder is identified by its files")
    engine: dict[str, dict[str, Any]] = Field(
        default={"transformers": {}}, description="one kind with its settings; a bare `vllm` is `vllm: {}`"
    )
    slot: str | None = Field(
        default=None,
        min_length=1,
        description="a concurrency limit of Prefect's server, such as `gpu`: while this engine runs the run holds one "
        "slot of it, and its engines that name the same limit share that one; the engine starts once one is free",
    )

    price: Price | None = Field(default=None, description="what it costs, for the run's page; null: nobody knows")

    @field_validator("engine", mode="before")
    @classmethod
    def _settings(cls, value: object) -> object:
        return plugins.spelled_out(value)

    @field_validator("engine")
    @classmethod
    def _one(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        if len(value) != 1:
            raise ValueError(f"takes exactly one kind of engine, not {len(value)}")
        return value


Slots = Callable[[str], AbstractAsyncContextManager[None]]
"""By the name of a limit, what waits for a slot of it, and holds it until the block ends."""


def _free(_name: str) -> AbstractAsyncContextManager[None]:
    """Where nobody counts slots, there is always one."""
    return nullcontext()


class Models:
    """Engines by the names a recipe gives its models; `with` ends every engine that was started, whatever happened.

    Raises:
        RecipeError: an engine has no such setting.
        PluginError: there is no such kind of engine.
    """

    def __init__(self, configs: Mapping[str, ModelConfig], slots: Slots = _free) -> None:
        self._configs = configs
        self._slots = slots
        self._engines = {name: _build(name, config) for name, config in configs.items()}
        self._runner = asyncio.Runner()
        self._starting: dict[str, asyncio.Task[AnyEngine]] = {}
        self._started: dict[str, AnyEngine] = {}
        self._since: dict[str, float] = {}
        self._used: dict[str, Usage] = {}
        self._held: dict[str, asyncio.Task[None]] = {}
        self._ends = AsyncExitStack()
        self._streams: WeakSet[Generator[Any, None, None]] = WeakSet()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._stop()
        finally:
            self._runner.close()

    @property
    def used(self) -> dict[str, Usage]:
        """What was asked of each model so far, by its name; of those alone that were started. Any thread may look."""
        now = time.monotonic()
        up = {name: now - since for name, since in dict(self._since).items()}
        return {
            name: used._replace(seconds=used.seconds + up.get(name, 0.0)) for name, used in dict(self._used).items()
        }

    def also_used(self, elsewhere: Mapping[str, Usage]) -> None:
        """Add what was asked of the same models by others, on behalf of whoever has these."""
        for name, more in elsewhere.items():
            self._used[name] = self._used.get(name, Usage()).and_also(more)

    def rest(self) -> None:
        """End every engine, and give its slot back; whoever asks a model again starts its engine anew."""
        started = set(self._starting)
        self._stop()
        self._engines |= {name: _build(name, self._configs[name]) for name in started}
        for known in (self._starting, self._started, self._held):
            known.clear()

    def _stop(self) -> None:
        try:
            for stream in list(self._streams):
                stream.close()
            self._runner.run(self._end())
        finally:
            self._used = self.used
            self._since.clear()

    def identity(self, name: str) -> Identity:
        """The model and its template; the engine need not run. A folder goes by its own name, without its path.

        Raises:
            RecipeError: the recipe has no model of this name.
            EngineError: there is no such model.
        """
        found = self._engine(name).identity
        return found._replace(model=Path(found.model).name) if Path(found.model).is_dir() else found

    async def complete(self, name: str, request: Request) -> Completion:
        """Sample one completion from a model, inside a job of `stream`; the first starts the model's engine.

        Raises:
            RecipeError: the recipe has no model of this name, or it scores and does not write.
            EngineError: as `Engine.complete`, or the engine does not start.
        """
        engine = self._started.get(name) or await self._start(name)
        if not hasattr(engine, "complete"):
            raise RecipeError(f"models.{name}: it is a reward model, which scores and does not write; name another one")
        done = await engine.complete(request)
        self._used[name] = self._used[name].plus(done)
        return done

    async def score(self, name: str, request: Graded) -> Scores:
        """Have a reward model score a reply, inside a job of `stream`; the first starts the model's engine.

        Raises:
            RecipeError: the recipe has no model of this name, or it is no reward model.
            EngineError: as `Scorer.score`, or the engine does not start.
        """
        engine = self._started.get(name) or await self._start(name)
        if not hasattr(engine, "score"):
            raise RecipeError(
                f"models.{name}: it is no reward model; give it an engine that is, such as `reward: {{}}`"
            )
        done = await engine.score(request)
        self._used[name] = self._used[name].read(done.tokens)
        return done

    def stream(
        self, jobs: Iterable[Job[T]], *, every_s: float = 2.0, in_flight: int = 1024
    ) -> Generator[list[T], None, None]:
        """Run jobs, up to `in_flight` together, and yield what they emitted every `every_s` seconds.

        A list is never empty. `jobs` is pulled lazily, on the loop: it should be quick. Closing the generator, leaving
        the `with` or Ctrl+C cancels every job and waits for its end.

        Raises:
            Exception: whatever a job or `jobs` raised first, after all that was emitted before it has been yielded.
        """
        stream = fly(self._runner, jobs, every_s=every_s, in_flight=in_flight)
        self._streams.add(stream)
        return stream

    def _engine(self, name: str) -> AnyEngine:
        if name not in self._engines:
            known = ", ".join(sorted(self._engines)) or "none"
            raise RecipeError(f"unknown model {name!r}: the recipe's models are {known}")
        return self._engines[name]

    async def _start(self, name: str) -> AnyEngine:
        engine = self._engine(name)
        if name not in self._starting:
            self._starting[name] = asyncio.create_task(self._enter(name, engine))
        # Shielded: a request that is given up must not stop the engine that others wait for.
        return await asyncio.shield(self._starting[name])

    async def _enter(self, name: str, engine: AnyEngine) -> AnyEngine:
        if slot := self._configs[name].slot:
            if slot not in self._held:
                self._held[slot] = asyncio.create_task(self._ends.enter_async_context(self._slots(slot)))
            await asyncio.shield(self._held[slot])
        self._since[name] = time.monotonic()
        self._used.setdefault(name, Usage())
        self._started[name] = await self._ends.enter_async_context(engine)
        # Else the collector halts the loop for seconds, to look through all that the libraries hold.
        gc.freeze()
        return engine

    async def _end(self) -> None:
        tasks = [*self._starting.values(), *self._held.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        gc.unfreeze()
        await self._ends.aclose()


def _build(name: str, config: ModelConfig) -> AnyEngine:
    try:
        [(kind, settings)] = plugins.configure(KINDS, config.engine).items()
    except RecipeError as exc:
        raise type(exc)(f"models.{name}.engine: {exc}") from exc
    build: Callable[..., AnyEngine] = plugins.load(KINDS, kind).build
    return build(settings, config.model, config.revision)
