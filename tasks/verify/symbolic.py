"""math-verify on one pair of answers, with guards against the wrong verdicts it is known for.

Runs in a worker only: importing it loads sympy, and its own time-outs (signals, which fail off the main thread and stop
no C loop) are off. Faults named by number are issues of huggingface/Math-Verify.
"""

import logging
import re
import sys
from functools import lru_cache
from typing import Any, Final

import sympy  # type: ignore[import-untyped]
from latex2sympy2_extended.sets import FiniteSet
from math_verify import parse, verify
from math_verify.parser import LatexExtractionConfig

from schemas.tables import Status
from tasks.verify.contract import CORRECT, Outcome, incorrect
from tasks.verify.numbers import clean, same

_TARGETS: Final = (LatexExtractionConfig(),)
_RESPELLED: Final = (
    (re.compile(r"(?<![\w)\]}])\*\*(\S(?:[^*]*\S)?)\*\*(?![\w(\[{])"), r"\1"),
    (re.compile(r"\\(?:mathrm|text|operatorname)\s*\{\s*(e|i|d)\s*\}"), r"\1"),
    (re.compile(r"\\sqrt\s*\(([^()]*)\)"), r"\\sqrt{\1}"),
    (re.compile(r"(?<!\\)\$"), ""),
    (re.compile(r"(?<=\d)(?:st|nd|rd|th)\b"), ""),
)
_POWER: Final = re.compile(r"(?<=[\w)\]}])\*\*(-?\w++(?:\.\d++)?+(?:\^\{[^*]*\})?+|\([^()*]*\))(?!\*\*)")
"""Python's power with its exponent, the rightmost of a chain first: `2**3**2` is `2^{3^{2}}`."""
_QUANTITY: Final = re.compile(r"([$€£¥₹]?[-+]?\$?[\d.,]*\d(?:/\d+)?%?)((?: [a-zA-Z][a-zA-Z'-]*){1,4})")
_SCALE: Final = re.compile(r"\b(?:dozens?|hundred|thousand|[mbtr]+illion|percent|half|quarters?|and|or|plus|times)\b")
_TEXT: Final = re.compile(r"\\(?:text|mathrm|textrm|mbox)\s*\{([^{}]*)\}")
_JOINING: Final = frozenset({"and", "or", "if", "for", "with", "where", "in", "a", "the", "to", "of", "is", "all"})
_PRECISION: Final = 30
_EXACT: Final = 1e-9
_ROUNDED: Final = 1e-3


def prepare() -> None:
    """Have this process ready for the first pair: grammar loaded, warnings of math-verify off, integers unbounded."""
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    sys.set_int_max_str_digits(0)
    verify(_parsed(r"\frac{1}{2}"), _parsed("0.5"), timeout_seconds=None)


def check(reference: str, answer: str) -> Outcome:
    """Say whether `answer` is mathematically the same as `reference`.

    Raises:
        Exception: whatever sympy raises on this pair; the caller makes it an `error`.
    """
    gold, given = _respell(reference), _respell(answer)
    gold_bare, given_bare = _bare(gold), _bare(given)
    equal = same(gold_bare, given_bare)
    if equal is None:
        expected, found = _parsed(gold_bare), _parsed(given_bare)
        if not _is_maths(expected):
            return Outcome(Status.UNVERIFIABLE, "the reference cannot be read as mathematics")
        if not _is_maths(found):
            return incorrect("the answer cannot be read as mathematics")
        # The parsed forms alone: each list also ends in the source text, which could match by itself.
        equal = verify(expected[0], found[0], timeout_seconds=None, raise_on_error=True)
        equal = equal and _plausible(expected[0], found[0], percent="%" in gold + given)
    if not equal:
        return incorrect("not the same as the reference")
    units = _units(gold), _units(given)
    if all(units) and units[0] != units[1]:
        return Outcome(Status.UNVERIFIABLE, f"the same value, but in other words: {' '.join(sorted(units[1]))}")
    return CORRECT


def _respell(text: str) -> str:
    r"""Write cleaned text the way math-verify reads it: #76 (bold) and #41 (`\sqrt(2)`) are spelling."""
    text = clean(text)
    for pattern, replacement in _RESPELLED:
        text = pattern.sub(replacement, text)
    text = clean(text)
    while _POWER.search(text):
        text = _POWER.sub(r"^{\1}", text)
    return text


def _bare(text: str) -> str:
    """`18 dollars` → `18`; letters after a number would be read as a product of variables."""
    quantity = _QUANTITY.fullmatch(text)
    return quantity[1] if quantity and not _SCALE.search(quantity[2]) else text


def _units(text: str) -> frozenset[str]:
    """The words beside the mathematics, in lower case and the singular."""
    quantity = _QUANTITY.fullmatch(text)
    spoken = quantity[2] if quantity else " ".join(_TEXT.findall(text))
    words = re.findall(r"[a-z]+", spoken.lower().replace(".", ""))
    return frozenset(word.removesuffix("s") or word for word in words if word not in _JOINING)


@lru_cache(maxsize=4096)
def _parsed(text: str) -> list[Any]:
    """Parse the whole text as one formula; a part of it (`50` in `50 + x`) must never stand for it."""
    return list(parse(f"${text}$", _TARGETS, parsing_timeout=None, raise_on_error=True))


def _is_maths(parsed: list[Any]) -> bool:
    return bool(parsed) and not isinstance(parsed[0], str)


def _plausible(expected: Any, found: Any, *, percent: bool) -> bool:
    """Veto an equality that does not hold on a second look.

    Sets of other sizes (#47); constants that are apart by more than rounding (tiny values, #14, and 1 ± 1/e, PR 82).
    """
    sizes = [len(side) for side in (expected, found) if isinstance(side, (FiniteSet, sympy.FiniteSet, sympy.Tuple))]
    if len(sizes) == 2 and sizes[0] != sizes[1]:
        return False
    constants = all(isinstance(side, sympy.Expr) and not side.free_symbols for side in (expected, found))
    return percent or not constants or _near(expected, found)


def _near(expected: sympy.Expr, found: sympy.Expr) -> bool:
    left, right = (sympy.N(side.doit(), _PRECISION) for side in (expected, found))
    if not (left.is_number and right.is_number and left.is_finite and right.is_finite):
        return bool(left == right)
    rounded = expected.has(sympy.Float) or found.has(sympy.Float)
    return bool(abs(left - right) <= (_ROUNDED if rounded else _EXACT) * max(abs(left), abs(right)))
