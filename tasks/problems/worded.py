"""What templates have in common whose reply is the text of a mathematics problem and nothing else."""

import random
from dataclasses import dataclass

from schemas.tables import Domain
from tasks.engines.contract import Message
from tasks.problems.contract import Draft, TemplateConfig
from tasks.problems.replies import unlabelled


@dataclass(frozen=True)
class Worded:
    """A worded mathematics problem; its answer is left to later stages."""

    config: TemplateConfig
    domain: Domain = Domain.MATH
    worded: bool = True

    def messages(self, persona: str, _draw: random.Random, /) -> tuple[Message, ...]:
        """The prompt."""
        return self.config.messages(persona=persona)

    def parse(self, text: str, _draw: random.Random, /) -> Draft | str:
        """The whole reply is the question."""
        question = unlabelled(text)
        return Draft(question) if question else "empty"
