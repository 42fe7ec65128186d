"""Replies that think first."""

import pytest

from tasks.text.thinking import broken_thinking, halves, spoken, whole_thinking


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A problem.", "A problem."),
        ("<think>hm</think>\nA problem.", "A problem."),
        ("hm</think>A problem.", "A problem."),
        ("<think>a</think>b<THINK>c</THINK> d ", "d"),
        ("<think>hm", None),
        ("<think>a</think> b <think> c", None),
        ("", ""),
    ],
)
def test_spoken(text: str, said: str | None) -> None:
    assert spoken(text) == said


@pytest.mark.parametrize(
    ("text", "thinking", "answer"),
    [
        ("A problem.", "", "A problem."),
        ("<think>hm</think>\nA problem.", "hm", "A problem."),
        ("hm</thinking>A problem.", "hm", "A problem."),
        ("<think>a</think>b<think>c</think> d", "abc", "d"),
        ("<think>hm", "hm", ""),
        ("", "", ""),
    ],
)
def test_halves(text: str, thinking: str, answer: str) -> None:
    assert halves(text) == (thinking, answer)


def test_an_opening_tag_that_the_template_wrote_is_put_back() -> None:
    assert whole_thinking("so 2\n</think>\n2") == "<think>\nso 2\n</think>\n2"
    assert whole_thinking("<think>so 2</think>2") == "<think>so 2</think>2"
    assert whole_thinking("2") == "2"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<think>\n1 + 1 = 2\n</think>\nThe answer is 2.", None),
        ("\n<think>x</think> 2", None),
        ("The answer is 2.", "no <think>"),
        ("<think>\n1 + 1 = 2\nThe answer is 2.", "broken <think>"),
        ("1 + 1 = 2\n</think>\nThe answer is 2.", "broken <think>"),
        ("</think><think>2", "broken <think>"),
        ("<think>a</think>b</think>2", "broken <think>"),
        ("Well, <think>a</think>2", "broken <think>"),
        ("<think>\n\n</think>\nThe answer is 2.", "empty <think>"),
        ("<think>1 + 1 = 2</think>\n", "no answer after </think>"),
    ],
)
def test_thinking_tags(text: str, reason: str | None) -> None:
    assert broken_thinking(text, needed=True) == reason
