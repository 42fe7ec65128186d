"""A multiple-choice question for a persona, with its options and the key."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from pydantic import Field

from schemas.tables import Domain
from tasks.engines.contract import Message
from tasks.problems.contract import Draft, TemplateConfig
from tasks.problems.replies import unlabelled

FULL = """\
Write one multiple-choice question that this person could meet at work or in a book they like.

Persona: {persona}

- It takes thought: knowledge and a step or two of reasoning, not a look at the persona.
- Exactly one of the four options is right; the other three are mistakes that people make.
- No option speaks of other options ("all of the above").

Reply in this form and with nothing else:

the question
A) an option
B) an option
C) an option
D) an option
Answer: the letter of the right option"""

LETTERS: Final = "ABCD"
_OPTION = re.compile(r"^[ \t*_-]*\(?([A-Z])[).:][ \t*_]+(\S.*)$", re.MULTILINE)
_KEY = re.compile(
    r"(?:the )?(?:correct |right )?(?:answer|key|option)(?: is)?[\s:*_]*\(?([A-D])\b[).]?.*", re.IGNORECASE
)
_MENTIONS = re.compile(r"\b(?:above|below|both|neither|none of|all of|options? [A-D])\b", re.IGNORECASE)


class Config(TemplateConfig):
    """A prompt of your own has to ask for four options `A)` to `D)` and a last line `Answer: X`."""

    WORDINGS: ClassVar[Mapping[str, str]] = {"full": FULL}

    shuffle: bool = Field(default=True, description="put the options in random order: models favour B and C as the key")


@dataclass(frozen=True)
class Choice:
    """Question and options become the question, the key's letter the reference."""

    config: Config
    domain: Domain = Domain.CHOICE
    worded: bool = False

    def messages(self, persona: str, _draw: random.Random, /) -> tuple[Message, ...]:
        """The prompt."""
        return self.config.messages(persona=persona)

    def parse(self, text: str, draw: random.Random, /) -> Draft | str:
        """Read the form that the prompt asks for."""
        body, _, last = text.strip().rpartition("\n")
        key = _KEY.fullmatch(last.strip(" \t*_-"))
        if key is None:
            return "no key on the last line"
        found = list(_OPTION.finditer(body))
        options = [option[2].rstrip(" \t\r*_") for option in found]
        if "".join(option[1] for option in found) != LETTERS:
            return "not four options A to D"
        if len({option.casefold() for option in options}) < len(options):
            return "two options are the same"
        stem = unlabelled(body[: found[0].start()])
        if not stem:
            return "no question before the options"
        order = self._order(options, draw)
        listed = "\n".join(f"{letter}) {options[index]}" for letter, index in zip(LETTERS, order, strict=True))
        return Draft(f"{stem}\n\n{listed}", reference=LETTERS[order.index(LETTERS.index(key[1].upper()))])

    def _order(self, options: list[str], draw: random.Random) -> list[int]:
        order = list(range(len(options)))
        if self.config.shuffle and not any(map(_MENTIONS.search, options)):
            draw.shuffle(order)
        return order


def build(config: Config) -> Choice:
    """The template with these settings."""
    return Choice(config)
