"""Conversations in ShareGPT's form, as LLaMA-Factory reads them: each row a list of {from, value}.

Checked against its data/README.md and src/llamafactory/data (parser.py, converter.py, loader.py).
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from tasks.export.messages import Turn, conversations
from tasks.text.thinking import CLOSE_THINK, OPEN_THINK

SAID: Final = pa.struct([pa.field("from", pa.string()), pa.field("value", pa.string())])
CONVERSATION: Final = pa.list_(SAID)

NAMES: Final = {"system": "system", "user": "human", "assistant": "gpt"}
_TAGS: Final = {
    "role_tag": "from",
    "content_tag": "value",
    "user_tag": "human",
    "assistant_tag": "gpt",
    "observation_tag": "observation",
    "function_tag": "function_call",
    "system_tag": "system",
}
"""All of them: where some are given, the parser takes those that are not for null."""


def turns(*said: Turn) -> "pa.ChunkedArray[Any]":
    """The turns side by side (CONVERSATION)."""
    found: Any = conversations(*(turn._replace(role=NAMES[turn.role]) for turn in said))
    lists = [pa.ListArray.from_arrays(chunk.offsets, _renamed(chunk.values)) for chunk in found.chunks]
    return pa.chunked_array(lists)


def single(said: Turn) -> "pa.ChunkedArray[Any]":
    """One turn a row, by itself (SAID)."""
    found: Any = conversations(said)
    return pa.chunked_array([_renamed(chunk.values, NAMES[said.role]) for chunk in found.chunks])


def thinking(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """The texts with their thinking as `<think>…</think>`: the opening tag is put back where only the closing one is.

    As `tasks.text.thinking.whole_thinking`, for a whole column; a text without tags stays as it is.
    """
    column: Any = texts
    lone = pc.and_not(pc.match_substring(column, CLOSE_THINK), pc.match_substring(column, OPEN_THINK))
    opened = pc.binary_join_element_wise(
        pa.scalar(f"{OPEN_THINK}\n", pa.large_string()), column, pa.scalar("", pa.large_string())
    )
    whole: pa.LargeStringArray = pc.if_else(lone, opened, column)
    return whole


def dataset_info(name: str, rows: Mapping[str, int], columns: Mapping[str, str], *, ranking: bool) -> bytes:
    """`dataset_info.json`: one entry `<name>_<split>` for each split that has rows, which lie in the split's folder."""
    entry = {"formatting": "sharegpt", "ranking": ranking, "columns": dict(columns), "tags": _TAGS}
    splits = [split for split, count in rows.items() if count]
    return json.dumps({f"{name}_{split}": {"file_name": split} | entry for split in splits}, indent=2).encode()


def _renamed(messages: Any, role: str | None = None) -> pa.StructArray:
    """{from, value} of {role, content}; with `role`, all are said by that one."""
    said, content = messages.flatten()
    return pa.StructArray.from_arrays(
        [said if role is None else pa.repeat(role, len(said)), content], fields=list(SAID)
    )
