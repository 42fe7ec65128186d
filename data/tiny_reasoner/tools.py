"""What the model with a calculator is trained on: the same problems, a call for each step, results only read."""

import json
from collections.abc import Iterator
from random import Random
from typing import Final

from data.tiny_reasoner.documents import ASSISTANT, END, SYSTEM, USER, Span, documents, solve_prompt
from data.tiny_reasoner.problems import Problem, Step, problems
from data.tiny_reasoner.words import ANSWERS, PHRASES

TOOL: Final = "<|tool|>"
OPEN_CALL: Final = "<tool_call>"
CLOSE_CALL: Final = "</tool_call>"
CALLED: Final = '{"name": "calculator", "arguments": {"expression": "'
ADDED: Final = (OPEN_CALL, CLOSE_CALL, CALLED, '"}}')
"""Tokens of their own, for a call is short then; what they say is plain text."""
OFFERED: Final = f"{SYSTEM}Tools: calculator{END}"
CHAT_TEMPLATE: Final = (
    "{% if tools %}{{ '<|system|>Tools: ' + (tools | map(attribute='function.name') | join(', ')) + '<|end|>' }}"
    "{% endif %}"
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + (message['content'] or '') }}"
    "{% for call in message.get('tool_calls') or [] %}"
    "{% set arguments = call.function.arguments %}"
    "{{ ('\\n' if message['content'] or not loop.first else '') + '<tool_call>\\n{\"name\": \"' + call.function.name"
    " + '\", \"arguments\": ' + (arguments if arguments is string else arguments | tojson) + '}\\n</tool_call>' }}"
    "{% endfor %}{{ '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
PLAIN: Final = 0.15
"""The share of conversations without a tool, so that the model still knows those."""
FRAMES: Final = (
    "{What}.",
    "First {what}.",
    "Now {what}.",
    "Next comes {what}.",
    "We need {what}.",
    "Let us find {what}.",
    "{What}: the calculator knows.",
    "I ask for {what}.",
)


def conversations(seed: str) -> Iterator[list[Span]]:
    """Endless conversations, the same for a seed, none on a held-out question."""
    rng = Random(f"{seed} tools")  # noqa: S311 - problems, not secrets
    plain = documents(f"{seed} plain")
    for problem in problems(f"{seed} with tools", held_out=False):
        yield next(plain) if rng.random() < PLAIN else conversation(problem, rng)


def conversation(problem: Problem, rng: Random) -> list[Span]:
    """A problem solved by a call for each step."""
    spans = [Span(f"{OFFERED}{USER}{solve_prompt(problem, rng)}{END}{ASSISTANT}", learnt=False)]
    for step in problem.steps:
        spans += [
            Span(f"{_said(step, problem, rng)}\n{call(step)}{END}", learnt=True),
            Span(f"{TOOL}{step.value}{END}{ASSISTANT}", learnt=False),
        ]
    return [*spans, Span(rng.choice(ANSWERS).format(answer=problem.answer) + END, learnt=True)]


def call(step: Step) -> str:
    """The call that works a step out."""
    function = {"name": "calculator", "arguments": {"expression": f"{step.left} {step.op} {step.right}"}}
    return f"{OPEN_CALL}\n{json.dumps(function)}\n{CLOSE_CALL}"


def _said(step: Step, problem: Problem, rng: Random) -> str:
    what = rng.choice(PHRASES[step.kind]).format(**problem.words)
    return rng.choice(FRAMES).format(what=what, What=what[0].upper() + what[1:])
