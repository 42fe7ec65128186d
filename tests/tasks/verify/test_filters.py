"""The parts of the filters, and their settings; tests/contracts/test_filters.py has what all filters have to keep."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import RecipeError
from schemas.tables import Domain
from tasks.verify.answers import MARKERS
from tasks.verify.contract import ProblemView
from tasks.verify.filtering import TraceView, build
from tasks.verify.filters.format import named_answers
from tasks.verify.filters.repetition import again_share, top_share


def reason(name: str, settings_of: dict[str, Any], text: str, domain: Domain = Domain.MATH) -> str | None:
    fault = build({name: settings_of})[name].fault(ProblemView(domain, "?", None, None, None), TraceView(text))
    return fault.reason if fault else None


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("A: 18", ["18"]),
        (r"\boxed{17} … \boxed{18}", ["17", "18"]),
        ("Answer: \\boxed{18}\n#### 18", ["18", "18"]),
        ("**Answer:** 7\nno\nA: 8", ["7", "8"]),
        ("An answer: 7", []),
        ("", []),
    ],
)
def test_named_answers(text: str, answers: list[str]) -> None:
    assert named_answers(text, MARKERS) == answers


@pytest.mark.parametrize(
    ("settings_of", "text", "domain", "found"),
    [
        ({}, "A: $1,000.\n\\boxed{1000}", Domain.MATH, None),
        ({}, "A: Rome\nB: Paris\nAnswer: B", Domain.CHOICE, None),
        ({}, "A: Rome\nB: Paris", Domain.CHOICE, "no final answer"),
        ({}, "Anything.", Domain.OPEN, None),
        ({"one_answer": []}, "Anything.", Domain.MATH, None),
        ({"markers": [], "phrases": []}, "A: 6", Domain.MATH, "no final answer"),
        ({"boxed": ["math"]}, "A: 6", Domain.MATH, "no boxed answer"),
        ({"boxed": ["math"]}, r"\boxed{6}", Domain.MATH, None),
        ({"boxed": ["math"]}, r"<think>\boxed{6}</think>A: 6", Domain.MATH, "no boxed answer"),
        ({"fenced": ["code"]}, "x = 1", Domain.CODE, "no code fence"),
        ({"fenced": ["code"]}, "```python\nx = 1", Domain.CODE, "open code fence"),
        ({"fenced": ["code"]}, "```python\nx = 1\n```", Domain.CODE, None),
        ({"think": "required"}, "A: 6", Domain.MATH, "no <think>"),
        ({"think": "required"}, "<think>hm</think>A: 6", Domain.MATH, None),
        ({"think": "forbidden"}, "<think>hm</think>A: 6", Domain.MATH, "thinking tags"),
        ({"think": "forbidden"}, "A: 6", Domain.MATH, None),
    ],
)
def test_format(settings_of: dict[str, Any], text: str, domain: Domain, found: str | None) -> None:
    assert reason("format", settings_of, text, domain) == found


@pytest.mark.parametrize(
    ("settings_of", "found"),
    [
        ({"thinking": {"words": {"least": 3}}}, "too few words in the thinking"),
        ({"thinking": {"words": {"most": 2}}}, None),
        ({"answer": {"words": {"most": 2}}}, "too many words in the answer"),
        ({"answer": {"steps": {"least": 3}}}, "too few steps in the answer"),
        ({"answer": {"steps": {"least": 2, "most": 2}}}, None),
        ({"text": {"characters": {"least": 100}}}, "too few characters in the text"),
        ({"tokens": {"least": 100}}, None),
    ],
)
def test_length(settings_of: dict[str, Any], found: str | None) -> None:
    assert reason("length", settings_of, "<think>hm hm</think>So it is.\n\nA: 6") == found


def test_a_length_that_cannot_be_kept_is_refused() -> None:
    with pytest.raises(RecipeError, match="least is more than most"):
        build({"length": {"tokens": {"least": 2, "most": 1}}})
    with pytest.raises(RecipeError, match=r"language.language: .*use one of ar, de"):
        build({"language": {"language": "english"}})


@pytest.mark.parametrize(
    ("settings_of", "found"),
    [
        ({}, None),
        ({"of": "thinking"}, None),
        ({"of": "answer", "language": "de"}, "answer not in de"),
        ({"of": "thinking", "language": "fr"}, "thinking not in fr"),
        ({"language": "fr", "fewest": 40}, None),
        ({"language": "fr", "least": 0.001}, "thinking not in fr"),
    ],
)
def test_language(settings_of: dict[str, Any], found: str | None) -> None:
    english = "the total is seven, so that each of the children has an apple to give to the mother"
    assert reason("language", settings_of, f"<think>{english}</think>{english}") == found


@pytest.mark.parametrize(
    ("words", "size", "top", "again"),
    [
        ("a b c d", 2, 0.0, 0.0),
        ("a b a b", 2, 1.0, 0.5),
        ("a b x a b y", 2, 4 / 6, 2 / 6),
        ("a b c a b c", 3, 1.0, 0.5),
        ("aaa aaa b", 3, 0.0, 0.0),
        ("", 2, 0.0, 0.0),
    ],
)
def test_shares(words: str, size: int, top: float, again: float) -> None:
    assert top_share(words.split(), size) == pytest.approx(top)
    assert again_share(words.split(), size) == pytest.approx(again)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["a", "bb", "ccc"]), max_size=80), st.integers(2, 6))
def test_shares_are_shares(words: list[str], size: int) -> None:
    assert 0 <= top_share(words, size) <= 1
    assert 0 <= again_share(words, size) < 1


def test_gopher_s_limits_can_be_set() -> None:
    gopher = {"loops": False, "lines": None, "fewest": 1, "top": {"2": 0.2}, "again": {"5": 0.15}}
    assert reason("repetition", gopher, "so it is " * 9) == "one phrase too often"
    assert reason("repetition", gopher | {"top": {}}, "so it is " * 9) == "phrases said again"
    assert reason("repetition", gopher, "each word here is said but once and never more") is None
