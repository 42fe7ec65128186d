"""What a template is: it asks a model for a problem of one kind, and reads the reply."""

import random
import re
from collections.abc import Mapping
from typing import ClassVar, NamedTuple, Protocol

from pydantic import Field, field_validator

from schemas.base import ConfigBase
from schemas.tables import Domain
from tasks.engines.contract import Message

_SLOT = re.compile(r"\{(\w+)\}")


class Draft(NamedTuple):
    """A problem as a reply gives it, with what answers to it are checked against, as far as the reply says."""

    question: str
    reference: str | None = None
    tests: str | None = None
    constraints: str | None = None


class Template(Protocol):
    """What a plug-in's `build(config)` returns.

    `messages` and `parse` get generators in the same state, so that what the one draws the other can draw again.
    """

    @property
    def domain(self) -> Domain:
        """What kind of problem it makes."""

    @property
    def worded(self) -> bool:
        """Whether its problems are stories with numbers and people: the gate then looks at both."""

    def messages(self, persona: str, draw: random.Random, /) -> tuple[Message, ...]:
        """The prompt that asks for a problem for this persona."""

    def parse(self, text: str, draw: random.Random, /) -> Draft | str:
        """The problem in a reply (its thinking is cut off already), or the reason why there is none."""


class TemplateConfig(ConfigBase):
    """The settings that all templates have."""

    WORDINGS: ClassVar[Mapping[str, str]] = {}
    """Prompts by name; the default is `full`."""

    weight: float = Field(default=1.0, gt=0, description="how often it is asked for, relative to the other templates")
    prompt: str = Field(
        default="full",
        description="a wording's name, or a prompt of your own: {persona} in it stands for the description",
    )
    system: str | None = Field(default=None, description="a system message before the prompt")

    @field_validator("prompt")
    @classmethod
    def _usable(cls, prompt: str) -> str:
        if prompt not in cls.WORDINGS and "{persona}" not in prompt:
            raise ValueError(f"neither one of {', '.join(sorted(cls.WORDINGS))} nor a text with {{persona}} in it")
        return prompt

    def messages(self, **slots: str) -> tuple[Message, ...]:
        """The conversation, with each `{slot}` of the prompt filled in; other braces stay."""
        prompt = self.WORDINGS.get(self.prompt, self.prompt)
        filled = _SLOT.sub(lambda slot: slots.get(slot[1], slot[0]), prompt)
        system = () if self.system is None else (Message("system", self.system),)
        return (*system, Message("user", filled))
