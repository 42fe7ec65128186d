"""Solutions in words: a step a line, in many wordings; and lines as a stranger would write them."""

from random import Random
from typing import Final

from data.tiny_reasoner.problems import Problem, Step
from data.tiny_reasoner.words import ANSWERS, FILLER, FRAMES, HELD_OUT, OP_WORDS, PHRASES, SIGNS, VERBS

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_STRANGE: Final = (
    "{} {left} {sign} {right} = {value} {}",
    "{} {left} {} {right} {} {value}",
    "{} {right} {} {left} {} {value} {}",
    "{} {right} {} {value} {}",
    "{} {left} {} {right} {sign} {value} {}",
    "{} {value} {} ({left} {sign} {right})",
    "{} {value} {}",
)


def solution(problem: Problem, rng: Random) -> list[str]:
    """The steps' lines and the line with the boxed answer."""
    signs = rng.choice(SIGNS[:3])
    lines = [step_line(step, problem, signs, rng) for step in problem.steps]
    return [*lines, rng.choice(ANSWERS).format(answer=problem.answer)]


def step_line(step: Step, problem: Problem, signs: dict[str, str], rng: Random) -> str:
    """A step in one of the wordings that the model learns to write."""
    what = rng.choice(PHRASES[step.kind]).format(**problem.words)
    calculation = f"{step.left} {signs.get(step.op, step.op)} {step.right}"
    return rng.choice(FRAMES).format(
        what=what,
        What=what[0].upper() + what[1:],
        calculation=calculation,
        sum=f"{calculation} = {step.value}",
        do=VERBS[step.op].format(left=step.left, right=step.right),
        op_word=OP_WORDS[step.op],
        name=problem.words["name"],
        **_numbers(step),
    )


def rewritten_line(step: Step, problem: Problem, rng: Random) -> str:
    """A step in a wording that is never trained on."""
    return rng.choice(HELD_OUT[step.op]).format(**problem.words, **_numbers(step))


def strange_line(step: Step, problem: Problem, rng: Random) -> str:
    """A step in random words, so that the model learns to read the numbers of any wording."""
    shape = rng.choice(_STRANGE)
    sign = rng.choice([step.op, "×" if step.op == "*" else step.op, OP_WORDS[step.op], "and", "by"])
    gaps = [_babble(problem, rng) for _ in range(shape.count("{}"))]
    line = " ".join(shape.format(*gaps, sign=sign, **_numbers(step)).split())
    return line[0].upper() + line[1:] + rng.choice([".", ".", "!", ""])


def _babble(problem: Problem, rng: Random) -> str:
    words = [_word(problem, rng) for _ in range(rng.randint(0, 5))]
    return " ".join(words) + rng.choice(["", "", ",", ":"]) if words else ""


def _word(problem: Problem, rng: Random) -> str:
    if rng.random() < 0.25:
        return "".join(rng.choices(_LETTERS, k=rng.randint(2, 8)))
    return rng.choice([*FILLER, problem.words["things"], problem.words["name"]])


def _numbers(step: Step) -> dict[str, int]:
    return {"left": step.left, "right": step.right, "value": step.value}
