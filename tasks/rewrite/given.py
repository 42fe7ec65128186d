"""Continuations that came with a review: they are stored as they are, and never asked for again."""

from collections.abc import Sequence

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from schemas.conform import rows
from schemas.tables import COMPLETIONS


class Continuation(BaseModel):
    """What a model went on with from a rewritten step; what else is told of it is no matter."""

    model_config = ConfigDict(frozen=True, strict=True)

    id: str
    number: int
    text: str
    """It begins with the steps before the rewritten one, and that."""
    model: str | None = None
    model_revision: str | None = None
    engine: str | None = None
    template_hash: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish_reason: str | None = None


def completions(given: Sequence[tuple[str, Continuation]], stage: str) -> pa.Table:
    """Rows of COMPLETIONS, of continuations with the ids of the traces that were rewritten."""
    made: list[dict[str, object]] = [
        one.model_dump(exclude={"id"})
        | {"completion_id": one.id, "kind": stage, "subject_id": trace_id, "detail": None}
        for trace_id, one in given
    ]
    return rows(made, COMPLETIONS, at=stage)
