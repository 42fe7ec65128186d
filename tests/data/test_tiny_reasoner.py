"""The bundled model's problems: the same for a seed, worked out right, in many wordings, some of them held out."""

import json
import re
from itertools import islice
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.tiny_reasoner.documents import ASSISTANT, END, documents, solve_prompt
from data.tiny_reasoner.problems import LENGTHS, is_held_out, problems, tell
from data.tiny_reasoner.solutions import rewritten_line, solution, step_line, strange_line
from data.tiny_reasoner.words import FRAMES, HELD_OUT, OCCUPATIONS, PHRASES
from data.tiny_reasoner.write import write

DATA = Path(__file__).resolve().parents[2] / "data"

SUM = re.compile(r"(\d+) ([-+*/×÷−]) (\d+) = (\d+)")
WORKED = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__, "/": int.__floordiv__}
PLAIN = {"×": "*", "÷": "/", "−": "-"}


def trained_lines(count: int) -> list[str]:
    return [line for one in islice(documents("wordings"), count) for span in one for line in span.text.splitlines()]


def test_the_same_seed_makes_the_same_problems_and_conversations() -> None:
    assert list(islice(problems("a", held_out=False), 50)) == list(islice(problems("a", held_out=False), 50))
    assert list(islice(problems("a", held_out=False), 50)) != list(islice(problems("b", held_out=False), 50))
    assert list(islice(documents("a"), 50)) == list(islice(documents("a"), 50))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_every_step_is_worked_out_right_and_the_last_is_boxed(seed: int) -> None:
    rng = Random(seed)
    problem = tell(rng)
    *lines, last = solution(problem, rng)
    assert len(lines) == len(problem.steps)
    assert len(lines) in LENGTHS
    for line, step in zip(lines, problem.steps, strict=True):
        assert WORKED[step.op](step.left, step.right) == step.value
        assert step.op != "/" or step.left % step.right == 0
        assert str(step.value) in line
        for left, sign, right, value in SUM.findall(line):
            assert WORKED[PLAIN.get(sign, sign)](int(left), int(right)) == int(value)
    assert f"\\boxed{{{problem.steps[-1].value}}}" in last


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_what_a_step_uses_is_in_the_question_or_found_before(seed: int) -> None:
    problem = tell(Random(seed))
    known = {int(number) for number in re.findall(r"\d+", problem.question)}
    for step in problem.steps:
        assert {step.left, step.right} <= known
        known.add(step.value)


def test_no_held_out_question_is_trained_on() -> None:
    held_out = {one.question for one in islice(problems("held out", held_out=True), 300)}
    assert all(is_held_out(one) for one in held_out)
    assert not held_out & {one.question for one in islice(problems("train 7", held_out=False), 5000)}


def test_steps_come_in_many_wordings() -> None:
    assert len(OCCUPATIONS) >= 20
    assert len(set(FRAMES)) == len(FRAMES) >= 30
    problem = next(
        one for one in problems("wordings", held_out=False) if {"gain", "lose"} <= {s.kind for s in one.steps}
    )
    for step in problem.steps:
        rng = Random(0)
        distinct = {step_line(step, problem, {}, rng) for _ in range(1000)}
        assert len(distinct) >= 20 * len(PHRASES[step.kind])


def test_rewritten_wordings_are_never_trained_on() -> None:
    openings = {line.split("{")[0] for lines in HELD_OUT.values() for line in lines} - {""}
    texts = "\n".join(trained_lines(3000))
    assert len(openings) >= 12
    assert not [opening for opening in openings if len(opening.split()) > 1 and opening in texts]


@pytest.mark.parametrize("op", list(HELD_OUT))
def test_a_rewritten_step_keeps_its_numbers(op: str) -> None:
    rng = Random(0)
    problem, step = next((one, s) for one in problems("x", held_out=True) for s in one.steps if s.op == op)
    for _ in range(20):
        assert str(step.value) in rewritten_line(step, problem, rng)
        assert str(step.value) in strange_line(step, problem, rng)


def test_a_strangers_step_is_read_and_not_learnt() -> None:
    conversations = list(islice(documents("spans"), 400))
    for spans in conversations:
        assert not spans[0].learnt
        assert spans[0].text.endswith(f"{END}{ASSISTANT}")
        assert spans[-1].text == END
        assert spans[-1].learnt
    assert any(not span.learnt for spans in conversations for span in spans[1:])


def test_the_solve_prompt_holds_the_question() -> None:
    rng = Random(0)
    for problem in islice(problems("prompts", held_out=True), 30):
        assert problem.question in solve_prompt(problem, rng)


def test_the_bundled_problems_are_what_the_script_writes(tmp_path: Path) -> None:
    write(tmp_path / "problems.jsonl", 200, "samples", held_out=True)
    bundled = DATA / "samples/demo-problems.jsonl"
    assert (tmp_path / "problems.jsonl").read_text() == bundled.read_text()
    rows = [json.loads(line) for line in bundled.read_text().splitlines()]
    assert len({row["question"] for row in rows}) == 200
    assert all(is_held_out(row["question"]) for row in rows)
    assert all(row["solution"].rstrip(".").endswith(f"\\boxed{{{row['answer']}}}") for row in rows)
