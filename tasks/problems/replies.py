"""Reading replies: without the label that a model may put before a problem, and their fenced blocks."""

import re
from typing import Final, NamedTuple

_MARKUP = r"[\s*_#>]*"
_KINDS = r"(?:(?:maths?|mathematical|word|algebra|algebraic|python|programming|coding|multiple[- ]choice)\s+)*"
_LABEL: Final = re.compile(
    rf"\A{_MARKUP}(?:(?:sure|certainly|of course|okay)[,!.]\s*)?(?:here(?: is|'s|’s)[^\n:]{{0,120}}:\s*)?"
    rf"{_MARKUP}(?:{_KINDS}(?:problem|question|task|exercise)\s*\d*\s*[*_]*(?::|\n){_MARKUP})?",
    re.IGNORECASE,
)
_FENCE: Final = "```"


class Fenced(NamedTuple):
    """A fenced block: its text and where it stands with its fences."""

    text: str
    start: int
    end: int


def unlabelled(text: str) -> str:
    """The text without a first `Problem:`, `Here is a problem:` or the like, stripped."""
    return _LABEL.sub("", text, count=1).strip()


def fenced_blocks(text: str) -> list[Fenced]:
    """The fenced blocks of a text, in order; one that is not closed is none."""
    blocks: list[Fenced] = []
    opened: tuple[int, int] | None = None
    position = 0
    for line in text.splitlines(keepends=True):
        mark, position = line.strip(), position + len(line)
        if opened is None and mark.startswith(_FENCE):
            opened = (position - len(line), position)
        elif opened is not None and mark == _FENCE:
            blocks.append(Fenced(text[opened[1] : position - len(line)], opened[0], position))
            opened = None
    return blocks
