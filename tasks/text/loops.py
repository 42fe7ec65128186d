"""Text that repeats itself: what a model writes once it is caught in a loop.

Two forms are found, both in time linear in the text: an end that is periodic, where the sampling was cut off or gave
up; and a line or sentence that is said again and again, after which the text may well go on.
"""

import re
from collections import Counter
from itertools import groupby
from typing import Final

REPEATS: Final = 4
"""So many times in a row is a loop …"""
CHARS: Final = 120
"""… if it makes up so many characters."""
PERIOD: Final = 4000
"""The longest period looked for at the end, in characters."""
SCATTERED: Final = 8
"""So many times in all is a loop, if it is more than half of the text."""

_PROBE = 24
_SHOWN = 60
_BETWEEN = re.compile(r"\n+|(?<=[.!?])\s+")
_LETTER = re.compile(r"[^\W\d_]")


def repeats(text: str) -> str | None:
    """What the text repeats and how often, as `'…' × 12`; None if it does not."""
    return _periodic_end(text) or _said_again(text)


def _periodic_end(text: str) -> str | None:
    """An end of at least CHARS characters that are at least REPEATS times the same, of which the last may be cut off.

    The last characters must stand one period earlier as well, so that each place where they do is a period to try.
    """
    end = text[-REPEATS * PERIOD :]
    probe, place = end[-_PROBE:], len(end) - _PROBE
    while (place := end.rfind(probe, 0, place + _PROBE - 1)) >= 0:
        period = len(end) - _PROBE - place
        need = max(REPEATS * period, CHARS)
        if need > len(end):
            return None
        if end[-need:-period] == end[period - need :]:
            return _shown(text[-period:], _length(text, period) // period)
    return None


def _length(text: str, period: int) -> int:
    """How long the end is that has this period: found by halving, for `==` is quick."""
    low, high = 0, len(text) - period
    while low < high:
        middle = (low + high + 1) // 2
        if text[-middle:] == text[-middle - period : -period]:
            low = middle
        else:
            high = middle - 1
    return low + period


def _said_again(text: str) -> str | None:
    """A line or sentence that comes REPEATS times in a row, or makes up most of the text.

    One without a letter does not count: rows of a grid or a table may well be the same.
    """
    units = [unit for one in _BETWEEN.split(text) if _LETTER.search(unit := one.strip())]
    runs = ((unit, sum(1 for _ in same)) for unit, same in groupby(units))
    for unit, count in runs:
        if count >= REPEATS and count * len(unit) >= CHARS:
            return _shown(unit, count)
    for unit, count in Counter(units).most_common(1):
        if count >= SCATTERED and 2 * count * len(unit) > max(len(text), 2 * CHARS):
            return _shown(unit, count)
    return None


def _shown(unit: str, count: int) -> str:
    words = " ".join(unit.split())
    return f"{words[:_SHOWN] + '…' if len(words) > _SHOWN else words!r} × {count}"
