"""Texts that nobody vouches for, so that the page shows them as they are: it would render Markdown, images and all."""

import re
from textwrap import TextWrapper
from typing import Final

EXCERPT: Final = 1_500
"""Characters that are shown of a text."""
_WRAP: Final = TextWrapper(
    width=80,
    expand_tabs=False,
    replace_whitespace=False,
    drop_whitespace=False,
    break_long_words=False,
    break_on_hyphens=False,
)


def fenced(text: str) -> str:
    """The text in a fence that nothing in it ends; long lines are broken, for the page would not show them whole."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    lines = "\n".join(map(_WRAP.fill, text.split("\n")))
    return f"{fence}text\n{lines}\n{fence}"


def excerpt(text: str) -> str:
    """Its beginning, in a fence."""
    return fenced(text[:EXCERPT] + (" …" if len(text) > EXCERPT else ""))
