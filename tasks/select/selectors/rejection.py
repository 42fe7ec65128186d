"""Rejection sampling: only traces that stand as correct are taken, and the problems that have one.

DeepSeek-R1 keeps all right ones of each problem (arXiv 2501.12948, section 2.3.3). Pairs that need wrong traces cannot
be made of what is left.
"""

from schemas.base import ConfigBase
from schemas.tables import Status
from tasks.select.contract import Gone, Pool, Selector, gone
from tasks.select.measures import stands


class Config(ConfigBase):
    """Nothing to set; `caps` says how many of them."""


def build(config: Config) -> Selector:  # noqa: ARG001 - every plug-in takes its settings
    """The selector."""
    return Selector(_drop)


def _drop(pool: Pool) -> Gone:
    right = stands(pool.traces, Status.CORRECT)
    return Gone(traces=gone(pool.traces["trace_id"], ~right, "not correct", status=pool.traces["status"]))
