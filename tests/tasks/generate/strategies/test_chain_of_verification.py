"""A draft is checked by questions that are answered without it."""

from collections.abc import Callable
from typing import Any

from tasks.engines.contract import Completion, Finish, Request

Play = Callable[..., Any]


def checker(request: Request) -> str | Completion:
    asked = request.messages[-1].content
    if "List at most" in asked:
        return "1. How much is 3 and 4?\n2. Is anything taken away?"
    if "Only answer this" in asked:
        return "7" if "How much" in asked else "No."
    return "So it is 7" if "Write the whole reply anew" in asked else "The draft says 8"


def test_the_answers_do_not_see_the_draft_and_the_revision_sees_both(play: Play) -> None:
    done = play({"chain_of_verification": {}}, checker)
    assert done.own["text"] == "So it is 7"
    assert done.note == "revised after 2 questions that check the draft"
    assert done.kinds == ["sample", "plan", "check", "check", "branch"]
    checks = done.asked_for("check")
    assert not any("draft says" in message.content for one in checks for message in one.messages)
    assert all("What is 3 + 4? {solution}" in one.messages[-1].content for one in checks)
    last = done.asked[-1].messages
    assert [one.role for one in last] == ["user", "assistant", "user"]
    assert last[1].content == "The draft says 8"
    assert "How much is 3 and 4?\n7\n\nIs anything taken away?\nNo." in last[2].content


def test_only_what_it_came_to_is_a_sample(play: Play) -> None:
    done = play({"chain_of_verification": {}}, checker)
    (draft,) = (one for one in done.traces if one is not done.own)
    assert (draft["origin"], done.own["origin"]) == ("searched", "generated")
    assert (done.own["parent_trace_id"], done.own["fork_step"]) == (draft["trace_id"], 0)


def test_no_questions_a_draft_without_end_and_a_refused_prompt(
    play: Play, refused: Callable[[Request], Completion]
) -> None:
    strategy: dict[str, Any] = {"chain_of_verification": {}}
    done = play(strategy, lambda _: "It is 7")
    assert done.note == "broken off: no list of questions in the reply"
    assert (done.own["text"], done.own["origin"], done.own["search"]["chosen"]) == ("It is 7", "generated", False)
    done = play(strategy, lambda one: Completion(one.request_id, "on and on", Finish.LENGTH, 5, 9))
    assert list(done.dropped.values()) == ["ran into max_tokens"]
    assert list(play(strategy, refused).dropped.values()) == ["context overflow"]

    def late(request: Request) -> str | Completion:
        return refused(request) if "Only answer" in request.messages[-1].content else checker(request)

    assert play(strategy, late).note == "broken off: check: a prompt of 9,000 tokens"
