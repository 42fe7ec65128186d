"""Calls of tools in what a model wrote: the forms in which open models were taught to write them.

Hermes and Qwen: `<tool_call>{"name": …, "arguments": …}</tool_call>`. Mistral: `[TOOL_CALLS][{…}, …]`, and later
`[TOOL_CALLS]name[ARGS]{…}`. Llama 3.1: `{"name": …, "parameters": …}` and nothing else, after `<|python_tag|>` or not.
Engines leave marks that are special tokens out, so a reply that is nothing but calls counts without a mark.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from tasks.engines.contract import Completion, Finish, Request, ToolCall
from tasks.text.surrogates import is_unicode
from tasks.text.thinking import CLOSE_THINK

OPEN_CALL: Final = "<tool_call>"
CLOSE_CALL: Final = "</tool_call>"
_HERMES: Final = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
_MISTRAL: Final = "[TOOL_CALLS]"
_PYTHON: Final = "<|python_tag|>"
_NAMED: Final = re.compile(r"([\w.-]{1,100}+)\s*+(?:\[CALL_ID\]\s*+\w++\s*+)?(?:\[ARGS\])?\s*+(?=\{)")
_SHOWN: Final = 200


class Read(NamedTuple):
    """What a reply says, and what it wants called; with a fault, nothing is called and the text is the whole reply."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    fault: str = ""


class _GarbledError(ValueError):
    """A call cannot be read."""


def with_calls(completion: Completion, request: Request) -> Completion:
    """A text that a model wrote, with the calls in it told apart; what is cut off calls nothing."""
    if not request.tools or completion.finish is not Finish.STOP or completion.tool_calls:
        return completion
    found = read_calls(completion.text, _names(request.tools))
    return completion._replace(text=found.text, tool_calls=found.calls, call_fault=found.fault)


def read_calls(text: str, offered: Collection[str] = ()) -> Read:
    """The calls in a reply, none of those in its thinking; `offered` are the names of the tools there are.

    What stands between and after marked calls is left out: the model had no result yet to say it of.
    """
    start = text.rfind(CLOSE_THINK)
    start = 0 if start < 0 else start + len(CLOSE_THINK)
    at, bodies, marked = _bodies(text, start)
    try:
        calls = tuple(call for body in bodies for call in _calls(body, offered, marked=marked))
    except _GarbledError as exc:
        return Read(text, fault=str(exc))
    return Read(text[:at].rstrip(), calls) if calls else Read(text)


def written(call: ToolCall) -> str:
    """A call in Hermes's form."""
    return f'{OPEN_CALL}\n{{"name": {json.dumps(call.name)}, "arguments": {call.arguments}}}\n{CLOSE_CALL}'


def with_calls_written(completion: Completion) -> str:
    """A completion's text with its calls in Hermes's form, whoever told them apart."""
    return "\n".join(filter(None, [completion.text, *map(written, completion.tool_calls)]))


def arguments_of(call: ToolCall) -> Mapping[str, Any] | None:
    """The call's arguments; None where they are no JSON object."""
    try:
        found = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


@lru_cache
def _names(tools: tuple[str, ...]) -> frozenset[str]:
    return frozenset(json.loads(one)["function"]["name"] for one in tools)


def _bodies(text: str, start: int) -> tuple[int, Sequence[str], bool]:
    """Where calls begin, what stands in each mark, and whether there is one; without it, all of the reply may be."""
    if (at := text.find(OPEN_CALL, start)) >= 0:
        return at, [match[1] for match in _HERMES.finditer(text, at)], True
    if (at := text.find(_MISTRAL, start)) >= 0:
        return at, text[at:].split(_MISTRAL)[1:], True
    return start, [text[start:].strip().removeprefix(_PYTHON)], False


def _calls(body: str, offered: Collection[str], *, marked: bool) -> list[ToolCall]:
    """The calls that a text consists of. A marked text has to; one that is not may be something else."""
    values: list[Any] = []
    rest = body.strip()
    while rest:
        head = _NAMED.match(rest)
        named = head if head and (marked or head[1] in offered) else None
        sure = marked or bool(named) or ('"name"' in rest and ('"arguments"' in rest or '"parameters"' in rest))
        if not named and rest[0] not in "{[":
            break
        value, end = _decoded(rest, named.end() if named else 0)
        if end < 0:
            return _none(body, sure=sure)
        values += [{"name": named[1], "arguments": value}] if named else value if isinstance(value, list) else [value]
        rest = rest[end:].lstrip(" \t\r\n;,")
    calls = [call for one in values if (call := _call(one))]
    return calls if calls and len(calls) == len(values) and not rest else _none(body, sure=marked)


def _none(body: str, *, sure: bool) -> list[ToolCall]:
    if sure:
        raise _GarbledError(
            f"a call has to be one JSON object with `name` and `arguments`, not {body[:_SHOWN].strip()}"
        )
    return []


def _decoded(text: str, at: int) -> tuple[Any, int]:
    """The JSON value that begins there and where it ends; -1 where there is none."""
    try:
        return _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None, -1


def _call(value: Any) -> ToolCall | None:
    match value:
        case {"function": dict(inner)}:
            return _call(inner)
        case {"name": str(name), "arguments": arguments} | {"name": str(name), "parameters": arguments} if name:
            said = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
            return ToolCall(name, said) if is_unicode(name + said) else None
    return None


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_refused)
