"""Which option a trace names."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.tables import Domain
from tasks.verify.contract import Outcome, ProblemView
from tasks.verify.options import LETTERS, named, options_of
from tasks.verify.verifiers.choice import Config, build

GOLDEN = json.loads((Path(__file__).parents[2] / "golden/choice_answers.json").read_text())
VERIFIER = build(Config())
QUESTION = "Which city?\nA) Rome\nB) Paris\nC) Madrid"


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"{case['reference']}|{case['text'][:40]}")
def test_golden(case: dict[str, Any]) -> None:
    problem = ProblemView(Domain.CHOICE, case["question"], case["reference"], None, case["options"])
    told = VERIFIER.claim(problem, case["text"])
    outcome = told if isinstance(told, Outcome) else VERIFIER.decide(told)
    assert outcome.status.value == case["status"], case["note"]


def test_a_gold_answer_passes_wherever_the_reference_can_be_told() -> None:
    for case in GOLDEN:
        problem = ProblemView(Domain.CHOICE, case["question"], case["reference"], None, case["options"])
        gold = VERIFIER.gold(problem)
        assert gold is not None
        told = VERIFIER.claim(problem, gold)
        outcome = told if isinstance(told, Outcome) else VERIFIER.decide(told)
        assert outcome.status.value == ("unverifiable" if case["status"] == "unverifiable" else "correct")


@pytest.mark.parametrize(
    ("question", "stored", "options"),
    [
        (QUESTION, None, {"A": "Rome", "B": "Paris", "C": "Madrid"}),
        ("Which?\n(A) 1 (B) 2", None, {"A": "1", "B": "2"}),
        ("Which? A) x B) y", None, {"A": "x", "B": "y"}),
        ("Which?\n**A.** x\n**B.** y", None, {"A": "x", "B": "y"}),
        ("Which?\n1. x\n2. y", None, {"1": "x", "2": "y"}),
        ("Given:\nA) old\nB) older\n\nWhich?\nA) x\nB) y", None, {"A": "x", "B": "y"}),
        ("A) only one", None, {}),
        ("Which?\nB) x\nC) y", None, {}),
        ("No options.", '["x", "y"]', {"A": "x", "B": "y"}),
        ("No options.", '{"a": "x", "b": "y"}', {"A": "x", "B": "y"}),
        ("No options.", '{"label": ["1", "2"], "text": ["x", "y"]}', {"1": "x", "2": "y"}),
        ("No options.", "not JSON", {}),
        ("No options.", "7", {}),
        ("", None, {}),
    ],
)
def test_options(question: str, stored: str | None, options: dict[str, str]) -> None:
    assert options_of(question, stored) == options


@settings(max_examples=200, deadline=None)
@given(
    st.integers(2, 10), st.data(), st.sampled_from(["{}", "({})", "{})", "{}.", "**{}**", r"\text{{{}}}", "option {}"])
)
def test_every_label_is_read_in_every_form(count: int, data: st.DataObject, form: str) -> None:
    options = {label: f"text number {label.lower()}" for label in LETTERS[:count]}
    label = data.draw(st.sampled_from(sorted(options)))
    assert named(form.format(label), options) == label
    assert named(options[label], options) == label
    assert named(f"{label}) {options[label]}", options, strict=True) == label


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_whatever_is_named_is_an_option(text: str) -> None:
    label = named(text, {"A": "Rome", "B": "Paris"})
    assert label in (None, "A", "B", "A, B")
    VERIFIER.answer(ProblemView(Domain.CHOICE, QUESTION, "B", None, None), text)
