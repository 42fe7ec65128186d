"""Conversations with tools come back from their JSON, and read well as one text."""

import json

from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.contract import Message, ToolCall
from tasks.text.conversation import Conversation, dumped, in_words, loaded, reply, spoken
from tasks.text.steps import split_steps
from tasks.text.thinking import broken_thinking

TOOL = '{"type": "function", "function": {"name": "add", "parameters": {}}}'
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["```\n", "$$", "a\n\nb", "<tool_call>", "</think>", "# x"]
)
CALLS = st.builds(ToolCall, TEXTS, TEXTS | st.just('{"x": "1 + 1"}'), TEXTS)
MESSAGES = st.lists(
    st.builds(Message, st.just("assistant"), TEXTS, st.lists(CALLS, max_size=2).map(tuple))
    | st.builds(Message, st.just("tool"), TEXTS, st.just(()), TEXTS, TEXTS),
    max_size=5,
)
USED = (
    Message("user", "What is 3 times 4, plus 1?"),
    Message("assistant", "First the product.", (ToolCall("calculator", '{"expression": "3 * 4"}', "c1"),)),
    Message("tool", "12", name="calculator", call_id="c1"),
    Message("assistant", "", (ToolCall("plot", '{"x": 1, "y": 2}', "c2"), ToolCall("python", '{"code": "12 + 1"}'))),
    Message("tool", "```\nx\n```", name="plot", call_id="c2"),
    Message("tool", "13"),
    Message("assistant", "So it is \\boxed{13}."),
)


@given(MESSAGES, st.lists(st.sampled_from([TOOL, '{"a": "é"}']), max_size=2))
def test_json_and_back(said: list[Message], tools: list[str]) -> None:
    conversation = Conversation(tuple(tools), (Message("user", "q"), *said))
    assert loaded(dumped(conversation)) == conversation


def test_the_json_is_openais_form() -> None:
    told = json.loads(dumped(Conversation((TOOL,), USED[:3])))
    assert told["tools"] == [json.loads(TOOL)]
    call = {"id": "c1", "type": "function", "function": {"name": "calculator", "arguments": '{"expression": "3 * 4"}'}}
    assert told["messages"] == [
        {"role": "user", "content": USED[0].content},
        {"role": "assistant", "content": "First the product.", "tool_calls": [call]},
        {"role": "tool", "content": "12", "name": "calculator", "tool_call_id": "c1"},
    ]


def test_all_that_was_said_is_one_text() -> None:
    said = spoken(USED)
    assert said.text == (
        "First the product.\n```calculator\n3 * 4\n```\n```output\n12\n```\n\n"
        '```plot\n{"x": 1, "y": 2}\n```\n```python\n12 + 1\n```\n'
        "````output\n```\nx\n```\n````\n```output\n13\n```\n\n"
        "So it is \\boxed{13}."
    )
    assert [said.text[at:].split("\n")[0] for at in said.offsets] == [
        "First the product.",
        "```plot",
        "So it is \\boxed{13}.",
    ]


def test_without_a_call_it_is_the_models_text() -> None:
    text = "<think>\nhm\n</think>\n\nIt is 4."
    said = spoken((Message("system", "s"), Message("user", "q"), Message("assistant", text)))
    assert said.text == text
    assert said.offsets == split_steps(text)


@given(MESSAGES)
def test_steps_are_turns_or_finer(said: list[Message]) -> None:
    found = spoken([Message("user", "q"), *said])
    assert found.offsets == sorted(set(found.offsets))
    assert all(0 <= at < len(found.text) for at in found.offsets)
    assert not found.text or found.offsets[:1] == [0] or not found.text.strip()


def test_thinking_in_several_turns_is_one_thought() -> None:
    call = (ToolCall("calculator", '{"expression": "2 + 2"}'),)
    said = spoken(
        [
            Message("assistant", "<think>\nI add.\n</think>", call),
            Message("tool", "4"),
            Message("assistant", "<think>\nFine.\n</think>\n\nIt is 4."),
        ]
    )
    assert broken_thinking(said.text, needed=True) is None
    assert said.text.endswith("\nFine.\n</think>\n\nIt is 4.")
    assert "2 + 2" in said.text


def test_the_reply_is_what_follows_the_question() -> None:
    assert reply(USED) == USED[1:]
    assert reply((Message("system", "s"), *USED)) == USED[1:]


def test_in_words_there_are_no_tools() -> None:
    told = in_words(Conversation((TOOL,), (Message("system", "Be brief."), *USED)))
    assert [one.role for one in told] == ["system", "user", "assistant", "user", "assistant", "user", "assistant"]
    assert not any(one.tool_calls or one.name or one.call_id for one in told)
    assert told[0].content.startswith("Be brief.\n\nYou may call")
    assert TOOL in told[0].content
    assert '<tool_call>\n{"name": "calculator", "arguments": {"expression": "3 * 4"}}\n</tool_call>' in told[2].content
    assert told[3].content == "<tool_response>\n12\n</tool_response>"
    assert told[5].content.count("<tool_response>") == 2
