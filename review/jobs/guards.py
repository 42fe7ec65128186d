"""What a reviewer is asked to look at again in the step that they wrote; it hinders nothing."""

import re
from difflib import SequenceMatcher
from typing import Final

from tasks.rewrite import doubts as shared

_RUN: Final = 8
"""Words that a step and a reference solution share by chance seldom: one after another, in the same order."""
_LONGER: Final = 3
_FEWEST: Final = 40
"""Characters: a shorter old step says nothing about how long a step should be."""
_ALIKE: Final = 0.97
_COMPARED: Final = 4_000
"""Characters; comparing takes quadratic time."""
_NUMBER: Final = re.compile(r"\d+|[-+*×÷/=<>−]")
_WORD: Final = re.compile(r"\w+|[^\w\s]")
_CONCLUDES: Final = re.compile(
    r"\\boxed\b|^\s*####|\b(?:the|our|final)\s+(?:final\s+)?answer\s*(?:is|:|=)|\banswer:", re.IGNORECASE | re.MULTILINE
)


def doubts(before: str, after: str, reference: str | None, reference_solution: str | None = None) -> list[str]:
    """Sentences about a rewritten step; none where nothing is odd about it.

    Args:
        before: the step as it was.
        after: as it was rewritten.
        reference: the problem's answer.
        reference_solution: the problem's solution, where one is known.
    """
    found = shared.doubts(before, after, reference)
    if reference_solution and _copies(before, after, reference_solution):
        found.append(f"the rewritten step repeats {_RUN} words or more of the reference solution")
    if _CONCLUDES.search(after) and not _CONCLUDES.search(before):
        found.append("the rewritten step gives the final answer, which the old one did not")
    old, new = " ".join(before.split()), " ".join(after.split())
    if len(new) >= _LONGER * max(len(old), _FEWEST):
        found.append(f"the rewritten step is {len(new) / max(len(old), 1):.0f} times as long as the old one")
    if old == new:
        found.append("the rewritten step is the old one")
    elif _nearly(old[:_COMPARED], new[:_COMPARED]):
        found.append("the rewritten step is nearly the old one")
    return found


def _copies(before: str, after: str, solution: str) -> bool:
    """Whether it holds runs of words of the solution that the old step had not, not even with other numbers."""
    old = set(map(_shape, _runs(before)))
    return any(_shape(run) not in old for run in _runs(after) & _runs(solution))


def _shape(run: tuple[str, ...]) -> tuple[str, ...]:
    return tuple("0" if word.isdigit() else word for word in run)


def _runs(text: str) -> set[tuple[str, ...]]:
    words = [word.lower() for word in _WORD.findall(text)]
    return {tuple(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1)}


def _nearly(old: str, new: str) -> bool:
    """Only a few letters differ; another number is another step."""
    if _NUMBER.findall(old) != _NUMBER.findall(new):
        return False
    alike = SequenceMatcher(None, old, new, autojunk=False)
    return alike.real_quick_ratio() > _ALIKE and alike.quick_ratio() > _ALIKE and alike.ratio() > _ALIKE
