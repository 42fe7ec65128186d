"""Texts that were not copied whole: drawings in characters, pictures that are not there, numbers of another list.

s1 (Muennighoff et al. 2025, arXiv 2501.19393, section 2.2) drops what has string patterns of formatting issues, such as
ASCII art diagrams, references to images that do not exist, or inconsistent question numbering. The paper does not print
its patterns: these are ours, and tend to let a text pass.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field, model_validator

from schemas.base import ConfigBase
from schemas.errors import RecipeError
from tasks.select.contract import Gone, Pool, Selector, gone
from tasks.text.strings import Column

DRAWING: Final = (
    r"\[asy\]|\+[-=]{3,}\+|[\x{2500}-\x{257F}]{3}"  # Asymptote's code, a frame, characters made for frames
    r"|(?m:^[ \t|_]*[/\\][ \t|_]+[/\\][ \t|_/\\]*$)"  # a line of strokes
)
PICTURE: Final = (
    r"!\[[^\]\n]*\]\(|<img\b|\\includegraphics"
    r"|(?i:\b(?:figure|diagram|picture|image|photo)s? (?:below|above|shown|(?:to|on) the (?:left|right))\b"
    r"|\b(?:accompanying|attached|following) (?:figure|diagram|picture|image|photo)\b"
    r"|\b(?:see|shown in|as in|refer to) (?:the|this) (?:figure|diagram|picture|image|photo)\s*(?:[.,;:?)]|$))"
)
NUMBERED: Final = (
    r"\A\s*(?:\d{1,3}[.)]\s|\([a-z]\)\s|#\d+\b|(?i:(?:problem|question|exercise|example)\s+\d+(?:\.\d+)*\s*[.:)]))"
)
_SHOWN: Final = 200


class Config(ConfigBase):
    """Patterns by name, in RE2's syntax; what is given takes the place of all that stand here."""

    question: dict[str, str] = Field(
        default={"drawing": DRAWING, "picture": PICTURE, "list number": NUMBERED},
        description="faults of a question: its problem goes",
    )
    trace: dict[str, str] = Field(
        default={"drawing": DRAWING, "picture link": r"!\[[^\]\n]*\]\(|<img\b|\\includegraphics"},
        description="faults of a trace, which goes; with the last one its problem",
    )
    least_tokens: int | None = Field(
        default=None, ge=1, description="of a trace; one whose tokens are unknown is let pass"
    )
    most_tokens: int | None = Field(
        default=None, ge=1, description="of a trace; one whose tokens are unknown is let pass"
    )

    @model_validator(mode="after")
    def _patterns(self) -> Self:
        for table, patterns in (("question", self.question), ("trace", self.trace)):
            for name, pattern in patterns.items():
                try:
                    pc.extract_regex(pa.array([""]), _named(pattern))
                except pa.ArrowInvalid as exc:
                    raise RecipeError(f"quality.{table}.{name}: not a pattern that RE2 reads: {exc}") from exc
        return self


def build(config: Config) -> Selector:
    """The selector with these settings."""
    return Selector(partial(_drop, config))


def _drop(config: Config, pool: Pool) -> Gone:
    asked = _faults(pool.problems["question"], config.question, "in the question")
    told = _faults(pool.texts, config.trace, "in the trace")
    length = _of_length(config, pool)
    reasons = pc.if_else(pa.array(length == ""), told["fault"], pa.array(length))
    return Gone(
        _gone(pool.problems["problem_id"], asked["fault"], asked),
        _gone(pool.traces["trace_id"], reasons, told, tokens=pool.traces["completion_tokens"]),
    )


def _gone(ids: "pa.ChunkedArray[Any]", fault: Any, faults: pa.Table, **evidence: Any) -> pa.Table:
    flat = pa.chunked_array([fault]) if isinstance(fault, pa.Array) else fault
    which = np.asarray(pc.is_valid(flat)).astype(np.bool_)
    return gone(ids, which, flat.combine_chunks(), found=faults["found"], **evidence)


def _of_length(config: Config, pool: Pool) -> NDArray[np.str_]:
    given: Any = pool.traces["completion_tokens"]
    tokens = np.asarray(given.fill_null(-1), np.int64)
    short = (tokens >= 0) & (tokens < (config.least_tokens or 0))
    long = (tokens >= 0) & (config.most_tokens is not None) & (tokens > (config.most_tokens or 0))
    told = [f"shorter than {config.least_tokens} tokens", f"longer than {config.most_tokens} tokens"]
    return np.select([short, long], told, "").astype(np.str_)


def _faults(texts: Column, patterns: Mapping[str, str], where: str) -> pa.Table:
    """Of each text the first pattern, by its name, that it matches, with `where`; and what matches. Null where none."""
    parts = texts() if callable(texts) else texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    named = {f"{name} {where}": pattern for name, pattern in patterns.items()}
    schema = pa.schema([("fault", pa.string()), ("found", pa.string())])
    return pa.concat_tables([schema.empty_table(), *(_part(part, named, schema) for part in parts)])


def _part(texts: Any, patterns: Mapping[str, str], schema: pa.Schema) -> pa.Table:
    fault, found = (pa.nulls(len(texts), pa.string()) for _ in schema)
    for name, pattern in sorted(patterns.items(), reverse=True):
        hit: Any = pc.match_substring_regex(texts, pattern)
        if pc.any(hit).as_py():
            matched: Any = pc.extract_regex(texts.filter(hit), _named(pattern))
            shown = pc.utf8_slice_codeunits(matched.field("found"), 0, _SHOWN).cast(pa.string())
            found = pc.replace_with_mask(found, hit, shown)
            fault = pc.if_else(hit, name, fault)
    return pa.table([fault, found], schema=schema)


def _named(pattern: str) -> str:
    return f"(?P<found>{pattern})"
