"""What JSON must not hold: not every store keeps it, and not every reader gets it back."""

import json
import re
from math import isfinite
from typing import Any, Final, NoReturn

DEEPEST: Final = 64
"""Lists and objects within each other."""
_LARGEST: Final = 2**53
"""Beyond, a browser does not count exactly."""
_UNKEPT: Final = re.compile("[\x00\ud800-\udfff]")
"""NUL, which PostgreSQL refuses in text, and halves of characters, which have no UTF-8."""


def fault(body: bytes) -> str | None:
    """Why a body cannot be taken, in a sentence; None where it can."""
    try:
        found = json.loads(body.decode(), parse_int=_integer, parse_float=_number, parse_constant=_constant)
    except UnicodeDecodeError:
        return "the body is not UTF-8"
    except RecursionError:
        return f"the body has lists and objects within each other, deeper than {DEEPEST}"
    except json.JSONDecodeError as exc:
        return f"the body is not JSON: {exc.msg} at character {exc.pos}"
    except ValueError as exc:
        return f"the body has a number that is {exc}"
    return _fault_within(found)


def _fault_within(found: Any) -> str | None:
    left = [(found, 0)]
    while left:
        one, depth = left.pop()
        if depth > DEEPEST:
            return f"the body has lists and objects within each other, deeper than {DEEPEST}"
        if isinstance(one, str):
            if _UNKEPT.search(one):
                return "the body has text with a NUL or half a character (a lone surrogate) in it"
        elif isinstance(one, dict | list):
            inner = [*one, *one.values()] if isinstance(one, dict) else one
            left.extend((each, depth + 1) for each in inner)
    return None


def _integer(digits: str) -> int:
    if len(digits) > 17 or abs(int(digits)) > _LARGEST:
        raise ValueError("too large")
    return int(digits)


def _number(digits: str) -> float:
    if not isfinite(number := float(digits)):
        raise ValueError("too large")
    return number


def _constant(name: str) -> NoReturn:
    raise ValueError(f"none ({name})")
