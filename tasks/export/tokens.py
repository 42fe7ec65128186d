"""How long texts are for a model: a column of token counts for each text column of a format, as TRL counts.

A conversation is rendered by the model's chat template and tokenized without further special tokens. `prompt` ends
where the assistant's turn begins; what follows it (chosen, rejected, completion) has the tokens of both together less
those of the prompt, as in TRL's DPOTrainer wherever the prompt's tokens begin both. Plain strings are tokenized as they
are.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.errors import EngineError, RecipeError
from schemas.summary import TokenLengths
from tasks.engines.revision import folder_of, revision_of
from tasks.engines.template import Template, UnrenderableError, load_template
from tasks.export.dialogues import TOOLS
from tasks.export.selection import Exporter, Selection

SUFFIX: Final = "_tokens"
_PROMPT: Final = "prompt"
_BATCH: Final = 4_096

Turns = list[Any]
"""Messages, or each as JSON."""


class Tokenizer:
    """The tokenizer of a folder or hub id, loaded when something is to be counted.

    Raises:
        RecipeError: there is no such folder, or the chat template's file cannot be read.
    """

    def __init__(self, model: str, revision: str | None = None, chat_template: str | None = None) -> None:
        self._place = (model, revision, chat_template)
        with _named():
            folder = folder_of(model)
            template = Path(chat_template).read_bytes() if chat_template else b""
            self.identity = {
                "model": folder.name if folder else model,
                "revision": revision_of(model, revision),
                "chat_template": hashlib.sha256(template).hexdigest()[:16] if template else None,
            }

    @cached_property
    def template(self) -> Template:
        """The tokenizer and its chat template.

        Raises:
            RecipeError: it cannot be loaded, or has no chat template.
        """
        with _named():
            return load_template(*self._place)


def check(name: str) -> None:
    """Whether this can name a tokenizer, as far as a look at the disk tells.

    Raises:
        RecipeError: it is a path where no model is.
    """
    with _named():
        folder_of(name)


def with_tokens(exporter: Exporter, tokenizer: Tokenizer) -> Exporter:
    """The exporter with an int32 column `<column>_tokens` after its own for each of its texts; null where a text is.

    Its `rows` raise RecipeError where the tokenizer cannot be loaded or its template turns a conversation down.
    """
    if not exporter.texts:
        return exporter
    fields = [pa.field(one + SUFFIX, pa.int32(), exporter.columns.field(one).nullable) for one in exporter.texts]
    columns = pa.schema([*exporter.columns, *fields])

    def rows(selection: Selection) -> pa.Table:
        table = exporter.rows(selection)
        found = count(table, exporter.texts, tokenizer) if table.num_rows else {one: [] for one in exporter.texts}
        arrays = [*table.columns, *(pa.chunked_array([pa.array(found[one], pa.int32())]) for one in exporter.texts)]
        return pa.Table.from_arrays(arrays, schema=columns)

    return exporter._replace(columns=columns, rows=rows)


def count(table: pa.Table, texts: Sequence[str], tokenizer: Tokenizer) -> dict[str, list[int | None]]:
    """The tokens of these columns of messages ({role, content}) or strings, row by row."""
    found: dict[str, list[int | None]] = {name: [] for name in texts}
    offered = [TOOLS] if TOOLS in table.column_names else []
    for batch in table.select([*texts, *offered]).to_batches(max_chunksize=_BATCH):
        columns = batch.to_pydict()
        tools = columns.pop(TOOLS, None) or [""] * batch.num_rows
        for name, lengths in _of_batch(columns, tools, tokenizer).items():
            found[name] += lengths
    return found


def token_lengths(name: str, tokens: pa.Table) -> Iterator[TokenLengths]:
    """Median, 95th percentile (both nearest rank) and most of each column of counts; none of one without rows."""
    for column in tokens.column_names:
        counts = np.sort(tokens[column].drop_null().to_numpy())
        if len(counts):
            median, p95 = (int(counts[int(np.ceil(share * len(counts))) - 1]) for share in (0.5, 0.95))
            yield TokenLengths(
                format=name,
                column=column.removesuffix(SUFFIX),
                median=median,
                p95=p95,
                longest=int(counts[-1]),
            )


def _of_batch(columns: dict[str, list[Any]], tools: list[str], tokenizer: Tokenizer) -> dict[str, list[int | None]]:
    prompts = columns.get(_PROMPT, [])
    conversational = any(isinstance(one, list) for one in prompts)
    some = [_tools(one) for one in tools]
    asked = [_rendered(one, kit, tokenizer, reply_next=True) for one, kit in zip(prompts, some, strict=False)]
    before = _lengths(asked, tokenizer)
    found = {}
    for name, values in columns.items():
        if name == _PROMPT:
            lengths = before
        elif conversational:
            both = [[*prompt, *(turns or [])] for prompt, turns in zip(prompts, values, strict=True)]
            whole = [_rendered(one, kit, tokenizer, reply_next=False) for one, kit in zip(both, some, strict=True)]
            lengths = np.maximum(_lengths(whole, tokenizer) - before, 0)
        else:
            whole = [_rendered(one, kit, tokenizer, reply_next=False) for one, kit in zip(values, some, strict=True)]
            lengths = _lengths(whole, tokenizer)
        found[name] = [None if one is None else size for one, size in zip(values, lengths.tolist(), strict=True)]
    return found


@lru_cache
def _tools(text: str) -> list[Any]:
    found: list[Any] = json.loads(text) if text else []
    return found


def _rendered(turns: Turns | str | None, tools: list[Any], tokenizer: Tokenizer, *, reply_next: bool) -> str:
    if not isinstance(turns, list):
        return turns or ""
    said = [json.loads(one) if isinstance(one, str) else one for one in turns]
    try:
        return tokenizer.template.conversation(said, reply_next=reply_next, tools=tools)
    except UnrenderableError as exc:
        raise RecipeError(
            f"export.tokenizer: {tokenizer.identity['model']}: {exc}; name another model, or leave out what its "
            "template has no place for, such as `system`"
        ) from exc


def _lengths(texts: list[str], tokenizer: Tokenizer) -> NDArray[np.int64]:
    """Equal texts are tokenized once: pairs share their prompts, and traces."""
    distinct = list(dict.fromkeys(texts))
    found = dict(zip(distinct, tokenizer.template.lengths(distinct), strict=True))
    return np.fromiter((found[one] for one in texts), np.int64, len(texts))


@contextmanager
def _named() -> Iterator[None]:
    """A fault of the tokenizer is told as one of the setting that names it."""
    try:
        yield
    except (EngineError, OSError) as exc:
        raise RecipeError(f"export.tokenizer: {exc}; or name another model, or leave it out") from exc
