"""What a selector is: from a round's pool it says which problems and traces are not taken, and why."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.embed.model import EmbeddingConfig
from tasks.rows import positions
from tasks.text.strings import Column, filtered

GONE: Final = pa.schema([("row_id", pa.string()), ("reason", pa.string()), ("evidence", pa.string())])
"""One row for each problem or trace that is not taken; the evidence is JSON, or null."""
PROBLEMS: Final = ["problem_id", "domain", "question", "persona_id", "source"]
TRACES: Final = [
    "trace_id",
    "problem_id",
    "parent_trace_id",
    "origin",
    "model",
    "source",
    "completion_tokens",
    "source_labels",
    "search",
]


class Earlier(NamedTuple):
    """What earlier rounds kept, which stays: it counts towards budgets and caps."""

    problems: pa.Table
    """PROBLEMS."""
    traces: pa.Table
    """TRACES."""


class Pool(NamedTuple):
    """What a selector chooses from: a round's problems and traces that no stage, and no selector before it, dropped."""

    problems: pa.Table
    """PROBLEMS."""
    traces: pa.Table
    """TRACES, all of `problems`; and where each stands: status, score (both null where nobody judged it)."""
    texts: Column
    """The texts of `traces`, in their order."""
    samples: pa.Table
    """All traces of the round, with the columns of `traces`: a dropped copy of a right answer still was right."""
    ratings: pa.Table
    """judge, subject_id (a trace), score."""
    earlier: Earlier
    embeddings: Callable[[EmbeddingConfig], pa.Table]
    """row_id, vector: the questions of these problems and of those that earlier rounds kept."""

    def without(self, gone: "Gone") -> "Pool":
        """The pool that the next selector chooses from."""
        stays = absent(self.traces["trace_id"], gone.traces) & absent(self.traces["problem_id"], gone.problems)
        return self._replace(
            problems=self.problems.filter(pa.array(absent(self.problems["problem_id"], gone.problems))),
            traces=self.traces.filter(pa.array(stays)),
            texts=filtered(self.texts, stays),
        )


class Gone(NamedTuple):
    """What is not taken; traces of problems that go need not be named."""

    problems: pa.Table = GONE.empty_table()
    """GONE, of problem ids."""
    traces: pa.Table = GONE.empty_table()
    """GONE, of trace ids."""


class Selector(NamedTuple):
    """What a plug-in's `build(config)` returns."""

    drop: Callable[[Pool], Gone]
    """A pure function: what goes depends on the rows and their ids, not on their order."""
    looks_back: bool = False
    """Whether it reads `Pool.earlier`; a round is looked at again when an earlier one changes only then."""
    embedding: EmbeddingConfig | None = None
    """The model whose `Pool.embeddings` it reads."""
    names: tuple[str, ...] = ()
    """Models or samplers whose traces it looks for; there is something wrong where no trace is theirs."""


def gone(
    ids: "pa.ChunkedArray[Any]", which: NDArray[np.bool_], reason: "str | pa.Array[Any]", **evidence: Any
) -> pa.Table:
    """Rows of GONE for the ids that `which` marks.

    `reason` is one for all, or one for each id; so is each column of `evidence`, such as `rate=…`.
    """
    columns = {name: _column(values) for name, values in evidence.items()}
    mask = pa.array(which)
    count = int(which.sum())
    reasons = pa.array([reason] * count, pa.string()) if isinstance(reason, str) else reason.filter(mask)
    told = _json(pa.table(columns).filter(mask)) if columns and count else pa.nulls(count, pa.string())
    return pa.table([ids.filter(mask), reasons, told], schema=GONE)


def _column(values: Any) -> Any:
    """Numbers become a column in which NaN is null."""
    return pa.array(values, from_pandas=True) if isinstance(values, np.ndarray) else values


def absent(ids: "pa.ChunkedArray[Any]", those: pa.Table) -> NDArray[np.bool_]:
    """Which ids none of `those` rows of GONE is about."""
    missing: NDArray[np.bool_] = positions(ids, those["row_id"]) < 0
    return missing


def _json(columns: pa.Table) -> "pa.ChunkedArray[Any]":
    with duckdb.connect() as connection:
        connection.register("told", columns)
        found: Any = connection.sql("select to_json(told)::varchar as evidence from told").to_arrow_table()
    told: pa.ChunkedArray[Any] = found["evidence"]
    return told
