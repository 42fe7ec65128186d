"""Problems that cover all others best by their embeddings: each the farthest from those before it (k-centre).

Gonzalez 1985, Clustering to minimize the maximum intercluster distance; within twice the best possible radius.
"""

from functools import partial

import numpy as np
import pyarrow as pa
from pydantic import Field

from tasks.embed.model import EmbeddingConfig
from tasks.embed.search import k_centres, nearest
from tasks.embed.store import vectors_of
from tasks.select.contract import Gone, Pool, Selector, gone
from tasks.select.measures import by_id


class Config(EmbeddingConfig):
    """How many problems, by which embeddings."""

    count: int = Field(ge=1, description="problems in all; those that earlier rounds kept count, and stay")


def build(config: Config) -> Selector:
    """The selector with these settings."""
    return Selector(partial(_drop, config), looks_back=True, embedding=config)


def _drop(config: Config, pool: Pool) -> Gone:
    mine, before = pool.problems["problem_id"], pool.earlier.problems["problem_id"]
    if len(before) + len(mine) <= config.count:
        return Gone()
    order = np.argsort(by_id(mine))
    ids = pa.chunked_array([*before.chunks, *mine.take(order).chunks], pa.string())
    vectors = vectors_of(ids, pool.embeddings(config))
    chosen = k_centres(vectors, max(config.count, len(before)), seed=0, given=len(before))
    rest = np.setdiff1d(np.arange(len(ids)), chosen)
    close = nearest(vectors[rest], vectors[chosen], 1, threshold=-2)
    lost = order[rest[close.rows] - len(before)]
    goes, cosines, closest = np.zeros(len(mine), np.bool_), np.zeros(len(mine)), np.zeros(len(mine), np.int64)
    goes[lost], cosines[lost], closest[lost] = True, np.round(close.cosines, 4), chosen[close.items]
    return Gone(
        gone(
            mine,
            goes,
            f"not among {config.count} that are far apart",
            closest=ids.take(closest),
            cosine=cosines,
        )
    )
