"""Reward models in a recipe: which models are some, and how the scores of steps become one number."""

from collections.abc import Sequence
from math import fsum, prod
from typing import Final, Literal

from tasks import plugins
from tasks.engines.models import KINDS, ModelConfig

REWARD: Final = "reward"
"""The verifier whose verdicts are a reward model's."""
RIGHT_FROM: Final = 0.5
"""A step with a greater score counts as right unless a recipe says otherwise."""
Reduction = Literal["last", "min", "prod", "mean"]


def scores(config: ModelConfig) -> bool:
    """Whether a model's engine scores replies, and writes none: its plug-in says `SCORES = True`.

    Raises:
        PluginError: there is no such kind of engine.
    """
    [kind] = config.engine
    return bool(getattr(plugins.load(KINDS, kind), "SCORES", False))


def reduced(scores: Sequence[float], how: Reduction) -> float | None:
    """One number of a reply's step scores, from 0 to 1; None where there are none.

    `min` and `prod` are those of Let's Verify Step by Step (Lightman et al. 2023, arXiv 2305.20050, appendix F), `last`
    that of Snell et al. 2024 (arXiv 2408.03314, section 5.1).
    """
    if not scores:
        return None
    if how == "last":
        return scores[-1]
    if how == "mean":
        return fsum(scores) / len(scores)
    return min(scores) if how == "min" else prod(scores)
