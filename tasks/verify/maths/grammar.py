"""The grammar of `tasks.verify.maths.formula`, by recursive descent."""

import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial, reduce
from typing import Final

from tasks.verify.maths.arithmetic import (
    MP,
    Value,
    add,
    apply,
    binomial,
    divide,
    factorial,
    modulo,
    multiply,
    power,
    root,
    steps,
)

Point = Mapping[str, Value]
Term = Callable[[Point], Value]
Operation = Callable[[Value, Value], Value]

LOG: Final = r"\log"
"""The variable that is 1 / ln b, for b the base of a logarithm written without one: e, 10 or 2."""

_CLOSING: Final = {"(": ")", "[": "]", "{": "}", "|": "|"}
_OPERATIONS: Final[dict[str, Operation]] = {
    "*": multiply,
    r"\cdot": multiply,
    r"\times": multiply,
    "/": divide,
    r"\div": divide,
    r"\mod": modulo,
    r"\bmod": modulo,
}
_GREEK: Final = frozenset(
    {r"\alpha", r"\beta", r"\gamma", r"\delta", r"\epsilon", r"\varepsilon", r"\zeta", r"\eta", r"\theta", r"\kappa"}
    | {r"\lambda", r"\mu", r"\nu", r"\xi", r"\rho", r"\sigma", r"\tau", r"\phi", r"\varphi", r"\chi", r"\psi"}
    | {r"\omega", r"\Gamma", r"\Delta", r"\Theta", r"\Lambda", r"\Sigma", r"\Phi", r"\Psi", r"\Omega", r"\ell"}
)
_FUNCTIONS: Final = {
    rf"\{name}": name for name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "exp", "ln")
} | {r"\arcsin": "asin", r"\arccos": "acos", r"\arctan": "atan"}
_INVERSES: Final = {"sin": "asin", "cos": "acos", "tan": "atan"}
_CALLED: Final = frozenset("fghFGHP")
"""Letters that stand for functions where a bracket follows."""
_MIXED: Final = re.compile(r"(?:\{(\d+)\}|(\d))(?:\{(\d+)\}|(\d))")
_MINUS_ONE: Final = Fraction(-1)


class UnreadableError(ValueError):
    """No formula, or one that can be read in two ways."""


def _constant(value: Value) -> Term:
    return lambda _: value


def _of(operation: Callable[[Value], Value], term: Term) -> Term:
    return lambda point: operation(term(point))


def _with(operation: Operation, left: Term, right: Term) -> Term:
    return lambda point: operation(left(point), right(point))


def _folded(operation: Operation, terms: Sequence[Term]) -> Term:
    """A loop, for a thousand nested calls would be too many."""
    return terms[0] if len(terms) == 1 else lambda point: reduce(operation, (term(point) for term in terms))


_NEGATIVE: Final = _constant(_MINUS_ONE)
_DEGREE: Final = _constant(MP.pi / 180)
_NAMED: Final = {"e": _constant(+MP.e), "i": _constant(MP.mpc(0, 1))}


class Reader:
    """Reads tokens; every method reads what its name says and leaves `place` behind it."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = [*tokens, "", "", "", ""]
        self.place = 0
        self.next = self.tokens[0]
        """The next token, "" at the end."""
        self.names: set[str] = set()
        self.imaginary = False
        self.open: list[str] = []
        self.angles = 0
        """In how many arguments of functions this is."""

    def take(self, expected: str = "") -> str:
        """The next token, which may have to be a certain one."""
        mark = self.next
        if not mark or (expected and mark != expected):
            raise UnreadableError
        self.skip(1)
        return mark

    def skip(self, tokens: int) -> None:
        """Pass over so many."""
        self.place += tokens
        self.next = self.tokens[self.place]

    def follow(self, *tokens: str) -> bool:
        """Whether these come next; they are passed over then."""
        if tuple(self.tokens[self.place : self.place + len(tokens)]) != tokens:
            return False
        self.skip(len(tokens))
        return True

    def whole(self) -> Term:
        """All there is."""
        total = self.sum()
        if self.next:
            raise UnreadableError
        return total

    def sum(self) -> Term:
        """Products with signs between them."""
        terms = [self.product()]
        while self.next in ("+", "-"):
            terms.append(self.product())
        return _folded(add, terms)

    def product(self) -> Term:
        """Factors, with a sign before the first and signs or nothing between them."""
        negative = self.next in ("+", "-") and self.take() == "-"
        factors, divided = [_NEGATIVE] * negative + [self.factor()], False
        while True:
            operation = _OPERATIONS.get(self.next)
            if operation:
                self.skip(1)
                divided = operation is not multiply
                factor = self.signed(self.factor)
                factors = [_with(operation, _folded(multiply, factors), factor)] if divided else [*factors, factor]
            elif self.at_factor():
                if divided:  # above the slash or below it?
                    raise UnreadableError
                factors.append(self.factor())
            else:
                return _folded(multiply, factors)

    def signed(self, one: Callable[[], Term]) -> Term:
        """What may have a sign of its own."""
        negative = self.follow("-")
        term = one()
        return _of(partial(multiply, _MINUS_ONE), term) if negative else term

    def at_factor(self) -> bool:
        """Whether the next token begins a factor."""
        mark = self.next
        if mark == "|":
            return not self.open or self.open[-1] != "|"
        return bool(mark) and mark not in _OPERATIONS and (mark[0].isalnum() or mark[0] in "\\.([{")

    def factor(self) -> Term:
        """An atom with its factorials and its exponent."""
        base = self.atom()
        while self.follow("!"):
            base = _of(factorial, base)
        if self.follow("^"):
            base = self.raised(base)
            if self.next in ("^", "!"):
                raise UnreadableError
        return base

    def raised(self, base: Term) -> Term:
        """The base with the exponent that follows; degrees are written as one."""
        if not (self.follow(r"\circ") or self.follow("{", r"\circ", "}")):
            return _with(power, base, self.signed(self.atom))
        if not self.angles:
            raise UnreadableError
        return _with(multiply, base, _DEGREE)

    def atom(self) -> Term:
        """What holds together most."""
        mark = self.take()
        if mark[0].isdigit() or mark[0] == ".":
            return self.mixed(Fraction(int(mark) if mark.isdigit() else mark))
        if mark in _CLOSING:
            return self.group(mark)
        if mark.isalpha() or mark in _GREEK:
            return self.letter(mark)
        if mark not in _COMMANDS:
            raise UnreadableError
        return _COMMANDS[mark](self)

    def group(self, opening: str) -> Term:
        """What is in brackets or between bars, of which the first is read."""
        self.open.append(opening)
        inside = self.sum()
        self.take(_CLOSING[opening])
        self.open.pop()
        return _of(partial(apply, "fabs"), inside) if opening == "|" else inside

    def argument(self) -> Term:
        r"""Of `\frac` and the like: a group in braces, or one digit or letter."""
        if self.next[:1].isdigit() and len(self.next) > 1:  # `\frac12`
            digit, self.next = self.next[0], self.next[1:]
            self.tokens[self.place] = self.next
            return _constant(Fraction(int(digit)))
        if self.next == "(":
            raise UnreadableError
        return self.atom()

    def arguments(self, operation: Operation) -> Term:
        """An operation on the two arguments that follow."""
        return _with(operation, self.argument(), self.argument())

    def mixed(self, whole: Fraction) -> Term:
        r"""A number, with a fraction of whole numbers beside it as in `2\frac13`."""
        beside = "".join(self.tokens[self.place + 1 : self.place + 7]) if self.next == r"\frac" else ""
        digits = _MIXED.match(beside)
        if not digits or whole.denominator != 1:
            return _constant(whole)
        if not 0 < int(digits[1] or digits[2]) < int(digits[3] or digits[4]):
            raise UnreadableError
        return _with(add, _constant(whole), self.atom())

    def letter(self, name: str) -> Term:
        """A constant or a variable, with its subscript."""
        if self.follow("_"):
            name += "_" + (self.raw() if self.next == "{" else self.take())
        elif name in _NAMED:
            self.imaginary = self.imaginary or name == "i"
            return _NAMED[name]
        if self.next == "(" and (name[0] in _CALLED or self.tokens[self.place + 2] == ")"):
            raise UnreadableError
        self.names.add(name)
        return lambda point: point[name]

    def raw(self) -> str:
        """What is in braces, as it stands."""
        start = self.place
        while self.take() != "}":
            pass
        return "".join(self.tokens[start + 1 : self.place - 1])

    def root(self) -> Term:
        """A square root, or one whose degree stands in brackets."""
        degree = self.group("[") if self.follow("[") else _constant(Fraction(2))
        return _with(root, self.argument(), degree)

    def function(self, name: str) -> Term:
        r"""A function's value. `\sin^{-1}` is the inverse, `\sin^2 x` the square of the value."""
        exponent = None
        if self.follow("^", "{", "-", "1", "}"):
            if name not in _INVERSES:
                raise UnreadableError
            name = _INVERSES[name]
        elif self.follow("^"):
            exponent = self.signed(self.atom)
        value = _of(partial(apply, name), self.applied())
        return _with(power, value, exponent) if exponent else value

    def logarithm(self) -> Term:
        """A logarithm to the base that stands below, or to one that is not known, then its factor is a variable."""
        ln = partial(apply, "ln")
        if self.follow("_"):
            base = self.argument()
            return _with(divide, _of(ln, self.applied()), _of(ln, base))
        self.names.add(LOG)
        return _with(multiply, lambda point: point[LOG], _of(ln, self.applied()))

    def applied(self) -> Term:
        """What a function is applied to: a group, or factors side by side of which one at most is a variable."""
        self.angles += 1
        if self.next in _CLOSING:
            inside = self.atom()
        else:
            marks, factors = [self.next], [self.factor()]
            while self.at_factor() and self.next not in _APPLIED:
                marks.append(self.next)
                factors.append(self.factor())
            letters = sum(mark.isalpha() or mark in _GREEK for mark in marks)
            if letters > 1 or (self.at_factor() and self.next in _CLOSING) or _OPERATIONS.get(self.next) is divide:
                raise UnreadableError
            inside = _folded(multiply, factors)
        self.angles -= 1
        return inside

    def repeated(self, operation: Operation) -> Term:
        """A sum or a product over the whole numbers between two bounds."""
        self.take("_")
        self.take("{")
        name = self.take()
        if not name.isalpha() or name in self.names:
            raise UnreadableError
        self.take("=")
        start = self.sum()
        self.take("}")
        self.take("^")
        end, body = self.atom(), self.product()
        self.names.discard(name)

        def value(point: Point) -> Value:
            terms = (body({**point, name: step}) for step in steps(start(point), end(point)))
            return reduce(operation, terms, Fraction(operation is multiply))

        return value


_COMMANDS: Final[dict[str, Callable[[Reader], Term]]] = {
    r"\pi": lambda _: _constant(+MP.pi),
    r"\frac": partial(Reader.arguments, operation=divide),
    r"\binom": partial(Reader.arguments, operation=binomial),
    r"\sqrt": Reader.root,
    LOG: Reader.logarithm,
    r"\sum": partial(Reader.repeated, operation=add),
    r"\prod": partial(Reader.repeated, operation=multiply),
    **{mark: partial(Reader.function, name=name) for mark, name in _FUNCTIONS.items()},
}
_APPLIED: Final = frozenset({*_FUNCTIONS, *_CLOSING, LOG, r"\sum", r"\prod"})
