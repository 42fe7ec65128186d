"""A draft is revised after what verifiers say of it, which is never what is right."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pytest

from schemas.tables import Status
from tasks.engines.contract import Completion, Finish, Request
from tasks.generate.strategies.self_refine import ALONE

Play = Callable[..., Any]


class Said(NamedTuple):
    status: Status
    answer: str | None = None
    reason: str = ""


class Judge:
    """Says of a text's last word what it is told to say; of all others that they are wrong."""

    def __init__(self, reason: str = "math: not the same as the reference", **words: Status) -> None:
        self.words = words
        self.reason = reason

    def accepted(self, problem: Mapping[str, Any], texts: Sequence[str]) -> list[bool]:
        return [one.status is Status.CORRECT for one in self.told(problem, texts)]

    def told(self, _problem: Mapping[str, Any], texts: Sequence[str]) -> list[Said]:
        last = [text.split()[-1] for text in texts]
        return [Said(self.words.get(word, Status.INCORRECT), word, self.reason) for word in last]


def improver(request: Request) -> str:
    """Eight, then nine, then seven."""
    asked = request.messages[-1].content
    if "Check your reply" in asked:
        return "All steps are right.\n**Nothing is wrong.**" if "nine" in request.messages[1].content else "Step 1 is."
    if "anew" in asked:
        return "It is seven" if "nine" in request.messages[1].content else "It is nine"
    return "It is eight"


def test_the_verifier_leads_to_what_is_right(play: Play) -> None:
    done = play({"self_refine": {}}, improver, judge=Judge(seven=Status.CORRECT))
    assert (done.own["text"], done.note) == ("It is seven", "revision 2 is right")
    assert done.kinds == ["sample", "revision", "revision"]
    texts = {one["trace_id"]: one["text"] for one in done.traces}
    assert {one["text"]: texts.get(one["parent_trace_id"]) for one in done.traces} == {
        "It is eight": None,
        "It is nine": "It is eight",
        "It is seven": "It is nine",
    }
    assert {one["text"]: one["origin"] for one in done.traces}["It is eight"] == "generated"
    assert done.own["origin"] == "searched"
    told = done.asked[1].messages
    assert [one.role for one in told] == ["user", "assistant", "user"]
    assert told[2].content.startswith("The answer eight is wrong. math: not the same as the reference\n")
    assert not done.dropped


@pytest.mark.parametrize("reason", ["math: 8 is not 7", "exact: wanted  7", "instruction: SEVEN or 7."])
def test_the_reference_is_never_told(reason: str, play: Play) -> None:
    done = play({"self_refine": {"rounds": 1}}, improver, judge=Judge(reason))
    assert done.note == "revision 1 is still wrong"
    assert not done.own["search"]["chosen"]
    assert done.asked[1].messages[2].content.startswith("The answer eight is wrong.\n")


def test_tests_are_never_told(play: Play, problem: dict[str, Any]) -> None:
    problem.update(tests="assert f(3) == 4", reference=None)
    done = play({"self_refine": {"rounds": 1}}, improver, judge=Judge("code: test 1 failed: assert f(3) == 4"))
    assert "f(3)" not in done.asked[1].messages[2].content


def test_without_a_verdict_the_model_criticises_itself_and_the_trace_says_so(play: Play) -> None:
    judge = Judge(eight=Status.UNVERIFIABLE, nine=Status.UNVERIFIABLE, seven=Status.UNVERIFIABLE)
    done = play({"self_refine": {"rounds": 3}}, improver, judge=judge)
    assert done.own["text"] == "It is nine"
    assert done.note == f"{ALONE}: revision 1"
    assert done.kinds == ["sample", "critique", "revision", "critique"]
    assert done.asked[2].messages[2].content.startswith("Step 1 is.\n")
    assert play({"self_refine": {"rounds": 1}}, improver, judge=judge).note == f"{ALONE}: revision 1"


def test_a_verifier_that_errs_a_draft_without_end_and_a_critique_of_nothing(
    play: Play, refused: Callable[[Request], Completion]
) -> None:
    done = play({"self_refine": {}}, improver, judge=Judge("late", eight=Status.ERROR))
    assert done.note == "broken off: a verifier broke: late"
    done = play({"self_refine": {}}, lambda one: Completion(one.request_id, "on and on", Finish.LENGTH, 5, 9))
    assert (done.note, list(done.dropped.values())) == ("the draft did not end: length", ["ran into max_tokens"])
    assert play({"self_refine": {}}, refused).note == "the draft did not end: context overflow"

    def mute(request: Request) -> str:
        return "<think>" if "Check your reply" in request.messages[-1].content else improver(request)

    done = play({"self_refine": {}}, mute, judge=Judge(eight=Status.UNVERIFIABLE))
    assert done.note == "broken off: no critique in the reply: it is empty, or its thinking never ends"
