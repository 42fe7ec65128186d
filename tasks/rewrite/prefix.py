"""The text that a model goes on from, once a step was rewritten; and how what comes of it is cut into steps."""

from collections.abc import Sequence
from typing import Final

from tasks.text.steps import split_steps, steps

_LINE: Final = "\n"


def forked(text: str, offsets: Sequence[int], step: int, after: str) -> str:
    """The steps before `step`, character by character as they are, then the new one, ready to be gone on from.

    The new step ends as the old one did, in the whitespace that parts it from the next; the last step of a trace ends
    as the one before it.
    """
    return text[: offsets[step]] + after + _gap(steps(text, offsets), step)


def offsets_of(text: str, kept: Sequence[int]) -> list[int]:
    """Where the steps of `text` start; it goes on from a trace whose steps, up to the rewritten one, start at `kept`.

    What follows may make the splitter cut the beginning otherwise (a first blank line does): then the rest is cut by
    itself.
    """
    whole = split_steps(text)
    if whole[: len(kept)] == list(kept):
        return whole
    fork = kept[-1]
    return [*kept[:-1], *(fork + offset for offset in split_steps(text[fork:]))]


def _gap(parts: Sequence[str], step: int) -> str:
    """The whitespace at the end of a step, or of the nearest before it that ends in any, or after it."""
    nearest = [*reversed(parts[: step + 1]), *parts[step + 1 :]]
    return next((gap for one in nearest if (gap := one[len(one.rstrip()) :])), _LINE)
