"""Keys and values of rows of different lengths, a slot for each, so that rows come and go while others are decoded.

Column c of a slot is the row's position c. The rows at work are always the first slots: the last one moves to where
another ended. What an earlier row left behind a row's end is masked until it is written over.
"""

from typing import TYPE_CHECKING, Any, Final, cast

import torch
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from schemas.errors import EngineError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_GROWTH: Final = 256
"""Columns; the slots grow by this many at least."""
_ATTENTION: Final = {"full_attention", "sliding_attention"}


class Slots(Cache):
    """`count` slots of a model; what a step of decoding reads and writes.

    Raises:
        EngineError: the model has layers that remember in another way than by keys and values.
    """

    def __init__(self, model: "PreTrainedModel", count: int) -> None:
        super().__init__(layers=[])
        config = model.config.get_text_config()
        self._window = getattr(config, "sliding_window", None)
        plain = "sliding_attention" if self._window else "full_attention"
        self._kinds = set(getattr(config, "layer_types", None) or [plain])
        if not self._kinds <= _ATTENTION:
            raise EngineError(
                f"engine transformers cannot run a model with layers of kind {', '.join(self._kinds - _ATTENTION)}: "
                "use the engine vllm or openai"
            )
        self._count = count
        self._keys: list[torch.Tensor] = []
        """By layer, [slots, heads, columns, size]."""
        self._values: list[torch.Tensor] = []
        self._lengths = torch.zeros(count, dtype=torch.long, device=model.device)
        self._rows = torch.arange(count, device=model.device)
        self._width = 0

    def step(self, rows: int) -> dict[str, Any]:
        """Give each of the first `rows` slots one more column; returns what the model needs to fill it."""
        at = self._lengths[:rows].clone()
        self._at = (self._rows[:rows], at)
        self._width = int(at.max()) + 1
        self._lengths[:rows] += 1
        return {"position_ids": at[:, None], "attention_mask": self._masks(at), "past_key_values": self}

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *_args: Any, **_options: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Called by each layer with the new column, [rows, heads, 1, size]; returns all columns."""
        self._grow(layer_idx, key_states, value_states, self._width)
        row, column = self._at
        seen = []
        for stored, new in ((self._keys, key_states), (self._values, value_states)):
            stored[layer_idx][row, :, column] = new[:, :, 0]
            seen.append(stored[layer_idx][: len(row), :, : self._width])
        return seen[0], seen[1]

    def fill(self, slots: list[int], sources: list[int], lengths: list[int], prefilled: DynamicCache) -> None:
        """Put `lengths[i]` columns of row `sources[i]` of a right-padded prefill into slot `slots[i]`."""
        width = max(lengths)
        for index, layer in enumerate(prefilled.layers):
            keys, values = cast("DynamicLayer", layer).keys, cast("DynamicLayer", layer).values
            assert keys is not None
            assert values is not None
            self._grow(index, keys, values, width)
            self._keys[index][slots, :, :width] = keys[sources]
            self._values[index][slots, :, :width] = values[sources]
        self._lengths[slots] = torch.tensor(lengths, device=self._lengths.device)

    def move(self, source: int, target: int) -> None:
        """Put what slot `source` holds into slot `target`."""
        length = int(self._lengths[source])
        for stored in (*self._keys, *self._values):
            stored[target, :, :length] = stored[source, :, :length]
        self._lengths[target] = length

    def get_seq_length(self, layer_idx: int = 0) -> int:  # noqa: ARG002
        """Columns of the longest row."""
        return self._width

    def _grow(self, layer: int, keys: torch.Tensor, values: torch.Tensor, width: int) -> None:
        for stored, new in ((self._keys, keys), (self._values, values)):
            if layer == len(stored):
                stored.append(new.new_zeros(self._count, new.shape[1], 0, new.shape[3]))
            columns = stored[layer].shape[2]
            if columns < width:
                # Zeros, for a masked column that was never written must not hold NaN.
                wider = new.new_zeros(self._count, new.shape[1], max(width, 2 * columns, _GROWTH), new.shape[3])
                wider[:, :, :columns] = stored[layer]
                stored[layer] = wider

    def _masks(self, at: torch.Tensor) -> torch.Tensor | dict[str, torch.Tensor]:
        """Which columns each row sees, [rows, 1, 1, columns]; by kind of layer where a model has two."""
        column = torch.arange(self._width, device=at.device)
        full = (column <= at[:, None])[:, None, None]
        masks = {"full_attention": full}
        if self._window:
            masks["sliding_attention"] = full & (column > at[:, None] - self._window)[:, None, None]
        return masks if len(self._kinds) > 1 else masks[next(iter(self._kinds))]
