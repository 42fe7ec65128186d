"""A reward model in this process by transformers: on a CPU out of the box, on a GPU where there is one."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from pydantic import Field

from schemas.errors import EngineError
from tasks.engines.contract import Graded, Identity, Scores
from tasks.engines.grading import Grader, Numbers, Reading, Text
from tasks.engines.weights import Weights, broke, load_model, loaded_by, passive_threads

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

SCORES: Final = True
_CLASSES: Final = {
    "tokens": "AutoModelForCausalLM",
    "token_classification": "AutoModelForTokenClassification",
    "sequence": "AutoModelForSequenceClassification",
}


class Config(Reading, Weights):
    """How the scores are read, and how transformers runs the model."""

    batch: int = Field(default=32, ge=1, description="texts that are read together")
    context: int | None = Field(default=None, ge=2, description="tokens of a text; the model's unless set")


def build(config: Config, model: str, revision: str | None) -> "RewardEngine":
    """An engine that has the model of a folder or hub id score replies."""
    passive_threads()
    return RewardEngine(config, model, revision)


class _Waiting(NamedTuple):
    text: Text
    future: "asyncio.Future[list[Numbers]]"


class RewardEngine:
    """Texts that wait are read together, those of a length side by side, by a thread."""

    def __init__(self, config: Config, model: str, revision: str | None) -> None:
        self._config, self._name, self._revision = config, model, revision
        self._waiting: list[_Waiting] = []
        self._pending: set[asyncio.Future[list[Numbers]]] = set()
        self._reading: asyncio.Task[None] | None = None
        self._model: _Model | None = None

    @cached_property
    def identity(self) -> Identity:
        """The model, the digest of its files, of its template and of how it is read."""
        return self._grader.identity("reward")

    async def __aenter__(self) -> Self:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reward")
        self._model = await loaded_by(self._thread, self._load)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        self._thread.shutdown()
        self._model = None

    async def score(self, request: Graded) -> Scores:
        """Score one reply, read together with others; equal replies score alike, whatever the others."""
        assert self._model is not None, "the engine has not been started"
        return await self._grader.graded(request, self._model.context, self._ask)

    @cached_property
    def _grader(self) -> Grader:
        return Grader(self._config, self._name, self._revision)

    def _load(self) -> "_Model":
        config = self._config
        kind, own_code = _CLASSES[config.head], config.trust_remote_code
        weights = load_model(self._name, self._revision, config, kind=kind, own_code=own_code)
        return _Model(weights, self._grader, config)

    async def _ask(self, text: Text) -> list[Numbers]:
        assert self._model is not None
        future: asyncio.Future[list[Numbers]] = asyncio.get_running_loop().create_future()
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        self._waiting.append(_Waiting(text, future))
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read(self._model))
            self._reading.add_done_callback(self._ended)
        return await future

    async def _read(self, model: "_Model") -> None:
        """Read until nothing waits any more."""
        # First whoever asks in the same turn of the loop.
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        while self._waiting:
            waiting = sorted(self._waiting, key=lambda one: len(one.text.ids))
            self._waiting.clear()
            for start in range(0, len(waiting), model.batch):
                batch = [one for one in waiting[start : start + model.batch] if not one.future.done()]
                told = await loop.run_in_executor(self._thread, model.read, [one.text for one in batch])
                for one, numbers in zip(batch, told, strict=True):
                    if not one.future.done():
                        one.future.set_result(numbers)

    def _ended(self, reading: "asyncio.Task[None]") -> None:
        exc = None if reading.cancelled() else reading.exception()
        if exc is None:
            return
        self._waiting.clear()
        for future in list(self._pending):
            future.set_exception(EngineError(broke(self._name, exc)))


class _Model:
    """Weights, and what they say of texts."""

    def __init__(self, model: "PreTrainedModel", grader: Grader, config: Config) -> None:
        about = model.config.get_text_config()
        own = getattr(about, "max_position_embeddings", None)
        self.context: int = config.context or own or grader.template.tokenizer.model_max_length
        self._model, self._head = model, config.head
        self._says = list(grader.tokens()) if self._head == "tokens" else []
        pad = getattr(about, "pad_token_id", None)
        self._pad = pad or 0
        self.batch = 1 if self._head == "sequence" and pad is None else config.batch
        """At most; transformers finds where a text ends by the token that it is padded with."""

    def read(self, texts: Sequence[Text]) -> list[list[Numbers]]:
        """Of each text, what the model says at its places."""
        import torch

        if not texts:
            return []

        ids, mask = self._padded(texts)
        places = sorted({place for text in texts for place in text.places})
        # Logits of all tokens, for a vocabulary of 100,000 and more, would fill the memory.
        few: dict[str, Any] = {"logits_to_keep": torch.tensor(places, device=ids.device)} if self._says else {}
        with torch.inference_mode():
            said = self._model(input_ids=ids, attention_mask=mask, use_cache=False, **few)
        logits: torch.Tensor = said.logits if hasattr(said, "logits") else said[0]
        if self._head == "sequence":
            return [[row] for row in logits.float().tolist()]
        if self._says:
            kept = logits[:, :, self._says].float()
            column = {place: at for at, place in enumerate(places)}
            return [[kept[row, column[place]].tolist() for place in text.places] for row, text in enumerate(texts)]
        return [logits[row, list(text.places)].float().tolist() for row, text in enumerate(texts)]

    def _padded(self, texts: Sequence[Text]) -> "tuple[torch.Tensor, torch.Tensor]":
        import torch

        longest = max(len(text.ids) for text in texts)
        ids = [[*text.ids, *[self._pad] * (longest - len(text.ids))] for text in texts]
        mask = [[1] * len(text.ids) + [0] * (longest - len(text.ids)) for text in texts]
        device = self._model.device
        return torch.tensor(ids, device=device), torch.tensor(mask, device=device)
