"""Replies that think first."""

import pytest

from tasks.text.thinking import spoken, whole_thinking


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


def test_an_opening_tag_that_the_template_wrote_is_put_back() -> None:
    assert whole_thinking("so 2\n</think>\n2") == "<think>\nso 2\n</think>\n2"
    assert whole_thinking("<think>so 2</think>2") == "<think>so 2</think>2"
    assert whole_thinking("2") == "2"
