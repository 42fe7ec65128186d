"""reasoning_gym's own scorers."""

import importlib.util
import json
from typing import Any

import pytest

from schemas.errors import RecipeError
from schemas.tables import Domain, Status
from tasks.verify.contract import Claim, Outcome, ProblemView, Verifier
from tasks.verify.verifiers.reasoning_gym import Config, build, harmless

# Made by reasoning_gym 0.1.25, size 2, seed 1; chosen for how they score: number, expression, board, words, tuples.
ENTRIES: dict[str, tuple[dict[str, Any], str, str]] = {
    "leg_counting": ({"answer": "26", "metadata": {}}, "26", "24"),
    "countdown": (
        {"answer": "94*4 - 61 - 6", "metadata": {"numbers": [6, 61, 94, 4], "target": 309}},
        "4*94-6-61",
        "309",
    ),
    "n_queens": (
        {
            "answer": "_ Q _ _\n_ _ _ Q\nQ _ _ _\n_ _ Q _",
            "metadata": {"valid_answers": ["_ Q _ _\n_ _ _ Q\nQ _ _ _\n_ _ Q _"]},
        },
        "_ Q _ _\n_ _ _ Q\nQ _ _ _\n_ _ Q _",
        "Q _ _ _\n_ _ _ Q\n_ Q _ _\n_ _ Q _",
    ),
    "string_insertion": ({"answer": "DCAABED", "metadata": {}}, "DCAABED", "DCAABDE"),
    "simple_integration": (
        {"answer": "x**2 + C", "metadata": {"variable": "x", "integrand": "2*x"}},
        "x**2 + 7 + C",
        "x**3 + C",
    ),
    "rearc": ({"answer": "3 3\n8 3", "metadata": {"output": [[3, 3], [8, 3]]}}, "3 3\n8 3", "3 3\n3 8"),
}


def problem(name: str, entry: dict[str, Any]) -> ProblemView:
    return ProblemView(Domain.MATH, "?", None, json.dumps({"reasoning_gym": name, "entry": entry}), None)


def judged(view: ProblemView, text: str, config: Config | None = None) -> Outcome:
    verifier = build(config or Config())
    told = verifier.claim(view, text)
    return told if isinstance(told, Outcome) else verifier.check(told)


@pytest.mark.parametrize("name", ENTRIES)
def test_the_library_scores(name: str) -> None:
    entry, right, wrong = ENTRIES[name]
    view = problem(name, entry)
    gold = build(Config()).gold(view)
    assert gold is not None
    assert judged(view, gold).status is Status.CORRECT
    assert judged(view, f"<think>hm</think>So: <answer>{right}</answer>").status is Status.CORRECT
    outcome = judged(view, f"<answer>\n{wrong}\n</answer>")
    assert outcome.status is Status.INCORRECT
    assert outcome.score is not None
    assert outcome.score < 1
    assert outcome.reason.startswith("reasoning_gym scores ")


def test_part_of_a_score_may_do() -> None:
    view = problem("leg_counting", {"answer": "26", "metadata": {}})
    assert judged(view, r"\boxed{26 legs}").score == pytest.approx(2 / 7)
    assert judged(view, r"\boxed{26 legs}", Config(least=0.25)).status is Status.CORRECT
    assert judged(view, "Answer: 26").status is Status.CORRECT


@pytest.mark.parametrize(
    ("tests", "text", "status", "reason"),
    [
        (None, "Answer: 1", Status.UNVERIFIABLE, "no tests with an entry of reasoning_gym"),
        ("assert reasoning_gym", "Answer: 1", Status.UNVERIFIABLE, "no tests with an entry of reasoning_gym"),
        ('{"reasoning_gym": "x"}', "Answer: 1", Status.UNVERIFIABLE, "no tests with an entry of reasoning_gym"),
        (
            '{"reasoning_gym": "x", "entry": {}}',
            "Answer: 1",
            Status.UNVERIFIABLE,
            "reasoning_gym has no data set x",
        ),
        ('{"reasoning_gym": "x", "entry": {}}', "1", Status.INCORRECT, "no answer found"),
        ('{"reasoning_gym": "x", "entry": {}}', "<answer> </answer> Answer: 1", Status.INCORRECT, "no answer found"),
    ],
)
def test_what_cannot_be_scored(tests: str | None, text: str, status: Status, reason: str) -> None:
    outcome = judged(ProblemView(Domain.MATH, "?", None, tests, None), text)
    assert (outcome.status, outcome.reason) == (status, reason)


@pytest.mark.parametrize(
    "answer",
    [
        "4*94 - 6",
        "(1 + 2)/3",
        "x**2/2 + C",
        "3*Integral(x**3*cos(3*x), x) + C",
        "2.5e3",
        "DCAABED",
        "_ Q\nQ _",
        "",
        "-1",
        "5!",
        "[1, 2]",
        "[['Q', '_']]",
        "{'a': None}",
        "'text'",
        "exp(x)",
        "2*x",
        "1e-3",
    ],
)
def test_data_words_and_arithmetic_are_run(answer: str) -> None:
    assert harmless(answer) is (answer != "5!")


@pytest.mark.parametrize(
    "answer",
    [
        "__import__('os').system('true')",
        "open('x')",
        "print(1)",
        "exec('1')",
        "S('1')",
        "f(1).real",
        "(1).__class__",
        "1 .real",
        "[x for x in (1,)]",
        "lambda: 1",
        "x.y",
        "().a",
        "eval(x)",
        "sympify(x)",
        "preview(x)",
        "[exit][0]()",
        "a if b() else c",
        "'a'.join(b)",
        "f'{x}'",
        "1 if exit() else 0",
        "x := 1",
        "quit()",
        "E.a",
        "sinexit()",
    ],
)
def test_a_program_is_not_run(answer: str) -> None:
    assert not harmless(answer)
    assert (
        judged(problem("countdown", ENTRIES["countdown"][0]), f"<answer>{answer}</answer>").status is Status.INCORRECT
    )


def test_answers_are_not_compared_with_each_other() -> None:
    verifier: Verifier = build(Config())
    view = problem("leg_counting", {"answer": "26", "metadata": {}})
    assert verifier.answer(view, "Answer: 26") is None
    assert verifier.decide(Claim("a", "a")) is None


def test_without_the_library_the_recipe_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(RecipeError, match=r"install tracemill\[gym\]"):
        build(Config())
