"""The program in a model's text."""

import re
import textwrap
from collections.abc import Callable
from typing import Final

from tasks.text.thinking import spoken

_FENCED: Final = re.compile(r"^[ \t]*```[ \t]*([^\n`]*)\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)
_PYTHON: Final = frozenset({"python", "python3", "py"})


def program_in(text: str, is_program: Callable[[str], bool] = lambda bare: "print(" in bare) -> str | None:
    """The program in what a text says after its thinking, whether or not it is valid; None if the thinking never ends.

    The last fenced block marked as Python, else the last that is not marked; without any block, all of it if
    `is_program` says that it is one.
    """
    said = spoken(text)
    if said is None:
        return None
    blocks = [(mark.strip().lower(), textwrap.dedent(block)) for mark, block in _FENCED.findall(said)]
    marked = [block for mark, block in blocks if mark in _PYTHON] or [block for mark, block in blocks if not mark]
    if blocks:
        return marked[-1] if marked else None
    return said if said and is_program(said) else None
