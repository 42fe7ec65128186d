"""What the tables' schemas are made of: kinds of columns that several tables, or other modules, share."""

from typing import Final

import pyarrow as pa

ASPECTS: Final = pa.map_(pa.string(), pa.float32())
LABELS: Final = pa.map_(pa.string(), pa.string())
MESSAGES: Final = pa.list_(pa.struct([pa.field("role", pa.string()), pa.field("content", pa.string())]))
SPANS: Final = pa.list_(
    pa.struct([pa.field("start", pa.int32()), pa.field("end", pa.int32()), pa.field("text", pa.string())])
)

SEARCH: Final = pa.struct(
    [
        pa.field("strategy", pa.string()),
        pa.field("value", pa.float32()),
        pa.field("visits", pa.int32()),
        pa.field("step_scores", pa.list_(pa.float32())),
        pa.field("scorer", pa.string()),
        pa.field("chosen", pa.bool_()),
        pa.field("note", pa.string()),
    ]
)
"""What a search says of a branch: what it is worth, how often it was looked at, what its steps are worth and by whom
(a reward model, or `rollouts`), whether it is what the search came to, and why; or why the search was broken off."""


def column(name: str, kind: pa.DataType) -> "pa.Field[pa.DataType]":
    """A column that is never null."""
    return pa.field(name, kind, nullable=False)


def maybe(name: str, kind: pa.DataType) -> "pa.Field[pa.DataType]":
    """A column that may be null."""
    return pa.field(name, kind, nullable=True)


def table(name: str, version: int, *columns: "pa.Field[pa.DataType]") -> pa.Schema:
    """A table by its name and version."""
    return pa.schema(columns, metadata={"tracemill.table": name, "tracemill.version": str(version)})


SAMPLED: Final = (
    maybe("model", pa.string()),
    maybe("model_revision", pa.string()),
    maybe("engine", pa.string()),
    maybe("template_hash", pa.string()),
    maybe("temperature", pa.float32()),
    maybe("top_p", pa.float32()),
    maybe("seed", pa.int64()),
    maybe("max_tokens", pa.int32()),
    maybe("prompt_tokens", pa.int32()),
    maybe("completion_tokens", pa.int32()),
    maybe("finish_reason", pa.string()),
)
"""What is known of a text that a model sampled: by which model, how, at what cost."""
