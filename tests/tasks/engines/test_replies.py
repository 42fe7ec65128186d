"""Reading servers' replies."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.contract import Completion, Finish, ToolCall
from tasks.engines.faults import GarbledReplyError
from tasks.engines.replies import read_reply


def chat(finish: str | None = "stop", **message: Any) -> dict[str, Any]:
    return {"choices": [{"message": message, "finish_reason": finish}], "usage": {"prompt_tokens": 4}}


@pytest.mark.parametrize(
    ("reply", "text", "finish"),
    [
        ({"choices": [{"text": " 18", "finish_reason": "stop"}]}, " 18", Finish.STOP),
        ({"choices": [{"text": "", "finish_reason": "length"}, {"text": "b"}]}, "", Finish.LENGTH),
        (chat(content="18"), "18", Finish.STOP),
        (chat(None, content="18"), "18", Finish.STOP),
        (chat(content=None), "", Finish.STOP),
        (chat("length", content=None, reasoning="so"), "<think>\nso\n</think>\n", Finish.LENGTH),
        (chat(content="18", reasoning_content=""), "18", Finish.STOP),
        (chat("content_filter", content="1"), "", Finish.REFUSED),
        (chat(content=None, refusal="I will not"), "", Finish.REFUSED),
    ],
)
def test_replies(reply: dict[str, Any], text: str, finish: Finish) -> None:
    done = read_reply(reply, "id")
    assert (done.request_id, done.text, done.finish) == ("id", text, finish)
    assert bool(done.detail) == (finish is Finish.REFUSED)


@pytest.mark.parametrize(
    "reply",
    [
        None,
        "text",
        [],
        {},
        {"choices": []},
        {"choices": {}},
        {"choices": [{"text": 3}]},
        {"choices": [{"message": None}]},
        chat(content=["parts"]),
        chat("abort", content="half"),
        {"error": {"message": "overloaded"}},
    ],
)
def test_what_is_no_reply(reply: object) -> None:
    with pytest.raises(GarbledReplyError):
        read_reply(reply, "id")


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "text", "message", "content", "usage", "finish_reason", "reasoning"]), inner
        )
    ),
    max_leaves=12,
)


@given(json)
def test_any_json_is_a_completion_or_garbled(reply: object) -> None:
    with suppress(GarbledReplyError):
        assert isinstance(read_reply(reply, "id"), Completion)


@pytest.mark.parametrize(
    ("told", "stopped"),
    [({}, ""), ({"stop_reason": None}, None), ({"stop_reason": "\n"}, "\n"), ({"matched_stop": 2}, None)],
)
def test_a_server_may_say_which_stop_text_ended_it(told: dict[str, Any], stopped: str | None) -> None:
    reply = {"choices": [{"text": "18", "finish_reason": "stop", **told}]}
    assert read_reply(reply, "r").stopped == stopped


CALL = {"id": "c", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}


@pytest.mark.parametrize(
    ("calls", "read"),
    [
        ([CALL], (ToolCall("add", '{"a": 1}', "c"),)),
        ([CALL, {"function": {"name": "mul", "arguments": {"a": 1}}}], None),
        ([], ()),
        (None, ()),
    ],
)
def test_calls_that_a_server_tells_apart(calls: Any, read: tuple[ToolCall, ...] | None) -> None:
    reply = {"choices": [{"message": {"content": "I add.", "tool_calls": calls}, "finish_reason": "tool_calls"}]}
    done = read_reply(reply, "r")
    assert (done.text, done.finish) == ("I add.", Finish.STOP)
    assert done.tool_calls == read if read is not None else done.tool_calls[1] == ToolCall("mul", '{"a": 1}')


def test_a_call_that_is_none_is_garbled() -> None:
    with pytest.raises(GarbledReplyError, match="tool call is none"):
        read_reply({"choices": [{"message": {"content": "", "tool_calls": [{"function": "add"}]}}]}, "r")
