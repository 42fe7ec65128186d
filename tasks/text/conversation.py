"""Conversations in which a model used tools: as JSON and back without loss, and as one text with all that was said.

In the text a call stands in a code fence with the tool's name, its result in one named `output`, as ToRA writes them
(Gou et al. 2023, arXiv 2309.17452); turns are parted by blank lines.
"""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any, Final, NamedTuple

from tasks.engines.contract import Message, ToolCall
from tasks.engines.tool_calls import arguments_of, written
from tasks.text.steps import split_steps
from tasks.text.thinking import CLOSE_THINK, OPEN_THINK

OUTPUT: Final = "output"
_FENCE: Final = re.compile(r"^[ \t]*(`{3,})", re.MULTILINE)
_ASKING: Final = frozenset({"system", "user"})
_HOW: Final = """You may call functions to help with the question. These are their signatures:
<tools>
{tools}
</tools>

For each call, write a JSON object with the function's name and its arguments, and then wait for the result:
<tool_call>
{{"name": <function name>, "arguments": <JSON object>}}
</tool_call>"""
"""As Hermes and Qwen were taught it."""


class Conversation(NamedTuple):
    """The tools there were, each as JSON in OpenAI's form, and all turns, the question's included."""

    tools: tuple[str, ...]
    messages: tuple[Message, ...]


class Spoken(NamedTuple):
    """A conversation as one text, and the characters at which its steps begin.

    A turn with calls is one step with their results; one without is cut as any text is.
    """

    text: str
    offsets: list[int]


def dumped(conversation: Conversation) -> str:
    """JSON: {tools: [schema], messages: [{role, content, tool_calls?, name?, tool_call_id?}]}; arguments are texts."""
    said = [_message(one) for one in conversation.messages]
    return json.dumps({"tools": [json.loads(one) for one in conversation.tools], "messages": said}, ensure_ascii=False)


def loaded(text: str) -> Conversation:
    """The conversation that `dumped` wrote."""
    found = json.loads(text)
    tools = tuple(json.dumps(one, ensure_ascii=False) for one in found["tools"])
    return Conversation(tools, tuple(map(_read, found["messages"])))


def reply(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The turns after the question."""
    asked = sum(1 for _ in takewhile(lambda one: one.role in _ASKING, messages))
    return tuple(messages[asked:])


def spoken(messages: Sequence[Message]) -> Spoken:
    """All that was said after the question; without a call it is the model's text as it is."""
    text, offsets = "", list[int]()
    turns = list(_turns(reply(messages)))
    for turn, said in zip(turns, _thought_once(["\n".join(one) for one in turns]), strict=True):
        text += "\n\n" if text else ""
        offsets += [len(text) + cut for cut in ([0] if len(turn) > 1 else split_steps(said))]
        text += said
    return Spoken(text, offsets)


def in_words(conversation: Conversation) -> tuple[Message, ...]:
    """The same turns for a model whose chat has no tools: they are told and called in Hermes's form, in plain turns."""
    told = Message("system", _HOW.format(tools="\n".join(conversation.tools)))
    first, *rest = conversation.messages
    turns = [first, *rest]
    if first.role == "system":
        told, turns = told._replace(content=f"{first.content}\n\n{told.content}"), rest
    found = [told]
    for one in turns:
        if one.role == "tool":
            one = Message("user", f"<tool_response>\n{one.content}\n</tool_response>")  # noqa: PLW2901
            if found[-1].role == "user":
                found[-1] = Message("user", f"{found[-1].content}\n{one.content}")
                continue
        calls = [written(call) for call in one.tool_calls]
        found.append(Message(one.role, "\n".join(filter(None, [one.content, *calls]))))
    return tuple(found)


def _turns(said: Sequence[Message]) -> Iterator[list[str]]:
    """Each of the model's turns: what it says, its calls, their results."""
    turn: list[str] = []
    for one in said:
        if one.role != "tool" and turn:
            yield turn
            turn = []
        if one.role == "tool":
            turn.append(_fenced(OUTPUT, one.content))
        else:
            turn += [*([one.content] if one.content or not one.tool_calls else []), *map(_called, one.tool_calls)]
    if turn:
        yield turn


def _thought_once(turns: Sequence[str]) -> list[str]:
    """The same with one pair of think tags: around all up to the last thought, for the answer stands after it."""
    closed = max((at for at, turn in enumerate(turns) if CLOSE_THINK in turn), default=-1)
    if closed < 0:
        return list(turns)
    bare = [turn if at > closed else _without_tags(turn) for at, turn in enumerate(turns)]
    before, _, after = turns[closed].rpartition(CLOSE_THINK)
    bare[closed] = f"{_without_tags(before)}{CLOSE_THINK}{after}"
    return [f"{OPEN_THINK}\n{bare[0].lstrip()}", *bare[1:]]


def _without_tags(text: str) -> str:
    return text.replace(OPEN_THINK, "").replace(CLOSE_THINK, "")


def _called(call: ToolCall) -> str:
    match list((arguments_of(call) or {}).values()):
        case [str(only)]:
            return _fenced(call.name, only)
    return _fenced(call.name, call.arguments)


def _fenced(name: str, body: str) -> str:
    longest = max((len(one) for one in _FENCE.findall(body)), default=2)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{name}\n{body}\n{fence}"


def _message(one: Message) -> dict[str, Any]:
    said: dict[str, Any] = {"role": one.role, "content": one.content}
    if one.tool_calls:
        said["tool_calls"] = [
            {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in one.tool_calls
        ]
    told = {"name": one.name, "tool_call_id": one.call_id}
    return said | {key: value for key, value in told.items() if value}


def _read(said: dict[str, Any]) -> Message:
    calls = tuple(
        ToolCall(call["function"]["name"], call["function"]["arguments"], call.get("id", ""))
        for call in said.get("tool_calls", ())
    )
    return Message(said["role"], said["content"], calls, said.get("name", ""), said.get("tool_call_id", ""))
