"""Problems that mean the same in other words: close by their embeddings."""

from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from tasks.dedupe.near import Among
from tasks.embed.model import EmbeddingConfig
from tasks.embed.search import Kept, k_centres, keep_apart, nearest
from tasks.embed.store import vectors_of

SEMANTIC: Final = "semantic duplicate"
CROWDED: Final = "close to one of the centres"


class Semantic(EmbeddingConfig):
    """Which embeddings say that two problems mean the same.

    With all-MiniLM-L6-v2, 8 of 2,000 problems of GSM8K have another one at 0.85, and 2 at 0.95: the same story with
    other numbers, which only their references keep apart (`same_reference_only`).
    """

    threshold: float = Field(default=0.95, gt=0, le=1, description="least cosine, counted to four decimals")
    centres: int | None = Field(
        default=None,
        ge=1,
        description="keep so many problems of each round: those that cover all others best (k-centre); null: all",
    )


def semantic_twins(problems: pa.Table, embeddings: pa.Table, among: Among, threshold: float, apart: int = 0) -> Kept:
    """Find for each problem the one that is kept in its place; the order of preference is that of near duplicates.

    Args:
        problems: problem_id, size.
        embeddings: row_id, vector.
        among: labels, tiers and ids; groups are not looked at.
        threshold: least cosine.
        apart: so many of the best are known to be apart from each other.

    Raises:
        SchemaError: a problem has no vector.
    """
    ranks = np.empty(len(problems), np.int64)
    ranks[np.lexsort((among.ids, np.asarray(problems["size"]), among.tiers))] = np.arange(len(problems))
    return keep_apart(vectors_of(problems["problem_id"], embeddings), among.labels, ranks, threshold, apart)


def central(problems: pa.Table, embeddings: pa.Table, ids: NDArray[np.int64], count: int, apart: int = 0) -> Kept:
    """Keep `count` of the problems after the first `apart`, which stay: the farthest from what is kept, one by one.

    Args:
        problems: problem_id.
        embeddings: row_id, vector.
        ids: a number a problem, by which they are put in an order of their own.
        count: so many at most.
        apart: so many are kept in any case.

    Raises:
        SchemaError: a problem has no vector.
    """
    order = np.concatenate([np.arange(apart), apart + np.argsort(ids[apart:])])
    vectors = vectors_of(problems["problem_id"], embeddings)[order]
    chosen = k_centres(vectors, apart + count, seed=0, given=apart)
    rest = np.setdiff1d(np.arange(len(order)), chosen)
    close = nearest(vectors[rest], vectors[chosen], 1, threshold=-2)
    found = Kept(np.arange(len(order)), np.ones(len(order)))
    found.keepers[order[rest[close.rows]]] = order[chosen[close.items]]
    found.cosines[order[rest[close.rows]]] = close.cosines
    return found
