"""Problems that mean the same in other words: close by their embeddings."""

from typing import Final

import numpy as np
import pyarrow as pa
from pydantic import Field

from tasks.dedupe.near import Among
from tasks.embed.model import EmbeddingConfig
from tasks.embed.search import Kept, keep_apart
from tasks.embed.store import vectors_of

SEMANTIC: Final = "semantic duplicate"


class Semantic(EmbeddingConfig):
    """Which embeddings say that two problems mean the same.

    With all-MiniLM-L6-v2, 8 of 2,000 problems of GSM8K have another one at 0.85, and 2 at 0.95: the same story with
    other numbers, which only their references keep apart (`same_reference_only`).
    """

    threshold: float = Field(default=0.95, gt=0, le=1, description="least cosine, counted to four decimals")


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
