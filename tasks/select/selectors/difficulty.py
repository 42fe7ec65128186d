"""What a model solves already is too easy: s1 drops the problems that either of two models gets right.

Muennighoff et al. 2025 (arXiv 2501.19393), section 2.2; there each model tries once.
"""

from functools import partial

import numpy as np
import pyarrow as pa
from pydantic import Field

from schemas.base import ConfigBase
from tasks.rows import positions
from tasks.select.contract import Gone, Pool, Selector, gone
from tasks.select.measures import by, rates


class Config(ConfigBase):
    """Whose samples say what is easy."""

    models: tuple[str, ...] = Field(min_length=1, description="models, or samplers; it takes one of them to solve it")
    solved: float | None = Field(
        default=None, gt=0, le=1, description="the share of a model's judged samples that must be right; null: any one"
    )
    drop_attempts: bool = Field(
        default=False, description="drop these models' traces too: they measure problems, and nobody is to learn them"
    )


def build(config: Config) -> Selector:
    """The selector with these settings."""
    return Selector(partial(_drop, config), names=config.models)


def _drop(config: Config, pool: Pool) -> Gone:
    found = {name: rates(pool, [name]) for name in config.models}
    solved = [one.right > 0 if config.solved is None else one.shares >= config.solved for one in found.values()]
    reasons = np.select(solved, [f"solved by {name}" for name in found], "")
    told = {name: np.round(one.shares, 4) for name, one in found.items()}
    problems = gone(pool.problems["problem_id"], np.any(solved, axis=0), pa.array(reasons, pa.string()), **told)
    return Gone(problems, _attempts(config, pool)) if config.drop_attempts else Gone(problems)


def _attempts(config: Config, pool: Pool) -> pa.Table:
    ids = pool.traces["trace_id"]
    theirs = positions(ids, by(pool.traces, config.models)["trace_id"]) >= 0
    return gone(ids, theirs, "an attempt that measures its problem")
