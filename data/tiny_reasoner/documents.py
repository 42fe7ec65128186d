"""What the model is trained on: short conversations, with the parts it has to learn to write marked."""

from collections.abc import Iterator
from random import Random
from typing import Final, NamedTuple

from data.tiny_reasoner.problems import Problem, problems
from data.tiny_reasoner.solutions import solution, strange_line
from data.tiny_reasoner.words import SOLVE_PROMPTS, SYSTEM_PROMPTS, WRITE_PROMPTS

USER: Final = "<|user|>"
ASSISTANT: Final = "<|assistant|>"
SYSTEM: Final = "<|system|>"
END: Final = "<|end|>"
PAD: Final = "<|pad|>"
SPECIALS: Final = (PAD, END, SYSTEM, USER, ASSISTANT)
CHAT_TEMPLATE: Final = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)

WRITING: Final = 0.2
"""The share of conversations in which a problem is written for a persona; in the others one is solved."""
REWRITTEN: Final = 0.35
"""The share of solutions with a step in a stranger's words, which the model reads and does not learn to write."""
SYSTEMATIC: Final = 0.1


class Span(NamedTuple):
    """A piece of a conversation; `learnt` if the model has to write it."""

    text: str
    learnt: bool


def documents(seed: str) -> Iterator[list[Span]]:
    """Endless conversations, the same for a seed, none on a held-out question."""
    rng = Random(f"{seed} wording")  # noqa: S311 - problems, not secrets
    for problem in problems(seed, held_out=False):
        head = SYSTEM + rng.choice(SYSTEM_PROMPTS) + END if rng.random() < SYSTEMATIC else ""
        write = rng.random() < WRITING
        user, reply = _written(problem, rng) if write else _solved(problem, rng)
        yield [Span(f"{head}{USER}{user}{END}{ASSISTANT}", learnt=False), *reply, Span(END, learnt=True)]


def solve_prompt(problem: Problem, rng: Random) -> str:
    """The user's turn that asks for a solution."""
    return rng.choice(SOLVE_PROMPTS).format(question=problem.question)


def write_prompt(persona: str, rng: Random) -> str:
    """The user's turn that asks for a problem."""
    return rng.choice(WRITE_PROMPTS).format(persona=persona)


def _written(problem: Problem, rng: Random) -> tuple[str, list[Span]]:
    return write_prompt(problem.persona, rng), [Span(problem.question, learnt=True)]


def _solved(problem: Problem, rng: Random) -> tuple[str, list[Span]]:
    lines = solution(problem, rng)
    strange = rng.randrange(len(problem.steps)) if rng.random() < REWRITTEN else None
    spans = [Span(line + "\n", learnt=True) for line in lines[:-1]] + [Span(lines[-1], learnt=True)]
    if strange is not None:
        spans[strange] = Span(strange_line(problem.steps[strange], problem, rng) + "\n", learnt=False)
    return solve_prompt(problem, rng), spans
