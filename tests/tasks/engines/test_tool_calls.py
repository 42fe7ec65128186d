"""Calls in the forms in which open models write them, and what is none."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.contract import Completion, Finish, Request, Sampling, ToolCall
from tasks.engines.tool_calls import Read, arguments_of, read_calls, with_calls, with_calls_written, written

ADD = ToolCall("add", '{"a": 1, "b": [2, "é"]}')
MUL = ToolCall("mul", "{}")
BODY = '{"name": "add", "arguments": {"a": 1, "b": [2, "é"]}}'
LLAMA = '{"name": "add", "parameters": {"a": 1, "b": [2, "é"]}}'
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab <>{}\"'\\", max_size=4), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.from_regex(r"[a-zA-Z_][\w.-]{0,20}", fullmatch=True).filter(str.isascii)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (f"<tool_call>\n{BODY}\n</tool_call>", Read("", (ADD,))),
        (f"Let me see.\n<tool_call>{BODY}</tool_call>", Read("Let me see.", (ADD,))),
        (f"<tool_call>\n{BODY}", Read("", (ADD,))),
        (
            f'Two:\n<tool_call>{BODY}</tool_call>\n<tool_call>{{"name": "mul", "arguments": {{}}}}</tool_call> so 3',
            Read("Two:", (ADD, MUL)),
        ),
        (f"<think>\nadd? <tool_call>x</tool_call>\n</think>\n\n<tool_call>{BODY}</tool_call>", None),
        (f'<tool_call>{{"type": "function", "function": {BODY}}}</tool_call>', Read("", (ADD,))),
        (f"[TOOL_CALLS][{BODY}]", Read("", (ADD,))),
        (f"[TOOL_CALLS] [{BODY}, {BODY}]", Read("", (ADD, ADD))),
        ('[TOOL_CALLS]add[ARGS]{"a": 1, "b": [2, "é"]}[TOOL_CALLS]mul[ARGS]{}', Read("", (ADD, MUL))),
        ('[TOOL_CALLS]add[CALL_ID]a1b2c3d4e[ARGS]{"a": 1, "b": [2, "é"]}', Read("", (ADD,))),
        (f"[{BODY}]", Read("", (ADD,))),
        ('add{"a": 1, "b": [2, "é"]}', Read("", (ADD,))),
        (LLAMA, Read("", (ADD,))),
        (f"<|python_tag|>{LLAMA}; {LLAMA}", Read("", (ADD, ADD))),
        ("The answer is 4.", Read("The answer is 4.")),
        ('{"answer": 4}', Read('{"answer": 4}')),
        ('{"name": "Ana", "age": 4}', Read('{"name": "Ana", "age": 4}')),
        ("[1, 2]", Read("[1, 2]")),
        ("{1, 2}", Read("{1, 2}")),
        ("other{}", Read("other{}")),
        ("", Read("")),
    ],
)
def test_what_is_read(text: str, read: Read | None) -> None:
    found = read_calls(text, ["add", "mul"])
    if read is None:
        assert found == Read("<think>\nadd? <tool_call>x</tool_call>\n</think>", (ADD,))
    else:
        assert found == read


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>add(1, 2)</tool_call>",
        "<tool_call></tool_call>",
        f"<tool_call>{BODY}}}</tool_call>",
        f"<tool_call>{BODY[:-4]}</tool_call>",
        f"<tool_call>{BODY}</tool_call><tool_call>{{}}</tool_call>",
        '<tool_call>{"name": "add", "arguments": {"a": NaN}}</tool_call>',
        '<tool_call>{"name": "add", "arguments": {"a": "\\ud800"}}</tool_call>',
        '<tool_call>{"name": "", "arguments": {}}</tool_call>',
        f'<tool_call>{{"name": "add", "arguments": {"[" * 100_000}</tool_call>',
        "[TOOL_CALLS]",
        '[TOOL_CALLS][{"name": "add"}]',
        LLAMA[:-3],
    ],
)
def test_a_garbled_call_is_told_and_nothing_is_called(text: str) -> None:
    found = read_calls(text, ["add"])
    assert found.text == text
    assert not found.calls
    assert found.fault.startswith("a call has to be one JSON object with `name` and `arguments`, not ")
    assert len(found.fault) < 400


@given(st.lists(st.tuples(NAMES, st.dictionaries(st.text(max_size=4), VALUES, max_size=3)), min_size=1, max_size=3))
def test_what_is_written_is_read_again(calls: list[tuple[str, dict[str, Any]]]) -> None:
    made = tuple(ToolCall(name, json.dumps(arguments, ensure_ascii=False)) for name, arguments in calls)
    done = Completion("r", "I call.", Finish.STOP, 1, 1, tool_calls=made)
    text = with_calls_written(done)
    if any("</tool_call>" in one.arguments for one in made):
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert read_calls(text) == Read("I call.", made)
    assert [arguments_of(one) for one in made] == [arguments for _, arguments in calls]


@given(st.text() | st.text('<>{}[]",:tool_calTOOL_CALLS name/\n', max_size=60))
def test_any_text_is_read(text: str) -> None:
    found = read_calls(text, ["add"])
    assert found.calls or found.text == text
    assert all(json.loads(one.arguments) is not None or one.arguments == "null" for one in found.calls if one.name)


def test_only_a_whole_reply_to_a_request_with_tools_calls() -> None:
    tool = json.dumps({"type": "function", "function": {"name": "add"}})
    asked = Request("r", (), Sampling(), tools=(tool,))
    whole = Completion("r", f"So:\n{written(ADD)}", Finish.STOP, 1, 1)
    assert with_calls(whole, asked) == whole._replace(text="So:", tool_calls=(ADD,))
    assert with_calls(whole, asked._replace(tools=())) == whole
    cut = whole._replace(finish=Finish.LENGTH)
    assert with_calls(cut, asked) == cut
    garbled = whole._replace(text="<tool_call>add</tool_call>")
    assert with_calls(garbled, asked).call_fault
    assert with_calls(garbled, asked).text == garbled.text


@pytest.mark.parametrize("arguments", ["[1]", "1", "{", "nul", "[" * 100_000])
def test_arguments_that_are_no_object(arguments: str) -> None:
    assert arguments_of(ToolCall("add", arguments)) is None
