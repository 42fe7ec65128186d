"""Universal self-consistency; the other ways to choose are in test_search.py."""

from collections.abc import Callable
from typing import Any

from tasks.engines.contract import Completion, Finish, Request

Play = Callable[..., Any]
CONSISTENT = {"best_of_n": {"n": 4, "by": "consistent"}}


def sampler(reply: str) -> Callable[[Request], str | Completion]:
    def answer(request: Request) -> str | Completion:
        asked = request.messages[-1].content
        if "most of them agree" in asked:
            assert all(f"answer {place}\n" in asked for place in range(1, 5))
            return reply
        return f"<think>{request.sampling.seed}</think>It is about {(request.sampling.seed or 0) % 3}"

    return answer


def test_the_model_picks_the_most_consistent(play: Play) -> None:
    done = play(CONSISTENT, sampler('<think>{"choice": 1}</think>{"reason": "\\sum", "choice": 3}'))
    assert done.note == "most of 4 samples agree with it, says the model"
    assert done.kinds == ["sample"] * 4 + ["consistent"]
    third = done.asked[2]
    assert f"<think>{third.sampling.seed}<" in done.own["text"]
    assert "<think>" not in done.asked[-1].messages[-1].content
    assert {one["origin"] for one in done.traces} == {"generated"}


def test_a_choice_that_cannot_be_read_or_is_none_of_them(play: Play) -> None:
    for reply in ("The third.", '{"choice": 5}', '{"choice": 0}', "<think>"):
        done = play(CONSISTENT, sampler(reply))
        assert done.note.endswith("the most consistent cannot be read")
        assert not any(one["search"]["chosen"] for one in done.traces)


def test_one_alone_is_not_asked_about(play: Play, refused: Callable[[Request], Completion]) -> None:
    assert play({"best_of_n": {"n": 1, "by": "consistent"}}, lambda _: "It is 7").note == "the only one that ended"
    assert list(play(CONSISTENT, refused).dropped.values()) == ["context overflow"] * 4
    done = play(CONSISTENT, lambda one: Completion(one.request_id, "on", Finish.LENGTH, 5, 9))
    assert done.note.startswith("no sample ended")
