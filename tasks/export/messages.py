"""Conversations as trainers read them: each row a list of {role, content}."""

from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field, field_validator

from schemas.base import ConfigBase
from schemas.tables import Domain
from tasks.places import portable
from tasks.prompts import INSTRUCTIONS, instructed
from tasks.rows import flat

MESSAGE: Final = pa.struct([pa.field("role", pa.string()), pa.field("content", pa.string())])
MESSAGES: Final = pa.list_(MESSAGE)

_CHUNK_BYTES: Final = 1 << 28


class Turn(NamedTuple):
    """One turn of every conversation: row i says `texts[rows[i]]`."""

    role: str
    texts: pa.LargeStringArray
    rows: NDArray[np.int64]


class PromptConfig(ConfigBase):
    """What stands before an answer."""

    system: str | None = Field(default=None, min_length=1, description="a system prompt for every conversation")
    instructions: dict[Domain, str] = Field(
        default={}, description="what follows the question, by domain; `asked`: what models are asked with unless set"
    )

    @field_validator("instructions", mode="before")
    @classmethod
    def _as_asked(cls, given: object) -> object:
        return dict(INSTRUCTIONS) if given == "asked" else given


def prompt(config: PromptConfig, problems: pa.Table, rows: NDArray[np.int64]) -> list[Turn]:
    """The turns before the answer: a system prompt if there is one, and the question of each row of `problems`."""
    question = Turn("user", _questions(config, problems), rows)
    if config.system is None:
        return [question]
    return [Turn("system", pa.array([config.system], pa.large_string()), np.zeros_like(rows)), question]


def _questions(config: PromptConfig, problems: pa.Table) -> pa.LargeStringArray:
    texts = flat(problems["question"])
    if not config.instructions:
        return texts
    known = pa.array([str(domain) for domain in Domain], pa.string())
    added = pa.array([instructed("", config.instructions.get(domain)) for domain in Domain], pa.large_string())
    which: Any = pc.index_in(problems["domain"], value_set=known)
    tails: Any = added.take(which.combine_chunks())
    joined: Any = pc.binary_join_element_wise(texts, tails, pa.scalar("", pa.large_string()))
    return flat(pa.chunked_array([joined]))


def portable_names(sources: "pa.ChunkedArray[Any]") -> "pa.ChunkedArray[Any]":
    """Where traces are from, without what paths tell of this machine."""
    named: Any = sources.dictionary_encode()
    chunks = [
        pa.array(portable(chunk.dictionary.to_pylist()), pa.string()).take(chunk.indices) for chunk in named.chunks
    ]
    return pa.chunked_array(chunks, pa.string())


def conversations(*turns: Turn) -> "pa.ChunkedArray[Any]":
    """The turns side by side (MESSAGES), in chunks small enough for 32-bit offsets."""
    count = len(turns[0].rows)
    sizes = np.zeros(count, np.int64)
    for turn in turns:
        texts: Any = turn.texts
        sizes += np.asarray(pc.fill_null(pc.binary_length(texts), 0), np.int64)[turn.rows]
    chunk = np.cumsum(sizes) // _CHUNK_BYTES
    bounds = [0, *(np.flatnonzero(np.diff(chunk)) + 1).tolist(), count]
    parts = [_chunk([Turn(turn.role, turn.texts, turn.rows[a:b]) for turn in turns]) for a, b in pairwise(bounds)]
    return pa.chunked_array(parts)


def _chunk(turns: list[Turn]) -> "pa.Array[Any]":
    width, count = len(turns), len(turns[0].rows)
    by_turn: Any = pa.concat_arrays([turn.texts.take(turn.rows) for turn in turns])
    by_row = np.arange(width * count).reshape(width, count).T.ravel()
    roles = pa.array([turn.role for turn in turns]).take(np.tile(np.arange(width), count))
    structs = pa.StructArray.from_arrays([roles, by_turn.take(by_row).cast(pa.string())], fields=list(MESSAGE))
    offsets = pa.array(np.arange(0, width * count + 1, width, dtype=np.int32), pa.int32())
    return pa.ListArray.from_arrays(offsets, structs)
