"""vLLM inside this process: all requests in flight together, batched continuously by its own scheduler.

The model itself runs in processes that vLLM starts; none of them outlives the engine (`tasks/engines/guard.py`).
"""

import asyncio
import gc
import os
from collections.abc import Sequence
from functools import cached_property
from itertools import count
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from pydantic import Field

from schemas.base import ConfigBase
from schemas.errors import EngineError, RecipeError
from tasks.engines.contract import Completion, Engine, Finish, Identity, Request
from tasks.engines.detokenize import text_after
from tasks.engines.guard import Guard
from tasks.engines.outcomes import overflow, refused
from tasks.engines.revision import revision_of
from tasks.engines.template import Template, load_template
from tasks.engines.tool_calls import with_calls

if TYPE_CHECKING:
    from vllm import AsyncEngineArgs, AsyncLLMEngine, SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

_MESSAGE_MAX: Final = 500
_ENVIRONMENT: Final = {
    "VLLM_CPU_KVCACHE_SPACE": "2",  # GiB; else it takes nine tenths of the memory
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    # Its workers end before they hand their memory back; Python's tracker does that, and need not say so.
    "PYTHONWARNINGS": "ignore::FutureWarning,ignore::UserWarning:multiprocessing.resource_tracker",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
}
"""Set where the environment does not: quiet unless something fails, and no forks of a process with threads."""
_ON_CPU: Final = {"enforce_eager": True, "enable_chunked_prefill": False}
"""vLLM 0.32 dies there of a prompt that is read in parts and whose request has a seed."""
_COMPACT_JSON: Final = {"structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True}}
"""Else a reply that is held to a JSON schema may be blanks without end, which are JSON too."""


class Config(ConfigBase):
    """What vLLM is started with; what is not given is vLLM's own default."""

    tensor_parallel_size: int = Field(default=1, ge=1, description="GPUs that share one copy of the model")
    data_parallel_size: int = Field(default=1, ge=1, description="copies of the model")
    gpu_memory_utilization: float | None = Field(default=None, gt=0, le=1)
    max_model_len: int | None = Field(default=None, ge=1, description="tokens of prompt and completion together")
    max_num_seqs: int | None = Field(default=None, ge=1, description="completions that are sampled in one step")
    dtype: str = "auto"
    quantization: str | None = None
    enforce_eager: bool | None = Field(default=None, description="no graphs, no compiling; so on CPU unless given")
    seed: int = 0
    chat_template: str | None = Field(default=None, description="a file with a Jinja template, instead of the model's")
    engine_args: dict[str, Any] = Field(default={}, description="any other of vLLM's AsyncEngineArgs")


def build(config: Config, model: str, revision: str | None) -> Engine:
    """The engine, not yet started."""
    return VllmEngine(config, model, revision)


class _Package(NamedTuple):
    """What is used of vLLM."""

    engine: "type[AsyncLLMEngine]"
    engine_args: "type[AsyncEngineArgs]"
    sampling_params: "type[SamplingParams]"
    structured: "type[StructuredOutputsParams]"
    final_only: Any
    offline: Any
    """Tells vLLM to be set up for throughput: otherwise it takes in fewer completions at once by default."""
    dead: type[Exception]
    refusals: tuple[type[Exception], ...]
    on_cpu: bool


class VllmEngine:
    """vLLM's AsyncLLM behind the contract of engines."""

    def __init__(self, config: Config, model: str, revision: str | None) -> None:
        self._config = config
        self._model = model
        self._revision = revision
        self._numbers = count()
        self._guard: Guard | None = None
        self._package: _Package | None = None
        self._llm: AsyncLLMEngine | None = None

    @cached_property
    def identity(self) -> Identity:
        """The model and its template; see `Engine`."""
        revision = revision_of(self._model, self._revision)
        return Identity(self._model, revision, "vllm", self._template.template_hash)

    @cached_property
    def _template(self) -> Template:
        return load_template(self._model, self._revision, self._config.chat_template)

    async def __aenter__(self) -> Self:
        """Load the model, in a thread; see `Engine`."""
        assert self.identity
        # Apart from the loading: an exception that some module keeps from its import would keep vLLM alive too.
        self._package = await asyncio.to_thread(_import)
        args = _engine_args(self._package, self._config, self._model, self._revision)
        self._guard = Guard()
        loading = asyncio.ensure_future(asyncio.to_thread(_load, self._package, args, self._guard))
        try:
            self._llm = await asyncio.shield(loading)
        except Exception as exc:
            await asyncio.to_thread(self._guard.close)
            raise EngineError(f"model {self._model}: vLLM cannot load it: {_message(exc)}") from exc
        except BaseException:
            # A thread cannot be cancelled: kill what it has started, and wait for it to notice.
            await asyncio.to_thread(self._guard.close)
            await _given_up(loading)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Shut vLLM down; see `Engine`."""
        assert self._llm is not None
        assert self._guard is not None
        # Not in a thread: vLLM's own task must not see its processes go, and call that an error.
        self._llm.shutdown()
        # vLLM's finalizer fails when it runs as late as the interpreter's own end.
        self._llm = None
        gc.collect()
        await asyncio.to_thread(self._guard.close)

    async def complete(self, request: Request) -> Completion:
        """Sample one completion; see `Engine`."""
        assert self._llm is not None, "the engine has not been started"
        assert self._package is not None
        try:
            ids = (await self._template.prompt_aside(request.messages, request.prefix, request.tools)).ids
            if len(ids) >= self._context:
                return overflow(request, len(ids), self._context)
            return with_calls(await self._sample(self._llm, self._package, request, list(ids)), request)
        except self._package.dead as exc:
            raise EngineError(f"model {self._model}: {_DEAD}") from exc
        except self._package.refusals as exc:
            return refused(request, str(exc))

    async def _sample(self, llm: "AsyncLLMEngine", package: _Package, request: Request, ids: list[int]) -> Completion:
        params = _params(package, request, self._context - len(ids))
        # The form with a type is passed on as it is, without a detour through vLLM's thread for tokenizing.
        prompt: Any = {"type": "token", "prompt_token_ids": ids}
        # What may take longest first: else the batch runs dry behind the last long ones.
        name, order = str(next(self._numbers)), -int(params.max_tokens or 0)
        async for output in llm.generate(prompt, params, name, priority=order):
            final = output.outputs[0]
        if final.finish_reason not in ("stop", "length"):
            return refused(request, f"vLLM gave it up: {final.finish_reason}")
        finish = Finish(final.finish_reason)
        text = final.text if params.detokenize else self._text(ids, final.token_ids, finish)
        stopped = final.stop_reason if isinstance(final.stop_reason, str) else None
        return Completion(request.request_id, text, finish, len(ids), len(final.token_ids), stopped=stopped)

    def _text(self, prompt: Sequence[int], ids: Sequence[int], finish: Finish) -> str:
        # What ended the completion is no part of it, special token or not.
        said = ids[:-1] if finish is Finish.STOP else ids
        return text_after(self._template.tokenizer, prompt, said)

    @property
    def _context(self) -> int:
        assert self._llm is not None
        return int(self._llm.model_config.max_model_len)


_INSTALL: Final = (
    "pip install 'tracemill[vllm]'; on a machine without a GPU, `make test-vllm` makes .venv-vllm, which has it"
)
_DEAD: Final = (
    "vLLM's engine died; what it wrote above says why. What was finished is stored, and the same command goes on from "
    "there; if memory ran out, lower max_num_seqs, max_model_len or gpu_memory_utilization"
)


def _import() -> _Package:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        from vllm import AsyncEngineArgs, AsyncLLMEngine, SamplingParams
        from vllm.exceptions import VLLMClientError
        from vllm.platforms import current_platform
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.exceptions import EngineDeadError
    except ImportError as exc:
        raise EngineError(f"vllm cannot be imported ({exc}): {_INSTALL}") from exc
    return _Package(
        engine=AsyncLLMEngine,
        engine_args=AsyncEngineArgs,
        sampling_params=SamplingParams,
        structured=StructuredOutputsParams,
        final_only=RequestOutputKind.FINAL_ONLY,
        offline=UsageContext.LLM_CLASS,
        dead=EngineDeadError,
        refusals=(VLLMClientError, ValueError),  # UnrenderableError is a ValueError too
        on_cpu=current_platform.is_cpu(),
    )


def _engine_args(package: _Package, config: Config, model: str, revision: str | None) -> "AsyncEngineArgs":
    given = config.model_dump(exclude={"engine_args", "chat_template"}, exclude_none=True)
    ours: dict[str, Any] = {
        "model": model,
        "revision": revision,
        "tokenizer_revision": revision,
        "enable_prefix_caching": True,
        "scheduling_policy": "priority",
    }
    quiet = {"disable_log_stats": True, "use_tqdm_on_load": False}
    try:
        ours |= quiet | _COMPACT_JSON | (_ON_CPU if package.on_cpu else {})
        return package.engine_args(**(ours | given | config.engine_args))
    except (TypeError, ValueError) as exc:
        raise RecipeError(f"engine vllm: engine_args: {_message(exc)}") from exc


def _load(package: _Package, args: "AsyncEngineArgs", guard: Guard) -> "AsyncLLMEngine":
    with guard.marking():
        return package.engine.from_engine_args(args, usage_context=package.offline)


async def _given_up(loading: "asyncio.Future[AsyncLLMEngine]") -> None:
    await asyncio.wait([loading])
    if loading.exception() is None:
        loading.result().shutdown()


def _params(package: _Package, request: Request, room: int) -> "SamplingParams":
    sampling, schema = request.sampling, request.json_schema
    return package.sampling_params(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=min(sampling.max_tokens, room),
        stop=list(sampling.stop),
        detokenize=bool(sampling.stop),  # else once, at the end, which takes half the time
        seed=sampling.seed,
        structured_outputs=package.structured(json=schema) if schema else None,
        output_kind=package.final_only,
    )


def _message(exc: BaseException) -> str:
    """On one line: pydantic says in the first how many errors there are, and then which."""
    return " ".join(str(exc).split())[:_MESSAGE_MAX] or type(exc).__name__
