r"""Formulas as people and models write them, read into functions of their variables.

Only what can be read in just one way is read: `1/2x`, `f(x)` and words are not. `tasks.verify.maths.grammar`
knows numbers, letters with subscripts, `+ - * / ^ !`, brackets and bars, fractions and mixed numbers, roots, binomials,
`\pi`, `e`, `i`, trigonometric functions (`\sin 30^\circ` too), exponentials, logarithms, remainders, sums and products.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from tasks.verify.maths.grammar import Reader, Term, UnreadableError

_LONGEST: Final = 4_000
"""Characters."""
_TOKEN: Final = re.compile(r"\d+(?:\.\d+)?|\.\d+|\\[a-zA-Z]+|[a-zA-Z]|[-+*/^_(){}\[\]|!=]")
_NOT_READ: Final = re.compile(r"(?<![a-zA-Z\\])[a-zA-Z]{4,}|(?<![_^\d])\d+ +\.?\d|\\frac ?\{ ?d ?\}")
"""Words, two numbers side by side, and derivatives."""


class Formula(NamedTuple):
    """A function of variables by name; whether it is a number alone, has decimals in it, or the imaginary unit."""

    at: Term
    names: frozenset[str]
    literal: bool = False
    decimal: bool = False
    imaginary: bool = False


@lru_cache(maxsize=4096)
def read(text: str) -> Formula | None:
    """Read cleaned text; None if it is no formula, or if it can be read in two ways."""
    if len(text) > _LONGEST or _NOT_READ.search(text):
        return None
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != text.replace(" ", ""):
        return None
    reader = Reader(tokens)
    try:
        at = reader.whole()
    except (UnreadableError, RecursionError):
        return None
    literal = len(tokens) - (tokens[0] == "-") == 1 and tokens[-1][-1].isdigit()
    return Formula(at, frozenset(reader.names), literal, "." in text, reader.imaginary)
