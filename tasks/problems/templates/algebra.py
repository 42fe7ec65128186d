"""An algebra problem for a persona: unknowns, equations, inequalities, rates. Tülu 3 has a set of its own for it."""

from collections.abc import Mapping
from typing import ClassVar

from tasks.problems.contract import TemplateConfig
from tasks.problems.worded import Worded

FULL = """\
Write one algebra problem at the level of the last years of school for this person.

Persona: {persona}

- Something in the persona's work or interests is unknown, and is found by setting up and solving equations or
  inequalities: a system, a quadratic, a rate, a mixture, a sequence or the like.
- Every number that is needed stands in the text, and the answer is exact.
- It asks one thing, or at most two that build on each other.
- Give no solution, no equation that gives the idea away, and no hint.

Reply with the text of the problem and nothing else."""

SHORT = "Write an algebra problem for the following persona.\n\nPersona: {persona}"


class Config(TemplateConfig):
    """`full` is for models that follow instructions, `short` for small ones."""

    WORDINGS: ClassVar[Mapping[str, str]] = {"full": FULL, "short": SHORT}


def build(config: Config) -> Worded:
    """The template with these settings."""
    return Worded(config)
