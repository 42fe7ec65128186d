"""Sub-questions first, in one growing trace."""

from collections.abc import Callable
from typing import Any

from tasks.engines.contract import Completion, Finish, Request

Play = Callable[..., Any]
PARTS = "Here they are.\n1. What is 3?\n2) **What is 4?**\n- What is 3?\n"


def solver(request: Request) -> str | Completion:
    if "List at most" in request.messages[-1].content:
        return PARTS
    said = request.prefix.splitlines()[-1]
    if said.startswith("Sub-question 1"):
        assert request.sampling.stop == ("\nSub-question",)
        return Completion(request.request_id, "It is three.\n", Finish.STOP, 5, 3, stopped="\nSub-question")
    return "It is four." if said.startswith("Sub-question") else "Together 7"


def test_sub_questions_and_their_answers_are_one_trace(play: Play) -> None:
    done = play({"least_to_most": {}}, solver)
    (own,) = done.traces
    assert own["text"] == (
        "Sub-question 1: What is 3?\nIt is three.\n\nSub-question 2: What is 4?\nIt is four.\n\n"
        "The question itself:\nTogether 7"
    )
    assert (own["origin"], own["parent_trace_id"], own["finish_reason"]) == ("generated", None, "stop")
    assert own["completion_tokens"] == 3 + 3 + 2
    assert done.note == "after 2 sub-questions"
    assert done.kinds == ["sub-questions", "branch", "branch", "branch"]
    assert [own["text"][cut:][:3] for cut in own["step_offsets"]] == ["Sub", "Sub", "The"]
    assert not done.dropped
    first, *rest = done.asked
    assert "{solution}" in first.messages[-1].content
    assert all("the last heading" in one.messages[-1].content for one in rest)
    assert [one.prefix.count("Sub-question") for one in rest] == [1, 2, 2]


def test_no_list_a_part_without_end_and_a_refused_prompt_are_said(
    play: Play, refused: Callable[[Request], Completion]
) -> None:
    done = play({"least_to_most": {}}, lambda _: "It is 7")
    assert done.note == "broken off: no list of sub-questions in the reply"
    assert list(done.dropped.values()) == ["refused"]

    def endless(request: Request) -> str | Completion:
        if "Sub-question 2" in request.prefix:
            return Completion(request.request_id, "and on", Finish.LENGTH, 5, request.sampling.max_tokens)
        return solver(request)

    done = play({"least_to_most": {"max_tokens": 9}}, endless)
    assert done.note == "broken off: a sub-question's answer did not end: number 2, length"
    assert done.own["text"].endswith("What is 4?\nand on")
    assert list(done.dropped.values()) == ["ran into max_tokens"]
    assert play({"least_to_most": {}}, refused).note == "broken off: sub-questions: a prompt of 9,000 tokens"


def test_no_tokens_left_is_an_end_too(play: Play) -> None:
    def long(request: Request) -> str | Completion:
        said = solver(request)
        return said._replace(completion_tokens=40) if isinstance(said, Completion) else said

    done = play({"least_to_most": {}}, long, sampling={"max_tokens": 40})
    assert done.note == "broken off: a sub-question's answer did not end: number 2, length"
    assert list(done.dropped.values()) == ["a branch that its search left"]


def test_headings_and_prompts_are_settings(play: Play) -> None:
    settings = {"heading": "Sub-question no.", "final": "Now:", "most": 1, "parting": "List at most one for {question}"}
    done = play({"least_to_most": settings}, solver)
    assert done.own["text"].startswith("Sub-question no. 1: What is 3?\nIt is four.\n\nNow:\nTogether 7")
