"""Which traces are reference solutions: they come along with problems, and no model is measured by them."""

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.tables import Origin

GOLD: Final = ("gold", "reference")
"""What the `model`, or the `source`, of a reference solution is called."""


def gold(traces: pa.Table) -> NDArray[np.bool_]:
    """Which traces (model, source, origin) are reference solutions: imported, and called so."""
    named: list[Any] = [pc.is_in(traces[column], value_set=pa.array(GOLD)) for column in ("model", "source")]
    imported: Any = pc.equal(traces["origin"], pa.scalar(Origin.IMPORTED.value))
    flags = [np.asarray(one).astype(np.bool_) for one in named]
    found: NDArray[np.bool_] = np.logical_or.reduce(flags) & np.asarray(imported).astype(np.bool_)
    return found


def samples(traces: pa.Table) -> pa.Table:
    """The traces (parent_trace_id, model, source, origin) by which a model's pass rate goes.

    One that goes on from another is no sample of its own, unless its strategy came to it by itself; nor is any other
    branch of a search. A reference solution is none at all.
    """
    return traces.filter(pa.array(sampled_by_model(traces)))


def sampled_by_model(traces: pa.Table) -> NDArray[np.bool_]:
    """Which traces those are."""
    alone: NDArray[np.bool_] = np.asarray(pc.is_null(traces["parent_trace_id"])).astype(np.bool_)
    sampled, searched = (
        np.asarray(pc.equal(traces["origin"], pa.scalar(one.value))).astype(np.bool_)
        for one in (Origin.GENERATED, Origin.SEARCHED)
    )
    return (alone | sampled) & ~searched & ~gold(traces)
