"""The quality gate: each rule, and that it lets good problems through."""

import json
from pathlib import Path

import pytest

from tasks.problems.gate import GateConfig, RuleName, flaw_of_question, question_start
from tasks.problems.people import people, unknown

GSM8K = Path(__file__).parents[4] / "shared/data/gsm8k/test.jsonl"
GOOD = "Ana, a baker from Lyon, has 12 trays with eight rolls each. Tom buys 30 rolls. How many rolls has Ana left?"


def reason(text: str, *, worded: bool = True, **settings: object) -> str | None:
    flaw = flaw_of_question(text, GateConfig.model_validate(settings), worded=worded)
    return flaw.reason if flaw else None


FLAWED = [
    ("What is 1 + 1?", "too short"),
    (GOOD * 60, "too long"),
    (GOOD + " and rolls" * 40, "repeats itself"),
    (GOOD + "\nSolution: she has 66.", "gives its own solution"),
    (GOOD + "\n\n**Answer:** 66", "gives its own solution"),
    (GOOD + " It is \\boxed{66}.", "gives its own solution"),
    (GOOD + "\n#### 66", "gives its own solution"),
    ("I'm sorry, but I can't help with 12 rolls and 5 trays. How about another?", "refusal"),
    ("As an AI language model I have no 12 rolls and no 5 trays. What else?", "refusal"),
    ("Ana has 12 rolls and bakes 5 more trays of rolls.", "asks nothing"),
    ("Ana has a tray of rolls. How many rolls are on it?", "too few numbers"),
    ("Ana has 12 rolls and Tom has 5. How many rolls has Vera?", "asks about somebody unknown"),
    ("Ana has 12 rolls. That is 5 more than Vera has. How many rolls has Ana?", "asks about somebody unknown"),
]


@pytest.mark.parametrize(("text", "expected"), FLAWED)
def test_flaws(text: str, expected: str) -> None:
    assert reason(text) == expected


@pytest.mark.parametrize(("text", "expected"), [one for one in FLAWED if one[1] not in {"too short", "too long"}])
def test_a_rule_may_be_left_out(text: str, expected: RuleName) -> None:
    assert reason(text, skip=[expected]) is None


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "Twice a week Dr. Lee runs half a mile. How far does Dr. Lee run in a dozen weeks?",
        "Find the number which, doubled and made less by three, is 11.",
        "If Sue gives Tom 5 eggs and Tom gives back 2, how many eggs has Tom got from Sue?",
        "Rolls cost $2 each. If Vera buys 7 rolls, how much does Vera pay?",
        "Bo scored 14 points, 3 more than Eve, who scored less than Al. Al got 20 in March. What did Bo score in May?",
        "Ana has 12 rolls. Tom gets 3. How many more are needed to be ahead of Pablo, who has 40?",
        "Ana has 5 dragons. Tom has 7. How many Dragons do they have in all?",
    ],
)
def test_good_problems(text: str) -> None:
    assert reason(text) is None


def test_only_stories_need_numbers_and_people() -> None:
    assert reason("Ana bakes bread. Tom eats it. What does Vera say?", worded=False) is None
    assert reason("Ana bakes 3 loaves, Tom 4, Bo and Vera 5. How many do they bake?", max_people=3) == "too many people"
    assert reason("Ana bakes 3 loaves, Tom 4, Bo and Vera 5. How many do they bake?", max_people=4) is None


def test_limits() -> None:
    assert reason(GOOD, max_chars=50) == "too long"
    assert reason(GOOD, min_numbers=3) is None
    assert reason(GOOD, min_numbers=4) == "too few numbers"
    assert reason("Is it so?", min_chars=5, min_numbers=0) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Ana's eggs are in Lyon. On Monday Tom sells 3 to Bob.", ["Ana", "Tom", "Bob"]),
        ("Vera, a nurse in Faro, has 3 masks. Then the DVDs cost $3.", ["Vera"]),
        ("There are 3 eggs. They cost $2. This costs more. How many?", []),
        ("“Eva has 5,” says Al. Later, 3 more come in January.", ["Eva", "Al"]),
    ],
)
def test_people(text: str, found: list[str]) -> None:
    assert people(text) == found


def test_the_question_begins_after_the_last_sentence() -> None:
    text = "Mr. Lee has 3.5 kg. He sells 2 kg at 9 a.m. How much is left? (Round it.)"
    assert text[question_start(text) :].startswith("How much")
    assert unknown(text, question_start(text)) is None


@pytest.mark.parametrize(
    "text", ["A" * 4000, "Ana " * 1000, "How, how " * 400, "? " * 2000, "1 " * 2000, "\n* " * 1300]
)
def test_any_text_is_judged(text: str) -> None:
    assert reason(text) is not None


@pytest.mark.skipif(not GSM8K.exists(), reason="needs ../shared/data")
def test_human_problems_pass() -> None:
    questions = [json.loads(line)["question"] for line in GSM8K.read_text().splitlines()]
    failed = [question for question in questions if reason(question)]
    assert len(questions) == 1319
    assert len(failed) <= 0.01 * len(questions)
