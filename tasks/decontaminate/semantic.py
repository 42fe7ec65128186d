"""Problems that mean the same as a benchmark's item, in whatever words: close by their embeddings.

Rephrased or translated items share few n-grams with the original, and a model that saw them scores as one that saw the
test set (Yang et al. 2023, arXiv 2311.04850). Their LLM decontaminator is what this does: the nearest items by their
embeddings, then, where a recipe asks, a model that looks at these few pairs.
"""

from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from schemas.columns import SPANS
from schemas.conform import conform
from schemas.tables import CONTAMINATION
from tasks.decontaminate.sameness import SameProblem
from tasks.embed.model import EmbeddingConfig
from tasks.embed.search import nearest
from tasks.embed.store import vectors_of

MODE: Final = "semantic"


class Semantic(EmbeddingConfig):
    """Which embeddings say that a problem means the same as an item, and who looks at it again.

    With all-MiniLM-L6-v2, 12 of GSM8K's 7,473 train questions are at 0.85 from one of its test questions, 109 at 0.8,
    none at 0.9. Nearly all are another problem of the same kind, which only a judge tells apart.
    """

    threshold: float = Field(default=0.85, gt=0, le=1, description="least cosine, counted to four decimals")
    nearest: int = Field(default=3, ge=1, description="so many items of a benchmark are candidates for a problem")
    judge: SameProblem | None = Field(
        default=None,
        description="a model that is asked whether such a problem and item are the same; without one all are taken "
        "to be: `{model: <one of the recipe's models>}`",
    )


class Items(NamedTuple):
    """One benchmark's items: a table of benchmark, item and text, and the vector of each, shape [rows, dimensions]."""

    table: pa.Table
    vectors: NDArray[np.float32]


def resembling(problems: pa.Table, items: Items, config: Semantic) -> pa.Table:
    """CONTAMINATION rows for problems (row_id, vector) that are close to items; `coverage` is the cosine.

    Given are each problem's nearest items, and for each item its nearest problem, so that every item that is close to
    one counts. Sorted by problem and item.

    Raises:
        SchemaError: vectors are of differing length.
    """
    vectors = vectors_of(problems["row_id"], problems)
    ours = nearest(vectors, items.vectors, config.nearest, config.threshold)
    theirs = nearest(items.vectors, vectors, 1, config.threshold)
    rows, places = np.append(ours.rows, theirs.items), np.append(ours.items, theirs.rows)
    cosines = np.append(ours.cosines, theirs.cosines)
    _, firsts = np.unique(rows * max(len(items.table), 1) + places, return_index=True)
    benchmarks = items.table.select(["benchmark", "item"]).take(places[firsts])
    columns = {
        "problem_id": problems["row_id"].take(rows[firsts]),
        "trace_id": pa.nulls(len(firsts), pa.string()),
        "benchmark": benchmarks["benchmark"],
        "item": benchmarks["item"],
        "mode": [MODE] * len(firsts),
        "coverage": cosines[firsts],
        "spans": pa.array([[]] * len(firsts), SPANS),
        "reason": pa.nulls(len(firsts), pa.string()),
    }
    found = conform(pa.table(columns), CONTAMINATION, at=MODE)
    return found.sort_by([("problem_id", "ascending"), ("item", "ascending")])
