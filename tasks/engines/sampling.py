"""Drawing the next token of many rows at once, each row by its own noise."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

_TEMPERATURE_MIN = 1e-5


def noise(seeds: npt.NDArray[np.uint64], steps: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    """The `steps`-th uniform number in [0, 1) of each seed's own stream: it depends on nothing else.

    The stream is SplitMix64 (Steele, Lea & Flood, OOPSLA 2014), whose n-th number needs no state.
    """
    mixed = _mix(_mix(seeds) + (steps + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15))
    return (mixed >> np.uint64(32)).astype(np.float64) / 2.0**32


def draw(
    logits: "torch.Tensor", temperature: "torch.Tensor", top_p: "torch.Tensor", uniform: "torch.Tensor"
) -> "torch.Tensor":
    """One token for each row of `logits` [rows, tokens], where `uniform` [rows] falls in its cumulative distribution.

    A row of temperature 0 takes the likeliest token. Nucleus: Holtzman et al., ICLR 2020.
    """
    import torch

    likeliest = logits.argmax(-1)
    if not bool((temperature > 0).any()):
        return likeliest
    probabilities = torch.softmax(logits / temperature.clamp(min=_TEMPERATURE_MIN)[:, None], -1)
    if bool((top_p < 1).any()):
        ordered, order = probabilities.sort(-1, descending=True)
        ordered[ordered.cumsum(-1) - ordered >= top_p[:, None]] = 0
        probabilities = torch.zeros_like(probabilities).scatter_(-1, order, ordered)
    # In double precision, for in single the product below could round up to the sum and fall behind the last token.
    cumulative = probabilities.cumsum(-1, dtype=torch.float64)
    drawn = torch.searchsorted(cumulative, uniform[:, None] * cumulative[:, -1:], right=True)[:, 0]
    return torch.where(temperature > 0, drawn.clamp(max=logits.shape[-1] - 1), likeliest)


def _mix(value: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
