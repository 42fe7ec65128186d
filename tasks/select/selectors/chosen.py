"""Of traces that a search came to only the one that it chose is taken; traces that no search came to are let pass.

What it leaves out stays in the lake; a recipe whose pairs or labels of steps are to be made of it does without this.
"""

from typing import Any

import numpy as np
import pyarrow.compute as pc

from schemas.base import ConfigBase
from tasks.select.contract import Gone, Pool, Selector, gone


class Config(ConfigBase):
    """Nothing to set."""


def build(config: Config) -> Selector:  # noqa: ARG001 - every plug-in takes its settings
    """The selector."""
    return Selector(_drop)


def _drop(pool: Pool) -> Gone:
    search = pool.traces["search"]
    left: Any = pc.invert(pc.struct_field(search, "chosen"))
    which = np.asarray(left.fill_null(False)).astype(np.bool_)  # noqa: FBT003 - Arrow's own signature
    return Gone(
        traces=gone(
            pool.traces["trace_id"],
            which,
            "its search chose another branch, or none",
            strategy=pc.struct_field(search, "strategy"),
            value=pc.struct_field(search, "value"),
        )
    )
