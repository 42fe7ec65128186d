"""A writing task for a persona, under constraints that a program can check.

Constraints and their names are those of IFEval (Zhou et al. 2023, arXiv 2311.07911); the idea to join them to persona
tasks is Tülu 3's (Lambert et al. 2024, arXiv 2411.15124). They are drawn here, told to the model so that the task suits
them, and added to the task's text, so that the question always states what is checked.
"""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from pydantic import Field, model_validator

from schemas.tables import Domain
from tasks.engines.contract import Message
from tasks.problems.constraints import KINDS, Constraint, draw_constraints
from tasks.problems.contract import Draft, TemplateConfig
from tasks.problems.replies import unlabelled

FULL = """\
Write a task that this person might give to an assistant that can only write text: a letter, a plan, a comparison, an
explanation, a story or the like.

Persona: {persona}

Whoever does the task will have to keep these rules, so choose a task that goes well with them:
{constraints}

Do not repeat the rules, they are added to your text. Do not do the task yourself. Reply with the text of the task and
nothing else, in one to five sentences."""


class Config(TemplateConfig):
    """A prompt of your own may have {constraints} in it, a list of what the answer has to keep."""

    WORDINGS: ClassVar[Mapping[str, str]] = {"full": FULL}

    fewest: int = Field(default=1, ge=1, description="constraints a task at least")
    most: int = Field(
        default=3, ge=1, description="constraints a task at most; fewer where kinds contradict each other"
    )
    kinds: tuple[str, ...] = Field(default=tuple(KINDS), min_length=1, description="IFEval's names of the kinds to use")

    @model_validator(mode="after")
    def _known(self) -> Self:
        if unknown := [kind for kind in self.kinds if kind not in KINDS]:
            raise ValueError(f"unknown kinds {', '.join(unknown)}: use some of {', '.join(KINDS)}")
        if self.fewest > self.most:
            raise ValueError("fewest is more than most")
        return self


@dataclass(frozen=True)
class Instruction:
    """The task and its constraints in words are the question; the constraints are also stored as JSON."""

    config: Config
    domain: Domain = Domain.INSTRUCTION
    worded: bool = False

    def messages(self, persona: str, draw: random.Random, /) -> tuple[Message, ...]:
        """The prompt, with the constraints in words."""
        rules = "\n".join(f"- {one.sentence}" for one in self._constraints(draw))
        return self.config.messages(persona=persona, constraints=rules)

    def parse(self, text: str, draw: random.Random, /) -> Draft | str:
        """The reply is the task; `constraints` is a JSON list of `{"kind": …, "kwargs": {…}}`."""
        task = unlabelled(text)
        if not task:
            return "empty"
        drawn = self._constraints(draw)
        rules = " ".join(one.sentence for one in drawn)
        stored = [{"kind": one.kind, "kwargs": one.kwargs} for one in drawn]
        return Draft(f"{task}\n\n{rules}", constraints=json.dumps(stored, ensure_ascii=False))

    def _constraints(self, draw: random.Random) -> list[Constraint]:
        return draw_constraints(self.config.kinds, draw.randint(self.config.fewest, self.config.most), draw)


def build(config: Config) -> Instruction:
    """The template with these settings."""
    return Instruction(config)
