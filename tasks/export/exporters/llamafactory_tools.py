"""Traces that used tools in LLaMA-Factory: ShareGPT `conversations` with `function_call`, `observation`, and `tools`.

Point `dataset_dir` at the format's folder. What the model says before a call is its thought, as LLaMA-Factory's own
formatter of calls has it: `<think>…</think>`, then the calls as JSON. Results of calls made at once are one turn.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, Final

import pyarrow as pa
from pydantic import Field

from schemas.conform import conform
from tasks.engines.contract import Message
from tasks.engines.template import turn_of
from tasks.export import sharegpt
from tasks.export.dialogues import TOOLS, asked, conversations_of, tools_of, used_tools
from tasks.export.exporters import sft
from tasks.export.selection import Exporter, Selection
from tasks.text.conversation import reply
from tasks.text.thinking import CLOSE_THINK, OPEN_THINK

COLUMNS: Final = pa.schema(
    [pa.field("conversations", sharegpt.CONVERSATION, nullable=False), pa.field(TOOLS, pa.string(), nullable=False)]
    + [pa.field(name, pa.string(), nullable=False) for name in sft.IDS]
)


class Config(sft.Config):
    """Which traces, as for `sft`, and what LLaMA-Factory calls them."""

    dataset: str = Field("tracemill_tools", pattern=r"^[\w.-]+$", description="the set's name, before its split's")


def build(config: Config) -> Exporter:
    """The exporter with these settings."""
    return Exporter("trace_id", COLUMNS, partial(_rows, config), files=partial(_files, config), tools=True)


def _rows(config: Config, selection: Selection) -> pa.Table:
    """One row a trace that used tools, in the order of traces."""
    selection = selection._replace(traces=selection.traces.filter(pa.array(used_tools(selection.traces))))
    problem, rows = sft.chosen(config, selection)
    found = [one for one in conversations_of(selection.traces, rows) if one] if len(rows) else []
    before = asked(config, selection.problems, problem[rows])
    said = [list(_turns([*first, *reply(one.messages)])) for first, one in zip(before, found, strict=True)]
    columns: dict[str, Any] = {
        "conversations": pa.array(said, sharegpt.CONVERSATION),
        TOOLS: pa.array([_functions(tools_of(one)) for one in found], pa.string()),
        **sft.named(selection, rows),
    }
    return conform(pa.table(columns), COLUMNS, at="export llamafactory_tools")


def _functions(tools: str) -> str:
    """LLaMA-Factory lists functions by themselves."""
    return json.dumps([one["function"] for one in json.loads(tools)], ensure_ascii=False)


def _turns(messages: Sequence[Message]) -> Iterator[dict[str, str]]:
    for role, group in groupby(messages, lambda one: one.role):
        some = list(group)
        if role == "tool":
            yield {"from": "observation", "value": "\n".join(one.content for one in some)}
            continue
        for one in some:
            called = role == "assistant" and bool(one.tool_calls)
            name = "function_call" if called else sharegpt.NAMES[role]
            yield {"from": name, "value": _called(one) if called else one.content}


def _called(message: Message) -> str:
    calls = [one["function"] for one in turn_of(message)["tool_calls"]]
    text = json.dumps(calls[0] if len(calls) == 1 else calls, ensure_ascii=False)
    thought = message.content.replace(OPEN_THINK, "").replace(CLOSE_THINK, "").strip()
    return f"{OPEN_THINK}\n{thought}\n{CLOSE_THINK}\n\n{text}" if thought else text


def _files(config: Config, rows: Mapping[str, int]) -> Mapping[str, bytes]:
    columns = {"messages": "conversations", "tools": TOOLS}
    return {"dataset_info.json": sharegpt.dataset_info(config.dataset, rows, columns, ranking=False)}
