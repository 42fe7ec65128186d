"""The model recalls problems, then solves its own."""

from collections.abc import Callable
from typing import Any

import pytest

from tasks.engines.contract import Completion, Finish, Request

Play = Callable[..., Any]
RECALLED = "## Relevant problems\nQ: What is 1 + 1?\nA: 2\n\n**Q:** What is 2 + 2?\nA: 4\n\n## Solution\nIt is 7"


def test_all_is_kept(play: Play) -> None:
    done = play({"analogical": {"exemplars": 2}}, lambda _: RECALLED)
    (own,) = done.traces
    assert (own["text"], own["origin"]) == (RECALLED, "generated")
    assert done.note == "after 2 problems that it recalled"
    assert not done.dropped
    (asked,) = done.asked
    assert "Recall 2 problems" in asked.messages[-1].content
    assert "put your final answer within \\boxed{}" in asked.messages[-1].content


def test_the_solution_alone_is_kept(play: Play) -> None:
    done = play({"analogical": {"keep": "solution"}}, lambda _: RECALLED)
    assert len(done.traces) == 2
    (whole,) = (one for one in done.traces if one is not done.own)
    assert (done.own["text"], done.own["parent_trace_id"], done.own["fork_step"]) == ("It is 7", whole["trace_id"], 0)
    assert done.own["completion_tokens"] is None
    assert done.dropped == {whole["trace_id"]: "a branch that its search left"}


@pytest.mark.parametrize("reply", ["It is 7", "## Solution\nIt is 7", "Q: What is 1 + 1?\nA: 2\n## Solution\n"])
def test_a_reply_that_recalls_nothing_is_left(reply: str, play: Play) -> None:
    done = play({"analogical": {}}, lambda _: reply)
    assert done.note.startswith("broken off: no problems that it recalled")
    assert list(done.dropped.values()) == ["a branch that its search left"]


def test_a_reply_without_end_and_a_refused_prompt(play: Play, refused: Callable[[Request], Completion]) -> None:
    done = play({"analogical": {}}, lambda one: Completion(one.request_id, RECALLED, Finish.LENGTH, 5, 9))
    assert list(done.dropped.values()) == ["ran into max_tokens"]
    assert list(play({"analogical": {}}, refused).dropped.values()) == ["context overflow"]
