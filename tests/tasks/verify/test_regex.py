"""Answers that match a pattern."""

import pytest
from pydantic import ValidationError

from schemas.tables import Domain, Status
from tasks.verify.contract import Outcome, ProblemView
from tasks.verify.verifiers.regex import Config, build


def status(settings_of: dict[str, object], reference: str | None, text: str) -> Status:
    verifier = build(Config.model_validate(settings_of))
    told = verifier.claim(ProblemView(Domain.OPEN, "When?", reference, None, None), text)
    return (told if isinstance(told, Outcome) else verifier.check(told)).status


RIGHT, WRONG, UNKNOWN = Status.CORRECT, Status.INCORRECT, Status.UNVERIFIABLE


@pytest.mark.parametrize(
    ("settings_of", "reference", "text", "expected"),
    [
        ({}, r"\d{4}", "Answer: 1969", RIGHT),
        ({}, r"\d{4}", "Answer: in 1969", WRONG),
        ({"match": "search"}, r"\d{4}", "Answer: in 1969", RIGHT),
        ({"match": "search"}, r"\d{4}", "Answer: in 196", WRONG),
        ({}, r"\d{4}", "1969", WRONG),
        ({"source": "text"}, r"\d{4}", "<think>1968</think> 1969", RIGHT),
        ({"source": "text"}, r"\d{4}", "<think>1969", WRONG),
        ({}, "paris", "Answer: Paris", WRONG),
        ({"ignore_case": True}, "paris", "Answer: Paris", RIGHT),
        ({"source": "text", "match": "search"}, "^b$", "a\nb", WRONG),
        ({"source": "text", "match": "search", "multiline": True}, "^b$", "a\nb", RIGHT),
        ({"source": "text"}, "a.b", "a\nb", WRONG),
        ({"source": "text", "dot_all": True}, "a.b", "a\nb", RIGHT),
        ({"pattern": r"\d+"}, None, "Answer: 7", RIGHT),
        ({"pattern": r"\d+"}, "anything", "Answer: x", WRONG),
        ({"pattern": r"(about )?{reference}"}, "1.5", "Answer: about 1.5", RIGHT),
        ({"pattern": r"(about )?{reference}"}, "1.5", "Answer: 1x5", WRONG),
        ({"pattern": r"(about )?{reference}"}, None, "Answer: 1", UNKNOWN),
        ({}, None, "Answer: 1", UNKNOWN),
        ({}, "(", "Answer: 1", UNKNOWN),
        ({}, "a{1,99999999999}", "Answer: a", UNKNOWN),
    ],
)
def test_matches(settings_of: dict[str, object], reference: str | None, text: str, expected: Status) -> None:
    assert status(settings_of, reference, text) is expected


def test_a_pattern_that_is_none_is_refused_with_the_recipe() -> None:
    with pytest.raises(ValidationError, match="is no regular expression"):
        Config(pattern="(")
