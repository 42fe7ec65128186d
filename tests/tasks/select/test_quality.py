"""What is a fault of form, and what is not."""

from collections.abc import Callable
from typing import Any

import pytest

from tasks.select.contract import Pool

BAD = [
    ("picture", "In the figure below, what is the angle at B?"),
    ("picture", "How far is it, as shown in the diagram?"),
    ("picture", "![A map](map.png) How far is it?"),
    ("drawing", "[asy]draw((0,0)--(1,1));[/asy] How long is it?"),
    ("drawing", "How many squares?\n+---+---+\n|   |   |\n+---+---+"),
    ("drawing", "How many corners?\n   /  \\\n  /    \\\n ------"),
    ("list number", "12. What is 3 + 4?"),
    ("list number", "(b) Find x."),
    ("list number", "Problem 3: what is 3 + 4?"),
]
GOOD = [
    "3.5 kg of apples cost 7 dollars; what does one kg cost?",
    "12 apples cost 4 dollars. How much is one?",
    "Find the image of f on [0, 1] and draw no diagram.",
    "| a | b |\n|---|---|\n| 1 | 2 |\nWhat is the sum of the second row?",
    "Solve \\begin{cases} x + y = 3 \\\\ x - y = 1 \\end{cases}",
    "What is $a/b + c/d$ where $a \\in A \\setminus B$?",
    "def f(x):\n    # see the figure of merit\n    return x // 2",
]


@pytest.mark.parametrize(("fault", "text"), BAD)
def test_faults(pool: Callable[..., Pool], outcome: Callable[..., dict[str, str]], fault: str, text: str) -> None:
    one = pool([{"problem_id": "p", "question": text}], [])
    assert outcome(one, {"quality": {}}) == {"p": f"quality: {fault} in the question"}


@pytest.mark.parametrize("text", GOOD)
def test_no_faults(pool: Callable[..., Pool], outcome: Callable[..., dict[str, str]], text: str) -> None:
    one = pool([{"problem_id": "p", "question": text}], [{"trace_id": "t", "problem_id": "p", "text": text}])
    assert outcome(one, {"quality": {}}) == {}


def test_traces_go_and_a_problem_with_its_last(
    pool: Callable[..., Pool], outcome: Callable[..., dict[str, str]]
) -> None:
    texts: list[tuple[str, int | None]] = [("It is 7.", None), ("![x](y) 7", None), ("So. " * 9, 2), ("So. " * 9, 99)]
    traces: list[dict[str, Any]] = [
        {"trace_id": f"t{at}", "problem_id": f"p{at % 2}", "text": text, "completion_tokens": tokens}
        for at, (text, tokens) in enumerate(texts)
    ]
    gone = outcome(
        pool([{"problem_id": "p0"}, {"problem_id": "p1"}], traces), {"quality": {"least_tokens": 5, "most_tokens": 50}}
    )
    assert gone == {
        "p1": "quality: no trace is left",
        "t1": "quality: picture link in the trace",
        "t2": "quality: shorter than 5 tokens",
        "t3": "quality: longer than 50 tokens",
    }


def test_patterns_can_be_replaced(pool: Callable[..., Pool], outcome: Callable[..., dict[str, str]]) -> None:
    one = pool([{"problem_id": "p", "question": "12. HOW?"}], [])
    assert outcome(one, {"quality": {"question": {"shouting": "(?i)how"}}}) == {
        "p": "quality: shouting in the question"
    }
    assert outcome(one, {"quality": {"question": {}}}) == {}
