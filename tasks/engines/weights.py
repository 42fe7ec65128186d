"""A model's weights in this process, by transformers."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, cast

from pydantic import Field

from schemas.base import ConfigBase
from schemas.errors import EngineError
from tasks.engines.revision import folder_of

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

T = TypeVar("T")

_LOADING: Final = threading.Lock()
"""transformers cannot load two models at once: weights of one stay on the meta device."""


class Weights(ConfigBase):
    """Where a model runs."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="auto: float32 on a CPU, elsewhere as the weights are stored"
    )
    device: str = Field(default="auto", description="such as cpu or cuda:1; auto: cuda where there is one")
    threads: int | None = Field(default=None, ge=1, description="CPU threads; torch's own choice unless set")


def passive_threads() -> None:
    """Have torch's threads wait without spinning; before torch is imported.

    Where other work has the cores, threads that spin for each other take 15 times as long.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


async def loaded_by(thread: ThreadPoolExecutor, load: Callable[[], T]) -> T:
    """What is loaded in the one thread that an engine works in; the thread ends where that fails."""
    try:
        return await asyncio.get_running_loop().run_in_executor(thread, load)
    except BaseException as exc:
        # A thread cannot be cancelled: it ends when it has loaded.
        thread.shutdown(wait=isinstance(exc, Exception))
        raise


def broke(name: str, exc: BaseException) -> str:
    """What is said of an engine that failed at its work."""
    hint = "; set a smaller `batch`" if "memory" in f"{type(exc).__name__} {exc}".lower() else ""
    return f"model {name}: the engine broke: {type(exc).__name__}: {exc}{hint}"


def load_model(
    name: str, revision: str | None, config: Weights, *, kind: str = "AutoModelForCausalLM", own_code: bool = False
) -> "PreTrainedModel":
    """The weights of a folder or hub id on the device that the settings name.

    Args:
        name: the folder or hub id.
        revision: of a hub id.
        config: device and type.
        kind: which of transformers' Auto classes loads it; code of the model's own that has none of this name is
            loaded as `AutoModel`.
        own_code: whether code that comes with the model may run.

    Raises:
        EngineError: there is no such model, it cannot be loaded, or it lacks weights of such a model.
    """
    import torch
    import transformers
    from safetensors import SafetensorError
    from transformers.utils import logging

    cast("Callable[[], None]", logging.disable_progress_bar)()
    if config.threads:
        torch.set_num_threads(config.threads)
    device = ("cuda" if torch.cuda.is_available() else "cpu") if config.device == "auto" else config.device
    dtype = "float32" if config.dtype == "auto" and device == "cpu" else config.dtype
    folder = folder_of(name)
    options: dict[str, Any] = {"local_files_only": True} if folder else {"revision": revision}
    options["trust_remote_code"] = own_code
    try:
        with _LOADING:
            about: PreTrainedConfig = transformers.AutoConfig.from_pretrained(str(folder or name), **options)
            auto: Any = getattr(transformers, _class_for(about, kind, own_code=own_code))
            loaded, told = auto.from_pretrained(str(folder or name), dtype=dtype, output_loading_info=True, **options)
        if told["missing_keys"]:
            lacking = ", ".join(sorted(told["missing_keys"])[:3])
            raise EngineError(f"model {name}: it lacks the weights {lacking}: it is no model for {kind}")
        model = cast("torch.nn.Module", loaded).eval()
        return cast("PreTrainedModel", model.to(device))
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, AssertionError, SafetensorError) as exc:
        raise EngineError(f"model {name} cannot be loaded: {type(exc).__name__}: {exc}") from exc


def _class_for(about: "PreTrainedConfig", kind: str, *, own_code: bool) -> str:
    classes = getattr(about, "auto_map", None) or {}
    return "AutoModel" if own_code and kind not in classes and "AutoModel" in classes else kind
