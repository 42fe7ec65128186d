"""Replies that think between `<think>` and `</think>` first."""

import re
from typing import Final

OPEN_THINK: Final = "<think>"
CLOSE_THINK: Final = "</think>"
_OPEN: Final = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_THOUGHT: Final = re.compile(r"\A.*</think(?:ing)?>", re.IGNORECASE | re.DOTALL)


def spoken(text: str) -> str | None:
    """What a reply says after its `<think>` … `</think>`; None if the thinking never ends."""
    said = _THOUGHT.sub("", text)
    return None if _OPEN.search(said) else said.strip()


def whole_thinking(text: str) -> str:
    """The text with the opening tag that some models' templates write for them (DeepSeek-R1's distilled ones)."""
    return f"{OPEN_THINK}\n{text}" if CLOSE_THINK in text and OPEN_THINK not in text else text
