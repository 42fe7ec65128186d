"""Replies that think between `<think>` and `</think>` first."""

import re
from typing import Final, NamedTuple

OPEN_THINK: Final = "<think>"
CLOSE_THINK: Final = "</think>"
_OPEN: Final = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_TAG: Final = re.compile(r"</?think(?:ing)?>", re.IGNORECASE)
_THOUGHT: Final = re.compile(r"\A.*</think(?:ing)?>", re.IGNORECASE | re.DOTALL)


def spoken(text: str) -> str | None:
    """What a reply says after its `<think>` … `</think>`; None if the thinking never ends."""
    said = _THOUGHT.sub("", text)
    return None if _OPEN.search(said) else said.strip()


class Halves(NamedTuple):
    """A reply's thinking, without its tags, and what it says after; no tags, no thinking."""

    thinking: str
    answer: str


def halves(text: str) -> Halves:
    """Part a reply at its last closing tag; thinking that never ends has no answer after it."""
    said = spoken(text)
    if said is None:
        return Halves(_TAG.sub("", text).strip(), "")
    thought = _THOUGHT.match(text)
    return Halves(_TAG.sub("", thought.group()).strip() if thought else "", said)


def whole_thinking(text: str) -> str:
    """The text with the opening tag that some models' templates write for them (DeepSeek-R1's distilled ones)."""
    return f"{OPEN_THINK}\n{text}" if CLOSE_THINK in text and OPEN_THINK not in text else text


def broken_thinking(text: str, *, needed: bool) -> str | None:
    """What is wrong with a text's thinking tags: there is one pair, at the start, and an answer after it, or none."""
    opened, closed = text.count(OPEN_THINK), text.count(CLOSE_THINK)
    if not opened and not closed:
        return "no <think>" if needed else None
    if opened != 1 or closed != 1 or not text.lstrip().startswith(OPEN_THINK):
        return "broken <think>"
    thinking, answer = text.split(CLOSE_THINK)
    if not thinking.replace(OPEN_THINK, "").strip():
        return "empty <think>"
    return None if answer.strip() else "no answer after </think>"
