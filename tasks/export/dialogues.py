"""Conversations with tools as trainers read them: `messages`, a list of JSON objects, and `tools`, a JSON text.

Each message is JSON by itself (Arrow's and Parquet's JSON type, which `datasets` reads as objects): as a struct, every
turn would have every key, null or not, and templates that ask `'tool_calls' in message` (Llama 3.1's) break on that.
Arguments are objects, since most templates write them as JSON (`arguments | tojson`).
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.engines.contract import Message
from tasks.engines.template import turn_of
from tasks.export.messages import PromptConfig, Turn, prompt
from tasks.export.selection import Selection
from tasks.text.conversation import Conversation, loaded, reply

JSON: Final[Any] = pa.json_(pa.string())
DIALOGUE: Final = pa.list_(JSON)
TOOLS: Final = "tools"


def used_tools(traces: pa.Table) -> NDArray[np.bool_]:
    """Which of these traces used tools."""
    if "conversation" not in traces.column_names:
        return np.zeros(traces.num_rows, np.bool_)
    return np.asarray(traces["conversation"].is_valid(), np.bool_)


def without_tools(selection: Selection) -> Selection:
    """The selection as formats see it that have no place for calls: one answer each is all they could make of them."""
    used = used_tools(selection.traces)
    return selection._replace(traces=selection.traces.filter(pa.array(~used))) if used.any() else selection


def conversations_of(traces: pa.Table, rows: NDArray[np.int64]) -> list[Conversation | None]:
    """The conversations of these rows of traces; None of those that used no tool."""
    found = traces["conversation"].take(rows).to_pylist()
    return [loaded(str(one)) if one is not None else None for one in found]


def asked(config: PromptConfig, problems: pa.Table, rows: NDArray[np.int64]) -> list[list[Message]]:
    """The turns before the answer, as the settings word them, for each of these rows of problems."""
    turns = prompt(config, problems, rows)
    return [[_said(turn, place) for turn in turns] for place in range(len(rows))]


def answered(conversation: Conversation | None, text: str) -> Sequence[Message]:
    """The turns after the question; `text` is all there is where no tool was used."""
    return reply(conversation.messages) if conversation else [Message("assistant", text)]


def tools_of(conversation: Conversation) -> str:
    """The tools that there were, as a JSON list."""
    return json.dumps([json.loads(one) for one in conversation.tools], ensure_ascii=False)


def dialogues(many: Iterable[Sequence[Message]]) -> "pa.Array[Any]":
    """Messages as a column (DIALOGUE)."""
    said = [[json.dumps(turn_of(one), ensure_ascii=False) for one in some] for some in many]
    offsets = np.cumsum([0, *map(len, said)], dtype=np.int32)
    texts = pa.array([one for some in said for one in some], pa.string())
    messages: Any = pa.ExtensionArray.from_storage(JSON, texts)
    ends: Any = pa.array(offsets)
    return pa.ListArray.from_arrays(ends, messages)


def _said(turn: Turn, place: int) -> Message:
    texts: Any = turn.texts
    return Message(turn.role, texts[int(turn.rows[place])].as_py())
