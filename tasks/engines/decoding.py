"""Continuous batching for a transformers model: rows join and leave between steps, each with its own sampling."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import numpy as np
import torch
from transformers.cache_utils import DynamicCache

from tasks.engines.contract import Finish, Sampling
from tasks.engines.detokenize import ANCHOR, decoded, text_after
from tasks.engines.sampling import draw, noise
from tasks.engines.slots import Slots

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

T = TypeVar("T")
_PREFILL: Final = 8192
"""Tokens, padding included, that go through the model at once."""


@dataclass(eq=False, slots=True)
class Row(Generic[T]):
    """A request in the decoder; `ticket` is whatever its owner knows it by."""

    ticket: T
    prompt: Sequence[int]
    sampling: Sampling
    limit: int
    """Tokens it may take."""
    seed: int
    ids: list[int] = field(default_factory=list)
    finish: Finish | None = None
    text: str = ""
    stopped: str | None = None


class Decoder(Generic[T]):
    """A model's slots and the rows in them; `rows[i]` is in slot i."""

    def __init__(self, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", slots: int) -> None:
        self.rows: list[Row[T]] = []
        self._model, self._tokenizer = model, tokenizer
        self._slots = Slots(model, slots)
        self._ends = _ends(model, tokenizer)

    def admit(self, rows: Sequence[Row[T]]) -> None:
        """Read the rows' prompts, all but the last token, which the next step takes. Equal prompts are read once."""
        waiting = sorted(rows, key=lambda row: len(row.prompt), reverse=True)
        while waiting:
            count = max(1, _PREFILL // len(waiting[0].prompt))
            self._prefill(waiting[:count])
            waiting = waiting[count:]

    @torch.inference_mode()
    def step(self) -> list[Row[T]]:
        """Sample a token for every row; the rows that ended with it have left."""
        tokens = torch.tensor([[row.ids[-1] if row.ids else row.prompt[-1]] for row in self.rows])
        logits = self._model(
            input_ids=tokens.to(self._model.device),
            use_cache=True,
            logits_to_keep=1,
            **self._slots.step(len(self.rows)),
        ).logits
        for row, token in zip(self.rows, self._draw(logits[:, -1].float()), strict=True):
            row.ids.append(token)
            row.finish = self._finish(row, token)
        return self.leave(lambda row: row.finish is not None)

    @torch.inference_mode()
    def leave(self, leaves: Callable[[Row[T]], bool]) -> list[Row[T]]:
        """Free the slots of the rows that leave, and return these."""
        left = []
        for index in range(len(self.rows) - 1, -1, -1):
            if leaves(self.rows[index]):
                left.append(self.rows[index])
                last = self.rows.pop()
                if index < len(self.rows):
                    self._slots.move(len(self.rows), index)
                    self.rows[index] = last
        return left

    @torch.inference_mode()
    def _prefill(self, rows: Sequence[Row[T]]) -> None:
        heads = [tuple(row.prompt[:-1]) for row in rows]
        place = {head: index for index, head in enumerate(dict.fromkeys(heads))}
        width = max(map(len, heads))
        cache = DynamicCache()
        if width:
            padded = torch.tensor([[*head, *[0] * (width - len(head))] for head in place])
            self._model(
                input_ids=padded.to(self._model.device), past_key_values=cache, use_cache=True, logits_to_keep=1
            )
        first = len(self.rows)
        slots = list(range(first, first + len(rows)))
        self._slots.fill(slots, [place[head] for head in heads], [len(head) for head in heads], cache)
        self.rows.extend(rows)

    def _draw(self, logits: torch.Tensor) -> list[int]:
        sampling = [row.sampling for row in self.rows]
        uniform = noise(
            np.array([row.seed for row in self.rows], np.uint64),
            np.array([len(row.ids) for row in self.rows], np.uint64),
        )
        drawn = draw(
            logits,
            logits.new_tensor([one.temperature for one in sampling]),
            logits.new_tensor([one.top_p for one in sampling]),
            torch.from_numpy(uniform).to(logits.device),
        )
        tokens: list[int] = drawn.tolist()
        return tokens

    def _finish(self, row: Row[T], token: int) -> Finish | None:
        if token in self._ends:
            row.text = self._text(row, row.ids[:-1])
            return Finish.STOP
        if row.sampling.stop and self._stopped(row):
            return Finish.STOP
        if len(row.ids) >= row.limit:
            row.text = self._text(row, row.ids)
            return Finish.LENGTH
        return None

    def _stopped(self, row: Row[T]) -> bool:
        """Whether the last token completed a stop text; then the row's text ends before it."""
        reach = max(len(stop.encode()) for stop in row.sampling.stop) + ANCHOR
        tail = decoded(self._tokenizer, row.ids[-reach:])
        if not any(stop in tail for stop in row.sampling.stop):
            return False
        text = self._text(row, row.ids)
        found = [(at, stop) for stop in row.sampling.stop if (at := text.find(stop)) >= 0]
        end, row.stopped = min(found, default=(None, None))
        row.text = text[:end]
        return bool(found)

    def _text(self, row: Row[T], ids: list[int]) -> str:
        return text_after(self._tokenizer, row.prompt, ids)


def _ends(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> frozenset[int]:
    told = model.generation_config.eos_token_id if model.generation_config else None
    several = told if isinstance(told, list) else [told]
    return frozenset(token for token in (*several, tokenizer.eos_token_id) if token is not None)
