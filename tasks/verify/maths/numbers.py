r"""Exact rules on answers: plain numbers and identical text. What they do not settle for certain is None.

A plain number is an integer, a decimal, a simple or mixed fraction (`7/2`, `\frac{7}{2}`, `3\frac12`), a repeating
decimal (`0.\overline{3}`) or any of the first two with a currency sign, a percent sign, thousands separators, a power
of ten (`4.5e33`, `4.5 \times 10^{33}`) or a scale word (`1.8 billion`). `0,111` is none, for its comma separates no
thousands.
"""

import re
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

_CHARACTERS: Final = str.maketrans(
    {"−": "-", "–": "-", "﹣": "-", "－": "-", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u200b": "", "％": "%"}
    | {chr(0xFF10 + digit): str(digit) for digit in range(10)}
    | {"×": r"\times ", "·": r"\cdot ", "÷": "/", "±": r"\pm ", "√": r"\sqrt ", "π": r"\pi ", "∞": r"\infty "}
    | {"≤": r"\le ", "≥": r"\ge ", "≠": r"\neq ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "∅": r"\emptyset "}
    | {"°": r"^\circ ", "²": "^2", "³": "^3"}
)
_LATEX: Final = (
    (re.compile(r"(?<!\\)\\! ?"), ""),
    (re.compile(r"(?<=\d)\\,(?=\d{3})"), ","),
    (re.compile(r"(?<!\\)\\[,;: ]|\\(?:left|right|displaystyle)(?![a-zA-Z])|~"), " "),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\[cdt]frac(?![a-zA-Z])"), r"\\frac"),
    (re.compile(r"(?<!\\)\$([^$\n]*[^$\n\\])\$(?=.)"), r"\1"),
    (re.compile(r"\\([%$])"), r"\1"),
    (re.compile(r"<<[^<>\n]*>>"), ""),
    (re.compile(r"\\text ?\{ ?(thousand|[mbtr]+illion|percent) ?\}"), r" \1"),
)
_WRAPPERS: Final = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r"\$\$?([^$]+)\$\$?",
        r"\\\(((?:(?!\\\)).)*)\\\)",
        r"\\\[((?:(?!\\\]).)*)\\\]",
        r"\*\*([^*]+)\*\*",
        r"\*([^*]+)\*",
        r"`([^`]+)`",
        r"\\(?:boxed|fbox|text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}",
    )
)
_WRAPPING: Final = frozenset({"$", "\\", "*", "`"})
_BARE: Final = re.compile(r"[\w .+*/^()=-]*", re.ASCII)
"""What no LaTeX stands in."""
_SCALES: Final = {"dozen": 12, "hundred": 10**2, "thousand": 10**3} | {
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
_DECIMAL: Final = re.compile(
    r"(?P<sign>[-+]?) ?(?P<currency>[$€£¥₹]?) ?(?P<sign2>-?)"
    r"(?:(?P<grouped>[1-9]\d{0,2}(?:,\d{3})+)|(?P<whole>\d*))(?:\.(?P<part>\d*))?"
    r"(?:(?:[eE]| ?(?:\\times|\\cdot|\*) ?10 ?\^ ?)(?P<brace>\{ ?)?(?P<power>[-+]?\d{1,3})(?(brace) ?\}))?"
    rf"(?: (?P<scale>{'|'.join(_SCALES)}))? ?(?P<percent>%|percent|pct)?(?P<currency2>[$€£¥₹]?)",
    re.ASCII,
)
_FRACTION: Final = re.compile(
    r"(?P<sign>-?) ?(?:(?P<whole>\d{1,300})(?: +| ?(?=\\)))?"
    r"(?:(?P<top>-?\d{1,300}) ?/ ?(?P<bottom>-?\d{1,300})"
    r"|\\frac ?(?:\{ ?(?P<top2>-?\d{1,300}) ?\}|(?P<top3>\d))? ?(?:\{ ?(?P<bottom2>-?\d{1,300}) ?\}|(?P<bottom3>\d)))"
    r"(?P<percent> ?%)?",
    re.ASCII,
)
_REPEATING: Final = re.compile(
    r"(?P<sign>-?)(?P<whole>\d{0,100})\.(?P<part>\d{0,100})\\(?:overline|bar) ?\{?(?P<cycle>\d{1,100})\}?", re.ASCII
)
_POWER_OF_TEN: Final = re.compile(r"10 ?\^ ?(?:\{ ?(-?\d{1,3}) ?\}|(\d{1,3}))", re.ASCII)
_BASED: Final = re.compile(r"(\d{1,300})_\{?(\d{1,2})\}?", re.ASCII)
_IDLE_SPACE: Final = re.compile(r"(?<![0-9A-Za-z]) | (?![0-9A-Za-z])")
_TEXT: Final = re.compile(r"\\text ?\{([^{}]*)\}")
_WORD: Final = re.compile(r"(?=.*[A-Za-z]{4})[A-Za-z][A-Za-z' -]*")
_CHOICE: Final = re.compile(r"\(?([A-Za-z])\)?")
_PLAIN: Final = re.compile(r"-?[1-9]\d*|0", re.ASCII)
_DIGITS_MAX: Final = 300
_PLACES: Final = 6
_ROUNDING: Final = Fraction(1, 1000)


class Number(NamedTuple):
    """An exact number: a decimal as sign and digits (of any length), or a `ratio`; `unit` is `%`, a currency or ""."""

    digits: str
    ratio: Fraction | None
    unit: str


def same(reference: str, answer: str) -> bool | None:
    """Whether two answers are the same, or None where exact rules do not tell."""
    if _PLAIN.fullmatch(reference) and _PLAIN.fullmatch(answer):
        return reference == answer
    left, right = clean(reference), clean(answer)
    if not left or not right:
        return None
    first, second = number(left), number(right)
    if first is not None and second is not None:
        return _same_number(first, second)
    return _same_text(left, right)


@lru_cache(maxsize=1024)
def clean(text: str) -> str:
    r"""Strip an answer's wrapping: spaces, `$…$`, bold, `\text{…}`, a closing full stop; unify dashes and spacing."""
    text = text.translate(_CHARACTERS)
    if not _BARE.fullmatch(text):
        for pattern, replacement in _LATEX:
            text = pattern.sub(replacement, text)
    before = None
    while text != before:
        before = text
        text = text.strip().rstrip(".,;: \\") if not text.endswith("...") else text.strip()
        for wrapper in _WRAPPERS if text[:1] in _WRAPPING else ():
            inside = wrapper.fullmatch(text)
            text = inside[1] if inside else text
    return " ".join(text.split())


@lru_cache(maxsize=65536)
def number(text: str) -> Number | None:
    """Read cleaned text as one exact number, None if it is not one."""
    decimal = _DECIMAL.fullmatch(text)
    if decimal and (decimal["grouped"] or decimal["whole"] or decimal["part"]):
        return _decimal(decimal)
    fraction = _FRACTION.fullmatch(text)
    if fraction:
        return _fraction(fraction)
    repeating = _REPEATING.fullmatch(text)
    if repeating:
        return _repeating(repeating)
    ten = _POWER_OF_TEN.fullmatch(text)
    return Number("", Fraction(10) ** int(ten[1] or ten[2]), "") if ten else _based(text)


def _decimal(match: re.Match[str]) -> Number | None:
    if match["sign"] and match["sign2"]:
        return None
    whole = (match["grouped"] or match["whole"] or "").replace(",", "").lstrip("0")
    part = (match["part"] or "").rstrip("0")
    negative = "-" in (match["sign"], match["sign2"]) and bool(whole or part)
    digits = f"{'-' * negative}{whole or '0'}.{part}"
    units = [unit for unit in (match["percent"] and "%", match["currency"], match["currency2"]) if unit]
    if len(units) > 1:
        return None
    unit = "".join(units)
    if match["power"]:
        return None if match["scale"] else Number(f"{digits}e{match['power']}", None, unit)
    if match["scale"]:
        return _scaled(digits, _SCALES[match["scale"]], unit)
    return Number(digits, None, unit)


def _scaled(digits: str, scale: int, unit: str) -> Number | None:
    return Number("", Fraction(digits) * scale, unit) if len(digits) <= _DIGITS_MAX else None


def _fraction(match: re.Match[str]) -> Number | None:
    top = match["top"] or match["top2"] or match["top3"]
    bottom = int(match["bottom"] or match["bottom2"] or match["bottom3"])
    if top is None or bottom == 0 or (match["whole"] and (bottom < 0 or top.startswith("-"))):
        return None
    value = Fraction(int(top), bottom) + int(match["whole"] or 0)
    return Number("", -value if match["sign"] else value, "%" if match["percent"] else "")


def _repeating(match: re.Match[str]) -> Number:
    part, cycle = match["part"], match["cycle"]
    value = Fraction(f"{match['whole'] or 0}.{part}") + Fraction(int(cycle), (10 ** len(cycle) - 1) * 10 ** len(part))
    return Number("", -value if match["sign"] else value, "")


def _based(text: str) -> Number | None:
    """A number with its base as subscript, such as `2516_8`; the base stays with it as its unit."""
    match = _BASED.fullmatch(text)
    if not match:
        return None
    return Number(match[1].lstrip("0") or "0", None, f"base {match[2]}")


def _same_number(first: Number, second: Number) -> bool | None:
    if "base" in first.unit + second.unit:
        return _same_based(first, second)
    if first.unit != second.unit and first.unit and second.unit:
        return None
    if first.ratio is None and second.ratio is None:
        if first.digits == second.digits:
            return True
        if "%" not in (first.unit, second.unit) and first.digits.endswith(".") and second.digits.endswith("."):
            return False
    return None if max(len(first.digits), len(second.digits)) > _DIGITS_MAX else _same_value(first, second)


def _same_value(first: Number, second: Number) -> bool:
    left, right = (Fraction(one.digits) if one.ratio is None else one.ratio for one in (first, second))
    exact = first.ratio is not None and second.ratio is not None
    if not equal(left, right, exact=exact) and {first.unit, second.unit} == {"%", ""}:
        left, right = (left / 100, right) if first.unit else (left, right / 100)
        # `10%` is `0.1`, and `10` too, as graders have it.
    return equal(left, right, exact=exact)


def equal(left: Fraction, right: Fraction, *, exact: bool = False) -> bool:
    """Whether two numbers are equal, or with decimals among them, at six places after the point as in math-verify.

    Where six places are not enough to see a difference, three digits must agree too.
    """
    if left == right or exact:
        return left == right
    alike = abs(left - right) <= _ROUNDING * max(abs(left), abs(right))
    return alike and round(left, _PLACES) == round(right, _PLACES)


def _same_based(first: Number, second: Number) -> bool | None:
    """`2516_8` is not `2516_9`; beside a number without a base the digits count, as graders have it."""
    digits = first.digits.removesuffix("."), second.digits.removesuffix(".")
    if first.unit == second.unit or not (first.unit and second.unit):
        return True if digits[0] == digits[1] else False if first.unit == second.unit else None
    try:
        values = [int(one.digits, int(one.unit.removeprefix("base "))) for one in (first, second)]
    except ValueError:  # digits that the base has not, or a unit that is no base
        return None
    return values[0] == values[1]


def _same_text(left: str, right: str) -> bool | None:
    if _spelling(left) == _spelling(right):
        return True
    if _WORD.fullmatch(left) and _WORD.fullmatch(right):
        return left.casefold() == right.casefold()
    first, second = _CHOICE.fullmatch(left), _CHOICE.fullmatch(right)
    return True if first and second and first[1] == second[1] else None


def _spelling(text: str) -> str:
    return _IDLE_SPACE.sub("", " ".join(_TEXT.sub(r"\1", text).split()))
