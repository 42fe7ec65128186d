"""Embedding models, by sentence-transformers: on a GPU where there is one."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Self, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from schemas.base import ConfigBase
from schemas.errors import EngineError
from tasks.engines.revision import folder_of
from tasks.engines.weights import passive_threads

Embedder: TypeAlias = Callable[[Sequence[str]], NDArray[np.float32]]
"""From texts to vectors of length 1, one a row. A text that is longer than the model can read is cut off."""


class EmbeddingConfig(ConfigBase):
    """Which model, and how it is run."""

    model: str = Field(description="a folder or a hub id that sentence-transformers loads")
    revision: str | None = Field(default=None, description="of a hub id: a branch, tag or commit")
    device: str | None = Field(default=None, description="such as cpu or cuda:1; a GPU where there is one unless set")
    batch: int = Field(default=64, ge=1, description="texts that are embedded together; those of like length are")

    UNSEEN: ClassVar = frozenset({"device", "batch"})
    """The settings on which no embedding depends, but for rounding."""

    @property
    def settled(self) -> Self:
        """The same, of a folder by its full path: another process has another working folder."""
        folder = folder_of(self.model)
        return self.model_copy(update={"model": str(folder.resolve())}) if folder else self


def load_embedder(config: EmbeddingConfig) -> Embedder:
    """Load a model.

    Raises:
        EngineError: there is no such model, or it cannot be loaded.
    """
    passive_threads()
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    cast("Callable[[], None]", logging.disable_progress_bar)()
    folder = folder_of(config.model)
    try:
        model = SentenceTransformer(
            str(folder or config.model),
            revision=None if folder else config.revision,
            device=config.device,
            local_files_only=folder is not None,
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, AssertionError, SafetensorError) as exc:
        raise EngineError(f"model {config.model} cannot be loaded: {type(exc).__name__}: {exc}") from exc

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = model.encode(list(texts), batch_size=config.batch, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, np.float32)

    return embed
