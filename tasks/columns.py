"""Paths into a source row: `a.b`, `turns[0].value`, `completions[].text`."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from schemas.errors import RecipeError

MISSING: Final = object()
"""What a path that the row does not have leads to."""

_STEP = re.compile(r"(?:^|(?<=.)\.)([^.\[\]]+)|\[(-?\d+)\]|\[\]")


class ColumnPath(NamedTuple):
    """A parsed path: keys, list positions, and None for every element of a list (once at most)."""

    text: str
    steps: tuple[str | int | None, ...]

    @property
    def root(self) -> str:
        """The column it starts in."""
        return str(self.steps[0])

    @property
    def many(self) -> bool:
        """Whether it leads to a list of values."""
        return None in self.steps


@lru_cache(maxsize=1024)
def parse(text: str) -> ColumnPath:
    """Parse a path.

    Raises:
        RecipeError: it is none.
    """
    steps: list[str | int | None] = []
    position = 0
    while position < len(text) and (match := _STEP.match(text, position)):
        key, index = match.groups()
        steps.append(key if key is not None else None if index is None else int(index))
        position = match.end()
    if not steps or position < len(text) or not isinstance(steps[0], str) or steps.count(None) > 1:
        raise RecipeError(f"column path {text!r} is not of the form name.name, name[0].name or name[].name")
    return ColumnPath(text, tuple(steps))


def follow(row: Mapping[str, Any], path: ColumnPath) -> Any:
    """The value a path leads to, MISSING where it leads nowhere; with `[]`, a list of such values."""
    value: Any = row
    for position, step in enumerate(path.steps):
        if step is None:
            rest = ColumnPath(path.text, path.steps[position + 1 :])
            return [follow(one, rest) for one in value] if isinstance(value, list) else MISSING
        value = _down(value, step)
        if value is MISSING:
            return MISSING
    return value


def _down(value: Any, step: str | int) -> Any:
    if isinstance(step, str):
        return value.get(step, MISSING) if isinstance(value, Mapping) else MISSING
    if isinstance(value, list) and -len(value) <= step < len(value):
        return value[step]
    return MISSING
