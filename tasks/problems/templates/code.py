"""A Python programming problem for a persona, with tests that the model writes along with it."""

import ast
import builtins
import random
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from pydantic import Field

from schemas.tables import Domain
from tasks.engines.contract import Message
from tasks.problems.contract import Draft, TemplateConfig
from tasks.problems.replies import fenced_blocks, unlabelled

FULL = """\
Write one Python programming problem that would help this person.

Persona: {persona}

- Describe the problem in words. Name the one function that is to be written, its parameters and what it returns.
- Say what happens at the edges: nothing given, ties, wrong values.
- It is solved with the standard library, without files, network, clock or chance.
- Do not solve it.

Then give the tests: one fenced block of at least {asserts} lines, each an assert that calls the function. For a
function `trays_needed(loaves, per_tray)` that would be

```python
assert trays_needed(10, 4) == 3
assert trays_needed(0, 4) == 0
```

Reply with the problem and the block of tests and nothing else."""

LONGEST: Final = 20_000
"""Characters; a longer block of tests is not read."""
_ALLOWED = (ast.Assert, ast.Import, ast.ImportFrom, ast.Assign)
_LABELS = ("test", "tests", "test cases", "assertions", "asserts")


class Config(TemplateConfig):
    """A prompt of your own has to ask for a fenced block of asserts; {asserts} in it stands for min_asserts."""

    WORDINGS: ClassVar[Mapping[str, str]] = {"full": FULL}

    min_asserts: int = Field(default=3, ge=1, description="a problem with fewer tests is dropped")


@dataclass(frozen=True)
class Code:
    """The text before the block of asserts is the question, the block the tests."""

    config: Config
    domain: Domain = Domain.CODE
    worded: bool = False

    def messages(self, persona: str, _draw: random.Random, /) -> tuple[Message, ...]:
        """The prompt."""
        return self.config.messages(persona=persona, asserts=str(self.config.min_asserts))

    def parse(self, text: str, _draw: random.Random, /) -> Draft | str:
        """Split the reply, and check that the tests are asserts on a function that the question names."""
        blocks = fenced_blocks(text)
        if not blocks or "assert" not in blocks[-1].text:
            return "no fenced block of tests at the end"
        question = _without_label(unlabelled(text[: blocks[-1].start]))
        if not question:
            return "no question before the tests"
        if any(_solves(block.text) for block in fenced_blocks(question)):
            return "gives its own solution"
        tests = blocks[-1].text.strip()
        return _fault(tests, question, self.config.min_asserts) or Draft(question, tests=tests)


def _fault(tests: str, question: str, min_asserts: int) -> str | None:
    tree = _parsed(tests)
    if tree is None:
        return "the tests are not Python"
    if not all(isinstance(statement, _ALLOWED) for statement in tree.body):
        return "the tests hold more than asserts"
    called = [set(_called(statement)) for statement in tree.body if isinstance(statement, ast.Assert)]
    if len(called) < min_asserts:
        return "too few tests"
    shared = set.intersection(*called)
    if not shared:
        return "the tests do not call one function"
    return None if any(name in question for name in shared) else "the question does not name the function"


def _parsed(source: str) -> ast.Module | None:
    """The syntax tree; None for what is none, is too long or is nested beyond reason."""
    if len(source) > LONGEST:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a stray backslash in a model's string is no news
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _called(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not hasattr(builtins, node.func.id):
            yield node.func.id


def _solves(block: str) -> bool:
    """Whether a block defines a function that returns something: a bare signature may stand in a question."""
    tree = _parsed(block)
    return tree is not None and any(isinstance(node, ast.Return | ast.Yield) for node in ast.walk(tree))


def _without_label(question: str) -> str:
    """The question without a last line that only announces the tests."""
    body, _, last = question.rpartition("\n")
    return body.rstrip() if last.strip(" \t*_#:").lower() in _LABELS else question


def build(config: Config) -> Code:
    """The template with these settings."""
    return Code(config)
