"""Reading replies: labels, fenced blocks."""

import pytest

from tasks.problems.replies import fenced_blocks, unlabelled


@pytest.mark.parametrize(
    "text",
    [
        "Ana has a problem: she lost 3 eggs.",
        "Problem solving is hard for 3 people.",
        "Here Ana has 3 eggs.",
        "Consider this problem: 3 eggs and 4 more.",
        "Surely 3 eggs are enough.",
    ],
)
def test_a_text_is_not_a_label(text: str) -> None:
    assert unlabelled(text) == text


@pytest.mark.parametrize(
    "label",
    [
        "Problem:",
        "**Math problem:**",
        "# Problem 1\n",
        "Question: ",
        "Multiple-choice question:",
        "Here's a task for you:\n",
    ],
)
def test_a_label_is_cut(label: str) -> None:
    assert unlabelled(f"{label} Ana has 3 eggs. ") == "Ana has 3 eggs."


def test_fenced_blocks() -> None:
    text = "a\n```python\nx = 1\n```\nb\n```\ny\n```\n```\nopen"
    assert [block.text for block in fenced_blocks(text)] == ["x = 1\n", "y\n"]
    assert text[fenced_blocks(text)[0].start :].startswith("```python")
    assert text[: fenced_blocks(text)[0].end].endswith("```\n")
    assert fenced_blocks("```x\n" * 50_000) == []
