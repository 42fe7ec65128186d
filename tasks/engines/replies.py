"""What a server's reply says, whether to `/completions` or to `/chat/completions`."""

import json
from collections.abc import Mapping
from typing import Any, Final

from tasks.engines.contract import Completion, Finish, ToolCall
from tasks.engines.faults import GarbledReplyError

_FINISH: Final = {"length": Finish.LENGTH, "content_filter": Finish.REFUSED}
_BROKEN_OFF: Final = frozenset({"abort", "error"})


def read_reply(reply: Any, request_id: str) -> Completion:
    """The first choice of a reply; a server that reports the reasoning apart has it put before the answer in <think>.

    Raises:
        GarbledReplyError: the reply is none, or the server broke it off.
    """
    match reply:
        case {"choices": [{"message": dict(message), **choice}, *_]}:
            (text, detail), calls = _said(message), _calls(message)
        case {"choices": [{"text": str(text), **choice}, *_]}:
            detail, calls = "", ()
        case _:
            raise GarbledReplyError(f"the reply holds no choice: {str(reply)[:200]!r}")
    reason = choice.get("finish_reason")
    if reason in _BROKEN_OFF:
        raise GarbledReplyError(f"the server broke the reply off: {reason}")
    finish = Finish.REFUSED if detail else _FINISH.get(str(reason), Finish.STOP)
    if finish is Finish.REFUSED:
        return Completion(request_id, "", finish, None, None, detail or f"finish_reason {reason}")
    read, taken = (_usage(reply, name) for name in ("prompt_tokens", "completion_tokens"))
    return Completion(request_id, text, finish, read, taken, stopped=_stopped(choice), tool_calls=calls)


def _stopped(choice: Mapping[Any, Any]) -> str | None:
    """The stop text that ended a reply, as vLLM and SGLang tell it; empty where the server does not."""
    told = [choice[name] for name in ("stop_reason", "matched_stop") if name in choice]
    return next((one for one in told if isinstance(one, str)), None if told else "")


def _said(message: Mapping[str, Any]) -> tuple[str, str]:
    """A message's text, and why the model would not answer."""
    text = message.get("content") or ""
    reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
    if not isinstance(text, str) or not isinstance(reasoning, str):
        raise GarbledReplyError(f"the reply's message is no text: {str(message)[:200]!r}")
    return f"<think>\n{reasoning}\n</think>\n{text}" if reasoning else text, str(message.get("refusal") or "")


def _calls(message: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    """What the model wants called, by a server that tells that apart."""
    calls = []
    for told in message.get("tool_calls") or ():
        match told:
            case {"function": {"name": str(name), "arguments": str(arguments)}}:
                calls.append(ToolCall(name, arguments, str(told.get("id") or "")))
            case {"function": {"name": str(name), "arguments": dict(arguments)}}:
                calls.append(ToolCall(name, json.dumps(arguments, ensure_ascii=False), str(told.get("id") or "")))
            case _:
                raise GarbledReplyError(f"the reply's tool call is none: {str(told)[:200]!r}")
    return tuple(calls)


def _usage(reply: Any, name: str) -> int | None:
    usage = reply.get("usage")
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if isinstance(count, int) else None
