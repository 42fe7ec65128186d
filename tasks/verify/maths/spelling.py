r"""The many spellings of one formula made one: Python's powers, bold, `\sqrt(2)`, `x = 1 or x = 2`.

Faults named by number are issues of huggingface/Math-Verify, which reads what this writes.
"""

import re
from functools import lru_cache
from typing import Final

from tasks.verify.maths.numbers import clean

_ODD: Final = re.compile(
    r"\*\*|[$:=]|\d(?:st|nd|rd|th)|i ?\(|"
    r"\\(?:\{ ?\\\}|sqrt *\(|mathrm|text|operatorname|varnothing|mathbb|q?quad|infty|pm|sin|cos|tan|cot|sec|csc)"
)
"""What has no such thing in it is spelled that way already."""
_RESPELLED: Final = (
    (re.compile(r"(?<![\w)\]}])\*\*(\S(?:[^*]*\S)?)\*\*(?![\w(\[{])"), r"\1"),  # 76
    (re.compile(r"\\(?:mathrm|text|operatorname)\s*\{\s*(e|i|d)\s*\}"), r"\1"),
    (re.compile(r"\\operatorname\s*\{(sin|cos|tan|ln|log|exp)\}"), r"\\\1"),
    (re.compile(r"\\sqrt\s*\(([^()]*)\)"), r"\\sqrt{\1}"),  # 41
    (re.compile(r"(?<!\\)\$"), ""),
    (re.compile(r"(?<=\d)(?:st|nd|rd|th)\b"), ""),
    (re.compile(r"\\varnothing(?![a-zA-Z])|\\\{ ?\\\}"), r"\\emptyset"),
    (re.compile(r"^\\mathbb ?(?:\{ ?R ?\}|R)$"), r"(-\\infty, \\infty)"),
    (re.compile(r"\\q?quad(?![a-zA-Z])"), " "),
    (re.compile(r"^(\d+) ?: ?(\d+)$"), r"\1/\2"),
    (re.compile(r"(?<![\w)}\]]) ?\+ ?(?=\\infty)"), ""),
    (re.compile(r"(?<![a-zA-Z\\_])i ?\("), r"i \\cdot ("),
    (re.compile(r"\\frac\{([^{}]*)\\pm((?:[^{}]|\{[^{}]*\})*)\}\{([^{}]*)\}"), r"\\frac{\1}{\3} \\pm \\frac{\2}{\3}"),
)
_POWER: Final = re.compile(r"(?<=[\w)\]}])\*\*(-?\w++(?:\.\d++)?+(?:\^\{[^*]*\})?+|\([^()*]*\))(?!\*\*)")
"""Python's power with its exponent, the rightmost of a chain first: `2**3**2` is `2^{3^{2}}`."""
_ANGLE: Final = re.compile(r"(\d+(?:\.\d+)?) ?\^ ?(?:\\circ(?![a-zA-Z])|\{ ?\\circ ?\})")
_TRIGONOMETRY: Final = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![a-zA-Z])")
_NAMED: Final = re.compile(r"([a-zA-Z]) ?=")


@lru_cache(maxsize=4096)
def respell(text: str) -> str:
    """Write a cleaned answer in the one spelling."""
    if not _ODD.search(text):
        return text
    for pattern, replacement in _RESPELLED:
        text = pattern.sub(replacement, text)
    if _TRIGONOMETRY.search(text):
        text = _ANGLE.sub(r"(\\frac{\1\\pi}{180})", text)
    text = _named_once(clean(text))
    while _POWER.search(text):
        text = _POWER.sub(r"^{\1}", text)
    return text


def _named_once(text: str) -> str:
    """`x = 1 or x = 2` as `x = 1 or 2`."""
    named = _NAMED.match(text)
    if not named:
        return text
    rest = re.sub(rf"(?<![a-zA-Z_\\]){named[1]} ?= ?", "", text[named.end() :])
    return text if "=" in rest else named.group() + rest
