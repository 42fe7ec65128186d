"""Thoughts are proposed, valued by the model itself, and the best go on."""

from collections.abc import Callable
from typing import Any

import pytest

from schemas.errors import RecipeError
from tasks.engines.contract import Completion, Finish, Request
from tasks.generate.config import Sampler

Play = Callable[..., Any]
STEP = {"end": "\n", "max_tokens": 20}
SMALL = {"thoughts": 2, "breadth": 1, "depth": 2, "values": 2, "step": STEP}


def thinker(request: Request) -> str | Completion:
    """Thinks of a good or a bad step; knows which one is good."""
    asked = request.messages[-1].content
    if "List 2 different" in asked:
        depth = asked.count("good") + asked.count("bad")
        return f"1. a good step {depth}\n2. a bad step {depth}"
    if "one of these words" in asked:
        shown = asked.split("solution:\n", 1)[1].split("\n\nCan it")[0]
        return "I see.\nimpossible" if "bad" in shown else "It may.\nSure."
    if "best choice" in asked:
        first = asked.split("Choice 1:\n", 1)[1].split("\n\n")[0]
        return f"The best choice is {2 if 'bad' in first else 1}"
    if "\n" in request.sampling.stop:
        good = (request.sampling.seed or 0) % 2
        return Completion(request.request_id, "a good step" if good else "a bad step", Finish.STOP, 5, 3, stopped="\n")
    return "So 7"


@pytest.mark.parametrize("propose", ["sample", "list"])
@pytest.mark.parametrize("value", ["score", "vote"])
def test_the_best_thoughts_go_on(propose: str, value: str, play: Play) -> None:
    done = play({"tree_of_thoughts": {**SMALL, "thoughts": 2, "propose": propose, "value": value}}, thinker)
    assert done.own["search"]["chosen"]
    assert done.own["text"].endswith("So 7")
    assert done.own["search"]["scorer"] == "self"
    if propose == "list":
        assert done.own["text"] == "a good step 0\na good step 1\nSo 7"
        assert done.own["search"]["step_scores"] == [1.0, 1.0]
        assert done.kinds.count("thoughts") == 2
        assert len(done.traces) == 5
        assert sorted(one["search"]["value"] for one in done.traces) == pytest.approx([5e-5] * 2 + [1.0] * 3, abs=1e-4)
        assert done.kinds.count("value" if value == "score" else "vote") == (8 if value == "score" else 4)
    assert set(done.dropped.values()) == {"a branch that its search left"}
    assert done.own["origin"] == "generated"


def test_replies_that_cannot_be_read_are_no_value(play: Play) -> None:
    def unsure(request: Request) -> str | Completion:
        if "one of these words" in request.messages[-1].content and (request.sampling.seed or 0) % 2:
            return "sure, or impossible?"
        return thinker(request)

    done = play({"tree_of_thoughts": {**SMALL, "propose": "list", "values": 6}}, unsure)
    assert done.own["search"]["chosen"]
    assert "of 24 valuations cannot be read" in done.note


def test_a_model_that_never_says_a_word_of_value_breaks_the_search_off(play: Play) -> None:
    def mute(request: Request) -> str | Completion:
        return "Hm." if "one of these words" in request.messages[-1].content else thinker(request)

    done = play({"tree_of_thoughts": {**SMALL, "propose": "list"}}, mute)
    assert done.note == "broken off: no thought could be valued: none of 4 replies can be read"
    assert len(done.dropped) == len(done.traces) == 2


def test_no_list_and_a_refused_prompt_are_said(play: Play, refused: Callable[[Request], Completion]) -> None:
    settings = {"tree_of_thoughts": {**SMALL, "propose": "list"}}
    done = play(settings, lambda _: "Let me think.")
    assert done.note == "broken off: no thought could be had"
    assert play(settings, refused).note == "broken off: thoughts: a prompt of 9,000 tokens"
    assert play({"tree_of_thoughts": SMALL}, refused).dropped.keys()


def test_a_thought_that_ends_the_solution_is_chosen_as_it_is(play: Play) -> None:
    def hasty(request: Request) -> str | Completion:
        return "It is 7" if "\n" in request.sampling.stop else thinker(request)

    done = play({"tree_of_thoughts": SMALL}, hasty)
    assert done.own["text"] == "It is 7"
    assert set(done.kinds) == {"branch", "value"}


def test_words_have_their_worth_from_the_recipe() -> None:
    for settings, fault in [
        ({"words": {"sure": 20}}, "less than or equal to 1"),
        ({"valuing": "?"}, "needs {solution} and {words}"),
    ]:
        with pytest.raises(RecipeError, match=fault):
            Sampler.model_validate({"model": "m", "strategy": {"tree_of_thoughts": settings}})
