"""A window of pass rates: what is always or never solved teaches little.

Open-R1 keeps 0.1 < rate < 0.9 (its `scripts/pass_rate_filtering`).
"""

from functools import partial
from typing import Self

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from schemas.base import ConfigBase
from schemas.errors import RecipeError
from tasks.select.contract import Gone, Pool, Selector, gone
from tasks.select.measures import rates


class Config(ConfigBase):
    """The window, and whose samples count."""

    least: float | None = Field(default=0.1, ge=0, le=1, description="a rate must be above it; null: any")
    most: float | None = Field(default=0.9, ge=0, le=1, description="a rate must be below it; null: any")
    by: tuple[str, ...] = Field(default=(), description="models, or samplers, whose samples count; none: all")
    judged: int = Field(default=1, ge=1, description="samples that must be judged; a problem with fewer goes")

    @model_validator(mode="after")
    def _open(self) -> Self:
        if self.least is not None and self.most is not None and self.least >= self.most:
            raise RecipeError(f"pass_rate: no rate is above least {self.least} and below most {self.most}")
        return self


def build(config: Config) -> Selector:
    """The selector with these settings."""
    return Selector(partial(_drop, config), names=config.by)


def _drop(config: Config, pool: Pool) -> Gone:
    found = rates(pool, config.by)
    shares = found.shares
    few = found.judged < config.judged
    low = ~few & (shares <= (-1 if config.least is None else config.least))
    high = ~few & (shares >= (2 if config.most is None else config.most))
    reasons = np.select(
        [few, low],
        [f"fewer than {config.judged} judged samples", f"not above {config.least}"],
        f"not below {config.most}",
    )
    told = {"rate": np.round(shares, 4), "judged": found.judged, "right": found.right}
    return Gone(gone(pool.problems["problem_id"], few | low | high, pa.array(reasons, pa.string()), **told))
