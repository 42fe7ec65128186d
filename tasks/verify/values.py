"""Plain data as `json` can carry it, and back, with nothing of a class that is not Python's own."""

from collections import deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, NamedTuple

Each = Callable[[Any], Any]


class _Form(NamedTuple):
    """How values of a type are written and read; the second argument does the same with what is inside."""

    write: Callable[[Any, Each], Any]
    read: Callable[[Any, Each], Any]


def _many(kind: type) -> _Form:
    return _Form(lambda value, each: [each(one) for one in value], lambda parts, each: kind(map(each, parts)))


def _text(write: Callable[[Any], str], read: Callable[[str], Any]) -> _Form:
    return _Form(lambda value, _: write(value), lambda text, _: read(text))


_LARGE: Final = 2**53
_SCALARS: Final[dict[type, Each]] = {str: str.__str__, int: int.__int__, float: float.__float__}
_FORMS: Final[dict[type, _Form]] = {
    **{kind: _many(kind) for kind in (list, tuple, set, frozenset, deque)},
    dict: _Form(
        lambda value, each: [[each(key), each(one)] for key, one in value.items()],
        lambda pairs, each: {each(key): each(one) for key, one in pairs},
    ),
    bytes: _text(lambda value: value.decode("latin-1"), lambda text: text.encode("latin-1")),
    bytearray: _text(lambda value: value.decode("latin-1"), lambda text: bytearray(text, "latin-1")),
    complex: _text(repr, complex),
    Fraction: _text(str, Fraction),
    Decimal: _text(str, Decimal),
    datetime: _text(datetime.isoformat, datetime.fromisoformat),
    date: _text(date.isoformat, date.fromisoformat),
    time: _text(time.isoformat, time.fromisoformat),
    range: _Form(lambda value, _: [value.start, value.stop, value.step], lambda parts, _: range(*parts)),
    timedelta: _Form(
        lambda value, _: [value.days, value.seconds, value.microseconds], lambda parts, _: timedelta(*parts)
    ),
}
_BY_NAME: Final = {kind.__name__: form for kind, form in _FORMS.items()}


def pack(value: Any, stay: Callable[[object], list[Any]]) -> Any:
    """What `json` can carry; `stay` says how to name an object that is not plain data.

    An object of a class derived from a plain one counts as plain, as what it is without the derived part.
    """
    if value is None or isinstance(value, bool):
        return value
    kind = next((base for base in (*_SCALARS, *_FORMS) if isinstance(value, base)), None)
    if kind is None:
        return stay(value)
    if kind in _SCALARS:
        value = _SCALARS[kind](value)
        return ["int", hex(value)] if kind is int and not -_LARGE < value < _LARGE else value
    return [kind.__name__, _FORMS[kind].write(value, lambda one: pack(one, stay))]


def unpack(packed: Any, arrive: Callable[..., object]) -> Any:
    """The value; `arrive` gives the object that a name of `stay` stands for."""
    if not isinstance(packed, list):
        return packed
    kind, *rest = packed
    if kind == "int":
        return int(rest[0], 16)
    if kind in _BY_NAME:
        return _BY_NAME[kind].read(rest[0], lambda one: unpack(one, arrive))
    return arrive(*packed)


def renew(old: Any, new: Any) -> None:
    """Make a list, or the like, what it has become elsewhere."""
    if type(old) is not type(new):
        return
    if isinstance(old, list | bytearray):
        old[:] = new
    elif isinstance(old, dict | set):
        old.clear()
        old.update(new)
    elif isinstance(old, deque):
        old.clear()
        old.extend(new)
