"""What would keep sympy busy for ever: vast powers and factorials, brackets in brackets in brackets."""

import re
from typing import Final

from tasks.verify.maths.arithmetic import TooLargeError, UndefinedError, Value
from tasks.verify.maths.formula import read

_BRACKET: Final = re.compile(r"(?P<open>[({\[])|[)}\]]")
_DEEPEST: Final = 20
"""Its grammar takes twice as long for each bracket more."""
_POWER: Final = re.compile(r"\^ ?(?P<digits>\d+)?")
_LARGEST: Final = 10**6
_FACTORIAL: Final = re.compile(r"\d{6} ?!|!(?:[) ]*!){2}")


def refuse_endless(text: str) -> None:
    """Do nothing, unless math-verify would not come to an end with this answer, spelled in the one way.

    Raises:
        TooLargeError: it would not.
    """
    ends = _brackets(text)
    if _FACTORIAL.search(text):
        raise TooLargeError("too large to evaluate")
    _magnitude(text)
    for match in _POWER.finditer(text):
        if _magnitude(match["digits"] or text[match.end() : ends.get(match.end(), match.end())]) > _LARGEST:
            raise TooLargeError("too large to evaluate")


def _magnitude(text: str) -> Value:
    """The absolute value of a number; 0 for all else."""
    formula = read(text)
    try:
        return 0 if formula is None or formula.names else abs(formula.at({}))
    except UndefinedError:
        return 0


def _brackets(text: str) -> dict[int, int]:
    """Where what begins with a bracket ends; brackets of all kinds count alike."""
    ends, begun = {}, []
    for match in _BRACKET.finditer(text):
        if match["open"]:
            begun.append(match.start())
        elif begun:
            ends[begun.pop()] = match.end()
        if len(begun) > _DEEPEST:
            raise TooLargeError("brackets too deep to be read")
    return ends
