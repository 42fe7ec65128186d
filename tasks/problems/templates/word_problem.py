"""A worded mathematics problem for a persona.

After the persona prompts of Tülu 3 (Lambert et al. 2024, arXiv 2411.15124, section 3.1.2, itself after Chan et al.
2024, arXiv 2406.20094): hard, from the persona's own life, no solution, at most two questions. The wording is our own.
"""

from collections.abc import Mapping
from typing import ClassVar

from tasks.problems.contract import TemplateConfig
from tasks.problems.worded import Worded

FULL = """\
Write one math problem that comes out of the life of this person.

Persona: {persona}

- Use what the persona tells (the work, the place, the interests), not just a name.
- Make it hard: it takes several steps, and every number in it is needed.
- It has one answer, which follows from the text alone.
- It asks one thing, or at most two that build on each other.
- Give no solution, no answer and no hint.

Reply with the text of the problem and nothing else."""

SHORT = "Write a math word problem for the following persona.\n\nPersona: {persona}"


class Config(TemplateConfig):
    """`full` is for models that follow instructions, `short` for small ones such as the bundled model."""

    WORDINGS: ClassVar[Mapping[str, str]] = {"full": FULL, "short": SHORT}


def build(config: Config) -> Worded:
    """The template with these settings."""
    return Worded(config)
