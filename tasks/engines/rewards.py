"""What a reward model's scores of steps come to."""

from collections.abc import Sequence
from math import prod
from typing import Literal

Reduction = Literal["last", "min", "prod", "mean"]


def reduced(scores: Sequence[float], how: Reduction) -> float:
    """One number, from 0 to 1, for the scores of all steps (Lightman et al. 2023; Snell et al. 2024, section 5.1)."""
    match how:
        case "last":
            return scores[-1]
        case "min":
            return min(scores)
        case "prod":
            return prod(scores)
        case "mean":
            return sum(scores) / len(scores)
