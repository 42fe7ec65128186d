"""Answers that are the same text."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.tables import Domain, Status
from tasks.verify.contract import Claim, Outcome, ProblemView
from tasks.verify.given import GivenConfig, boxed
from tasks.verify.verifiers.exact import Config, accepted, build


def problem(reference: str | None) -> ProblemView:
    return ProblemView(Domain.OPEN, "Which?", reference, None, None)


def status(reference: str, text: str, config: Config | None = None) -> Status:
    verifier = build(config or Config())
    told = verifier.claim(problem(reference), text)
    return (told if isinstance(told, Outcome) else verifier.decide(told)).status


RIGHT, WRONG = Status.CORRECT, Status.INCORRECT


@pytest.mark.parametrize(
    ("reference", "text", "expected"),
    [
        ("Paris", "Answer: Paris", RIGHT),
        ("Paris", "Answer: PARIS.", RIGHT),
        ("Paris", "So the answer is **Paris**!", RIGHT),
        ("Paris", "<think>Answer: Rome</think>Answer: “Paris”", RIGHT),
        ("Paris", "Answer: Pari", WRONG),
        ("Paris", "Answer: Paris, France", WRONG),
        ("New York", "Answer: new \t york", RIGHT),
        ("New York", "Answer: NewYork", WRONG),
        ("H₂O", r"\boxed{H2O}", RIGHT),
        ("５ﬁ", "Answer: 5fi", RIGHT),
        ("straße", "Answer: STRASSE", RIGHT),
        ("C#", "Answer: C", WRONG),
        ("C++", "Answer: c++", RIGHT),
        (".5", "Answer: 5", WRONG),
        ("-5", "Answer: −5", RIGHT),
        ("-5", "Answer: 5", WRONG),
        ("5%", "Answer: 5", WRONG),
        ("[1, 2)", "Answer: [1, 2)", RIGHT),
        ("[1, 2)", "Answer: (1, 2)", WRONG),
        ('["Paris", "City of Light"]', "Answer: the city of light", WRONG),
        ('["Paris", "City of Light"]', "Answer: city of light", RIGHT),
        ('["Paris", "City of Light"]', "Answer: Paris", RIGHT),
        ('["Paris", "City of Light"]', 'Answer: ["Paris", "City of Light"]', RIGHT),
        ("[1, 2]", "Answer: 1", WRONG),
        ("[]", "Answer: []", RIGHT),
        ("Paris", "It is Paris", WRONG),
        ("---", "Answer: !!!", WRONG),
    ],
)
def test_defaults(reference: str, text: str, expected: Status) -> None:
    assert status(reference, text) is expected


@pytest.mark.parametrize(
    ("settings_of", "reference", "text", "expected"),
    [
        ({"case": True}, "Paris", "Answer: paris", WRONG),
        ({"whitespace": True}, "New York", r"\boxed{New  York}", WRONG),
        ({"compatibility": True}, "5", "Answer: ５", WRONG),
        ({"punctuation": "kept"}, "Paris", r"\boxed{Paris.}", WRONG),
        ({"punctuation": "ignored"}, "It's so, no?", "Answer: its so no", RIGHT),
        ({"articles": False}, "the Nile", "Answer: Nile", RIGHT),
        ({"articles": False}, "Theseus", "Answer: seus", WRONG),
        ({"source": "text"}, "Paris", "<think>Rome?</think>\nParis", RIGHT),
        ({"source": "text"}, "Paris", "It is Paris", WRONG),
        ({"source": "text"}, "a\nb", "a\n\nb", RIGHT),
        ({"markers": ["Lösung:"]}, "7", "Lösung: 7", RIGHT),
    ],
)
def test_settings(settings_of: dict[str, object], reference: str, text: str, expected: Status) -> None:
    assert status(reference, text, Config.model_validate(settings_of)) is expected


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="<"), min_size=1, max_size=60).filter(str.strip))
def test_a_gold_answer_passes_and_an_answer_equals_itself(reference: str) -> None:
    for source in ("text", "final"):
        verifier = build(Config.model_validate({"source": source}))
        gold = verifier.gold(problem(reference))
        assert gold is not None
        told = verifier.claim(problem(reference), gold)
        assert isinstance(told, Claim)
        assert verifier.decide(told).status is RIGHT
        assert verifier.decide(Claim(told.answer, told.answer)).status is RIGHT


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("abcdé ", min_size=1, max_size=20).filter(str.strip), min_size=1, max_size=4))
def test_each_of_several_references_is_accepted(texts: list[str]) -> None:
    reference = json.dumps(texts)
    assert accepted(reference) == texts
    assert all(status(reference, boxed(one)) is RIGHT for one in texts)


@pytest.mark.parametrize("answer", ["x", "{1, 2}", "}{", "{", "a\\", ""])
def test_a_box_holds_what_is_put_into_it(answer: str) -> None:
    assert GivenConfig().given(boxed(answer)) == (answer or None)
