"""Calls between tests and the program they test, which never share a process.

What crosses is plain data, by value, rebuilt from text as exact built-in types (`tasks.verify.values`). Anything else
stays where it is and crosses as a number: the other side holds a `Remote` for it, whose operations are calls. A
`Remote` is never equal to plain data, nor less, nor added to it: no object of a program's own can claim to be the
right answer. A program may call and read what tests hand it, and change objects of classes that they define.

Imported by the sandbox's zygote, so it imports little.
"""

import builtins
import json
import operator
import os
import struct
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from tasks.verify.values import pack, renew, unpack

_OPERATIONS: Final[dict[str, Callable[..., Any]]] = {
    "call": lambda one, *arguments, **named: one(*arguments, **named),
    "get": getattr,
    "set": setattr,
    "getitem": operator.getitem,
    "setitem": operator.setitem,
    "delitem": operator.delitem,
    "instancecheck": lambda kind, one: isinstance(one, kind),
    "enter": lambda one: one.__enter__(),
    "exit": lambda one: one.__exit__(None, None, None),
    **{kind.__name__: kind for kind in (iter, next, len, bool, str, repr, int, float)},
    **{name: getattr(operator, name) for name in ("eq", "lt", "le", "gt", "ge", "add", "sub", "mul")},
}
_CHANGING: Final = frozenset({"set", "setitem", "delitem", "enter", "exit"})
_HIDDEN: Final = ("_", "gi_", "cr_", "ag_", "f_", "tb_", "co_")
"""Attributes through which it could reach the tests' own names."""
_HEAD: Final = struct.Struct(">I")
_SHAPES: Final = {"['ask']": 5, "['value']": 3, "['raise']": 4}
"""How many parts a message of each kind has."""
TESTS: Final = "tests"
"""The name of the module that the tests are."""
MODULE: Final = 0
"""The number of the program's module."""


class GoneError(BaseException):
    """The other side has ended, or talks nonsense; no `except Exception` of a test swallows this."""


class Remote:
    """An object that stays on the other side."""

    def __init__(self, link: "Link", number: int) -> None:
        object.__setattr__(self, "_link", link)
        object.__setattr__(self, "_number", number)

    def __getattr__(self, name: str) -> Any:
        return self._link.ask("get", self._number, name)

    def __setattr__(self, name: str, value: object) -> None:
        self._link.ask("set", self._number, name, value)

    def __call__(self, *arguments: object, **named: object) -> Any:  # noqa: D102 - as the others
        return self._link.ask("call", self._number, *arguments, **named)

    def __exit__(self, *_: object) -> None:
        self._link.ask("exit", self._number)

    def __contains__(self, _: object) -> bool:
        raise TypeError("tests cannot search an object of the program's own class")

    def __hash__(self) -> int:
        return hash(self._number)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Remote) and self._link.ask("eq", self._number, other) is True


def _forward(name: str) -> Callable[..., Any]:
    return lambda self, *arguments: self._link.ask(name, self._number, *arguments)


def _between(name: str) -> Callable[[Remote, object], Any]:
    """An operator for two objects of the program's; with anything else it is not defined."""

    def apply(one: Remote, other: object) -> Any:
        return one._link.ask(name, one._number, other) if isinstance(other, Remote) else NotImplemented

    return apply


_ALONE: Final = ("iter", "next", "len", "bool", "str", "repr", "int", "float", "enter", "getitem", "setitem", "delitem")
for _name in (*_ALONE, "instancecheck"):
    setattr(Remote, f"__{_name}__", _forward(_name))
for _name in ("lt", "le", "gt", "ge", "add", "sub", "mul"):
    setattr(Remote, f"__{_name}__", _between(_name))


class Link:
    """One end of the connection. `trusting` is the program's: it lets the tests do anything."""

    def __init__(self, descriptor: int, *, trusting: bool) -> None:
        self._stream = os.fdopen(os.dup(descriptor), "rb", buffering=1 << 16)
        self._descriptor = descriptor
        self._trusting = trusting
        self._given: dict[int, object] = {}
        self._numbers: dict[int, int] = {}
        self._remotes: dict[int, Remote] = {}
        self._errors: dict[str, type[Exception]] = {}

    def give(self, value: object) -> int:
        """The number by which the other side may name an object of this one."""
        number = self._numbers.setdefault(id(value), len(self._given))
        self._given[number] = value
        return number

    def ask(self, operation: str, number: int, *arguments: object, **named: object) -> Any:
        """What an operation gives with an object of the other side; lists among the arguments change as they do there.

        Raises:
            GoneError: there is no other side any more.
            Exception: what the operation raised, as the same or the nearest built-in exception.
        """
        self.send(["ask", operation, number, self._pack(arguments), self._pack(named)])
        while (message := self.receive())[0] == "ask":
            self._answer(*message[1:])
        kind, *rest = message
        if kind == "raise":
            name, known, text = map(str, rest)
            raise self.error(name, known)(text)
        value, after = rest
        if after is not None:
            for old, new in zip(arguments, self._unpack(after), strict=True):
                renew(old, new)
        return self._unpack(value)

    def serve(self) -> None:
        """Answer until the other side has nothing more to ask."""
        while True:
            self._answer(*self.receive()[1:])

    def error(self, name: str, known: str) -> type[Exception]:
        """The exception class of this name, made here if it is none of Python's: a kind of `known`, which is."""
        base = getattr(builtins, known, None)
        if not (isinstance(base, type) and issubclass(base, Exception)):
            base = RuntimeError
        return base if name == known else self._errors.setdefault(name, type(name, (base,), {}))

    def send(self, message: list[Any]) -> None:
        """Send what `json` can write."""
        data = json.dumps(message).encode()
        data = _HEAD.pack(len(data)) + data
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError as exc:
            raise GoneError from exc

    def receive(self) -> list[Any]:
        """The next message."""
        head = self._stream.read(_HEAD.size)
        if len(head) < _HEAD.size:
            raise GoneError
        try:
            message = json.loads(self._stream.read(*_HEAD.unpack(head)))
        except (ValueError, RecursionError) as exc:
            raise GoneError from exc
        if not isinstance(message, list) or _SHAPES.get(str(message[:1])) != len(message):
            raise GoneError
        return message

    def _answer(self, operation: str, number: int, packed: Any, named: Any) -> None:
        try:
            arguments = self._unpack(packed)
            before = json.dumps(packed)
            result = self._do(operation, self._given[number], arguments, self._unpack(named))
            after = self._pack(arguments)
            self.send(["value", self._pack(result), None if json.dumps(after) == before else after])
        except GoneError:
            raise
        except BaseException as exc:  # noqa: BLE001 - it is for the one who asked
            self.send(["raise", *_description(type(exc)), str(exc)])

    def _do(self, operation: str, target: object, arguments: Any, named: Any) -> object:
        if not self._trusting and not _offered(operation, target, arguments):
            raise PermissionError(f"tests do not offer {operation}")
        return _OPERATIONS[operation](target, *arguments, **named)

    def _pack(self, value: object) -> Any:
        return pack(value, self._stay)

    def _unpack(self, packed: Any) -> Any:
        try:
            return unpack(packed, self._arrive)
        except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as exc:
            raise GoneError from exc

    def _stay(self, value: object) -> list[Any]:
        if isinstance(value, Remote):
            return ["yours", value._number]
        if isinstance(value, type) and issubclass(value, Exception):
            return ["error", *_description(value)]
        name = getattr(value, "__name__", None)
        if isinstance(name, str) and getattr(builtins, name, None) is value:
            return ["builtin", name]
        return ["mine", self.give(value)]

    def _arrive(self, kind: str, *rest: Any) -> object:
        if kind == "yours":
            return self._given[rest[0]]
        if kind == "error":
            return self.error(*map(str, rest))
        if kind == "builtin" and (self._trusting or isinstance(getattr(builtins, rest[0]), type)):
            return getattr(builtins, rest[0])
        if kind != "mine":
            raise LookupError(kind)
        return self._remotes.setdefault(rest[0], Remote(self, rest[0]))


def _offered(operation: str, target: object, arguments: Any) -> bool:
    """Whether a program may do that with an object that tests handed it: it changes none but those of their classes."""
    if operation in ("get", "set") and (isinstance(target, ModuleType) or str(arguments[0]).startswith(_HIDDEN)):
        return False
    return operation not in _CHANGING or type(target).__module__ == TESTS


def _description(kind: type[BaseException]) -> tuple[str, str]:
    """An exception class's name, and that of the nearest class which Python itself has."""
    known = next(one.__name__ for one in kind.__mro__ if getattr(builtins, one.__name__, None) is one)
    return kind.__name__, known
