r"""Quantities: a value with its unit (`18 dollars`, `\$18.90`, `5.4\text{ cents}`, `15\mbox{ cm}^2`, `90^\circ`).

And times of day, such as `8:34 \text{ p.m.}`.
"""

import re
from fractions import Fraction
from typing import Final, NamedTuple

_SCALES: Final = {
    "meter": {"mm": "1/1000", "cm": "1/100", "m": "1", "km": "1000"}
    | {"inch": "127/5000", "foot": "381/1250", "yard": "1143/1250", "mile": "201168/125"},
    "gram": {"mg": "1/1000", "g": "1", "kg": "1000", "ounce": "45359237/1600000", "pound": "45359237/100000"},
    "second": {"second": "1", "minute": "60", "hour": "3600", "day": "86400", "week": "604800"},
    "liter": {"ml": "1/1000", "liter": "1"},
    "dollar": {"cent": "1/100", "dollar": "1"},
}
"""How many of the first each is; inch and pound as agreed in 1959, exactly."""
_KNOWN: Final = {name: (base, Fraction(size)) for base, sizes in _SCALES.items() for name, size in sizes.items()}
_SPELLINGS: Final = (
    {"millimeter": "mm", "centimeter": "cm", "meter": "m", "kilometer": "km"}
    | {"millimetre": "mm", "centimetre": "cm", "metre": "m", "kilometre": "km"}
    | {"in": "inch", "inche": "inch", "ft": "foot", "feet": "foot", "yd": "yard", "mi": "mile"}
    | {"milligram": "mg", "gram": "g", "kilogram": "kg", "oz": "ounce", "lb": "pound"}
    | {"s": "second", "sec": "second", "min": "minute", "h": "hour", "hr": "hour"}
    | {"milliliter": "ml", "l": "liter", "litre": "liter", "deg": "degree"}
)
_RATES: Final = {"mph": "mile / hour", "kmh": "km / hour", "kph": "km / hour"}
_POWERS: Final = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}

_RAISED: Final = r"(?: ?\^ ?\{?(?P<power>[23])\}?)?"
_FORMS: Final = (
    re.compile(rf"(?P<value>[-+]?[\d.,]*\d(?:/\d+)?) (?P<words>[a-zA-Z][a-zA-Z'/-]*(?: [a-zA-Z'/-]+){{0,3}}){_RAISED}"),
    re.compile(rf"(?P<value>[-+]?[\d.,]*\d)(?P<words>mm|cm|km|kg|mg|ml|ft|mph|[ck]?m(?=\^)){_RAISED}"),
    re.compile(r"(?P<value>-?)\$ ?(?P<rest>[\d.,]*\d)"),
    re.compile(
        r"(?P<value>.*[^\s~]) ?\\(?:text|textrm|textbf|textnormal|mathrm|mathbf|mbox)\s*"
        rf"\{{(?P<words>[\sa-zA-Z.'/~-]+)\}}{_RAISED}",
        re.DOTALL,
    ),
    re.compile(r"(?P<value>(?:[^\\^]|\\(?!sin|cos|tan|cot|sec|csc)[a-zA-Z]++)+) ?\^ ?(?P<sign>\\circ|\{ ?\\circ ?\})"),
)
_NO_UNIT: Final = re.compile(
    r"\b(?:dozens?|hundred|thousand|[mbtr]+illion|percent(?:age)?|pct|half|quarters?|and|or|plus|minus|times|[exiyz])\b"
)
_IDLE: Final = frozenset({"if", "for", "with", "where", "in", "a", "the", "to", "of", "is", "all", *_POWERS})
_CLOCK: Final = re.compile(
    r"(?P<hour>\d{1,2}) ?: ?(?P<minute>[0-5]\d)(?: ?: ?(?P<second>[0-5]\d))?"
    r"(?: ?\\text ?\{)?(?: ?(?P<half>[ap])\.? ?m\.?)?\}?",
    re.IGNORECASE | re.ASCII,
)


class Unit(NamedTuple):
    """What is measured, and how much of that one of this unit is. A word that is no known unit measures itself."""

    measure: str
    size: Fraction = Fraction(1)


class Quantity(NamedTuple):
    """The text of a value, and its unit if it has one."""

    value: str
    unit: Unit | None = None


def quantity(text: str) -> Quantity:
    """Split a cleaned answer into value and unit."""
    match = next(filter(None, (form.fullmatch(text) for form in _FORMS)), None)
    if match is None:
        return Quantity(text)
    parts = match.groupdict()
    if "rest" in parts:
        return Quantity(parts["value"] + parts["rest"], _unit("dollar", 1))
    if "sign" in parts:
        return Quantity(parts["value"], _unit("degree", 1))
    unit = None if _NO_UNIT.search(parts["words"]) else _unit(parts["words"], int(parts["power"] or 1))
    return Quantity(parts["value"], unit) if unit else Quantity(text)


def measured(given: Quantity, unit: Unit | None) -> str:
    """The text of a value in another unit, where both measure the same; else as it stands."""
    if given.unit is None or unit is None or given.unit.measure != unit.measure or given.unit.size == unit.size:
        return given.value
    factor = given.unit.size / unit.size
    return rf"({given.value}) \cdot \frac{{{factor.numerator}}}{{{factor.denominator}}}"


def same_time(reference: str, answer: str) -> bool | None:
    """Whether two cleaned answers are the same time of day; None where one is no time, or both could be ratios.

    Without a.m. or p.m. either half of the day may be meant.
    """
    first, second = _CLOCK.fullmatch(reference), _CLOCK.fullmatch(answer)
    if not first or not second:
        return None
    ratios = first["hour"] != second["hour"] and _ratio(first) == _ratio(second)
    if ratios and not (first["half"] or second["half"]):
        return None
    return not _moments(first).isdisjoint(_moments(second))


def _moments(time: re.Match[str]) -> set[tuple[int, str, str]]:
    hour, half = int(time["hour"]), (time["half"] or "").lower()
    halves = (12 * (half == "p"),) if half else (0, 12) if hour <= 12 else (hour // 12 * 12,)
    return {(hour % 12 + start, time["minute"], time["second"] or "00") for start in halves}


def _ratio(time: re.Match[str]) -> Fraction | str:
    return Fraction(int(time["hour"]), int(time["minute"])) if int(time["minute"]) else time.group()


def _unit(words: str, power: int) -> Unit | None:
    """A unit, or one by another (`miles per hour`), of which the first may be raised to a power."""
    tokens = [word.removesuffix("s") or word for word in re.findall(r"[a-z]+|/", words.lower().replace(".", ""))]
    above, *below = " ".join("/" if word == "per" else _RATES.get(word, word) for word in tokens).split(" / ")
    power = _POWERS.get(above.split(" ")[0], power)
    measure, size = _measure(above)
    named = [measure if power == 1 else f"{measure}^{power}"] if measure else []
    size = size**power
    for part in below:
        measure, one = _measure(part)
        named, size = [*named, measure], size / one
    return Unit("/".join(named), size) if named else None


def _measure(words: str) -> tuple[str, Fraction]:
    several = words.split()
    name = " ".join(word for word in several if len(several) == 1 or word not in _IDLE)
    return _KNOWN.get(_SPELLINGS.get(name, name), (name, Fraction(1)))
