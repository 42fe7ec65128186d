"""Replies as models write them."""

import json
import time
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.base import ConfigBase
from tasks.engines.contract import Message
from tasks.judge.contract import UnreadableError
from tasks.judge.reading import object_in, read, repair


class Form(ConfigBase):
    reason: str
    verdict: Literal["correct", "incorrect"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 1}', {"a": 1}),
        ('First {"a": 1}, then {"a": 2}.', {"a": 2}),
        ('{"a": {"b": 1}}', {"a": {"b": 1}}),
        ('[{"a": 1}, {"a": 2}]', {"a": 2}),
        ('The set {1, 2} and {x}: {"a": 3} {', {"a": 3}),
        (r'{"a": "so \(x^2\) is \sqrt{4}, \\frac{1}{2}"}', {"a": r"so \(x^2\) is \sqrt{4}, \frac{1}{2}"}),
        (r'{"a": "\unit and A\n"}', {"a": "\\unit and A\n"}),
        ('{"a": "two\nlines\tand a tab"}', {"a": "two\nlines\tand a tab"}),
        ('{"a": 1, "a": 2}', {"a": 2}),
    ],
)
def test_the_last_object_in_a_text(text: str, found: dict[str, Any]) -> None:
    assert object_in(text) == found


@pytest.mark.parametrize("text", ["", "none", "{", "{a: 1}", "{'a': 1}", "[1, 2]", '{"a": 1,}'])
def test_no_object(text: str) -> None:
    with pytest.raises(UnreadableError, match="there is no JSON object in it"):
        object_in(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(), VALUES, max_size=4),
    st.text(st.characters(exclude_characters="{}\\")),
    st.booleans(),
)
def test_any_object_is_found_again(given: dict[str, Any], around: str, ascii_only: bool) -> None:
    assert object_in(around + json.dumps(given, ensure_ascii=ascii_only) + around) == given


@pytest.mark.parametrize(
    "text",
    ["{" * 200_000, '{"a":' * 40_000, '[{"a":' * 40_000, "\\" * 200_000, '{"a": "' + "x" * 200_000, '{"' * 90_000],
)
def test_a_long_reply_is_given_up_quickly(text: str) -> None:
    start = time.process_time()
    with pytest.raises(UnreadableError):
        object_in(text)
    assert time.process_time() - start < 2


def test_the_form_is_strict_and_the_fault_names_the_key() -> None:
    assert read('<think>{"verdict": 1}</think>{"reason": "r", "verdict": "correct"}', Form).verdict == "correct"
    for text, fault in (
        ('{"reason": "r", "verdict": "right"}', "verdict: Input should be 'correct' or 'incorrect'"),
        ('{"reason": 1, "verdict": "correct"}', "reason: Input should be a valid string"),
        ('{"reason": "r"}', "verdict: Field required"),
        ('{"reason": "r", "verdict": "correct", "sure": 1}', "sure: is not a known key"),
        ('<think>{"reason": "r", "verdict": "correct"}', "the thinking never ends"),
    ):
        with pytest.raises(UnreadableError, match=fault):
            read(text, Form)


def test_what_asks_once_more_holds_the_reply_without_its_thinking() -> None:
    asked = (Message("user", "Judge."),)
    first, said, again = repair(asked, "<think>hm</think> It is right. " + "x" * 9_000, "there is no JSON object in it")
    assert first == asked[0]
    assert said.role == "assistant"
    assert said.content.startswith("It is right.")
    assert len(said.content) < 4_100
    assert "there is no JSON object in it" in again.content
    assert repair(asked, "<think>on and on", "?")[1].content == "(nothing)"
