"""Of traces that a search came to only the one that it chose is taken; traces that no search came to are let pass.

What it leaves out stays in the lake; a recipe whose pairs or labels of steps are to be made of it does without this.
"""

import pyarrow.compute as pc

from schemas.base import ConfigBase
from tasks.select.contract import Gone, Pool, Selector, gone
from tasks.standing import left_by_search


class Config(ConfigBase):
    """Nothing to set."""


def build(config: Config) -> Selector:  # noqa: ARG001 - every plug-in takes its settings
    """The selector."""
    return Selector(_drop)


def _drop(pool: Pool) -> Gone:
    search = pool.traces["search"]
    told = {name: pc.struct_field(search, name) for name in ("strategy", "value")}
    return Gone(
        traces=gone(pool.traces["trace_id"], left_by_search(search), "its search chose another, or none", **told)
    )
