"""The table `embeddings`: each table that is embedded has its own, so that a new round's rows alone are embedded."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.conform import conform
from schemas.errors import SchemaError
from schemas.refs import Ref, Stage, Tables, joined
from schemas.tables import EMBEDDINGS
from tasks.alive import ID
from tasks.embed.model import Embedder, EmbeddingConfig, load_embedder
from tasks.engines.revision import revision_of
from tasks.lake import Lake
from tasks.progress import reported, watcher
from tasks.rows import positions
from tasks.shards import Shared

STAGE: Final = "embed"
VERSION: Final = "1"


def embed(lake: Lake, refs: Sequence[Ref], column: str, config: EmbeddingConfig) -> Tables:
    """Embed one column of these tables; those that are embedded already are not read.

    Raises:
        EngineError: there is no such model, or it cannot be loaded.
    """
    model = config.model, revision_of(config.model, config.revision)
    settings = {"model": config.model, "revision": model[1], "column": column}
    embedder = Shared(load_embedder, config.settled)

    def run(ref: Ref) -> Tables:
        stage = Stage(name=STAGE, version=VERSION, config=settings, inputs=(ref,), tables=("embeddings",))
        return lake.run(stage, lambda: lake.mapped([ref], _embedded, ref.table, column, model, embedder))

    with reported(STAGE, lake.row_count(refs)):
        return joined(*map(run, refs))


def vectors_of(ids: "pa.ChunkedArray[pa.StringScalar]", embeddings: pa.Table) -> NDArray[np.float32]:
    """The vector of each row, from a table with row_id and vector; shape [rows, dimensions].

    Raises:
        SchemaError: a row has none, or vectors are of differing length.
    """
    places = positions(ids, embeddings["row_id"])
    if (places < 0).any():
        missing = ids[int(np.flatnonzero(places < 0)[0])]
        raise SchemaError(f"embeddings: row {missing} has no vector, nor have {(places < 0).sum() - 1} more")
    vectors = cast("pa.ListArray[Any]", embeddings["vector"].combine_chunks())
    lengths = set(pc.list_value_length(vectors).to_pylist())
    if len(lengths) > 1:
        raise SchemaError(f"embeddings: vectors are of lengths {sorted(lengths)}; embed all rows with one model")
    values = np.asarray(vectors.flatten()).astype(np.float32, copy=False)
    return values.reshape(len(embeddings), max(lengths, default=0))[places]


def _embedded(
    rows: pa.Table, table: str, column: str, model: tuple[str, str | None], embedder: Shared[Embedder]
) -> Mapping[str, pa.Table]:
    vectors = embedder()([str(text) for text in rows[column].to_pylist()]).astype(np.float32)
    watcher().advanced(STAGE, len(rows))
    return {"embeddings": _table(table, rows[ID[table]], vectors, model)}


def _table(
    name: str, ids: "pa.ChunkedArray[pa.StringScalar]", vectors: NDArray[np.float32], model: tuple[str, str | None]
) -> pa.Table:
    count = len(ids)
    offsets = pa.array(np.arange(count + 1) * (vectors.size // max(count, 1)), pa.int32())
    columns = {
        "table": pa.array([name] * count, pa.string()),
        "row_id": ids,
        "model": pa.array([model[0]] * count, pa.string()),
        "model_revision": pa.array([model[1]] * count, pa.string()),
        "vector": pa.ListArray.from_arrays(offsets, pa.array(vectors.ravel())),
    }
    return conform(pa.table(columns), EMBEDDINGS, at=STAGE)
