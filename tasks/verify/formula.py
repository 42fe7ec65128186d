r"""Formulas as people and models write them, read into functions of their variables.

Only what can be read in just one way is read: `1/2x`, `f(x)`, `\log x` and words are not. Numbers, letters with
subscripts, `+ - * / ^ !`, brackets and bars, fractions and mixed numbers, roots, binomials, `\pi`, `e`, `i`,
trigonometric functions (`\sin 30^\circ` too), exponentials and logarithms.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache, partial, reduce
from typing import Final, NamedTuple

from tasks.verify.arithmetic import (
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

Point = Mapping[str, Fraction]
Term = Callable[[Point], Value]

_LONGEST: Final = 4_000
"""Characters."""
_TOKEN: Final = re.compile(r"\d+(?:\.\d+)?|\.\d+|\\[a-zA-Z]+|[a-zA-Z]|[-+*/^_(){}\[\]|!=]")
_NOT_READ: Final = re.compile(r"(?<![a-zA-Z\\])[a-zA-Z]{4,}|(?<![_^\d])\d+ +\.?\d|\\frac ?\{ ?d ?\}")
"""Words, two numbers side by side, and derivatives."""
_GREEK: Final = frozenset(
    r"\alpha \beta \gamma \delta \epsilon \varepsilon \zeta \eta \theta \kappa \lambda \mu \nu \xi \rho \sigma \tau "
    r"\phi \varphi \chi \psi \omega \Gamma \Delta \Theta \Lambda \Sigma \Phi \Psi \Omega \ell".split()
)
_FUNCTIONS: Final = {rf"\{name}": name for name in "sin cos tan cot sec csc sinh cosh tanh exp ln".split()} | {
    r"\arcsin": "asin",
    r"\arccos": "acos",
    r"\arctan": "atan",
}
_INVERSES: Final = {"sin": "asin", "cos": "acos", "tan": "atan"}
_OPERATIONS: Final = {"*": multiply, r"\cdot": multiply, r"\times": multiply, "/": divide, r"\div": divide} | {
    r"\mod": modulo,
    r"\bmod": modulo,
}
_REPEATED: Final = {r"\sum": add, r"\prod": multiply}
_CALLED: Final = frozenset("fghFGHP")
"""Letters that stand for functions where a bracket follows."""
_CLOSING: Final = {"(": ")", "[": "]", "{": "}", "|": "|"}
_MINUS_ONE: Final = Fraction(-1)


class Formula(NamedTuple):
    """A function of variables by name; whether it is a number alone, has decimals in it, or the imaginary unit."""

    at: Term
    names: frozenset[str]
    literal: bool = False
    decimal: bool = False
    imaginary: bool = False


class _Unreadable(ValueError):
    """No formula, or one that can be read in two ways."""


@lru_cache(maxsize=4096)
def read(text: str) -> Formula | None:
    """Read cleaned text; None if it is no formula, or if it can be read in two ways."""
    if len(text) > _LONGEST or _NOT_READ.search(text):
        return None
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != text.replace(" ", ""):
        return None
    reader = _Reader(tokens)
    try:
        at = reader.whole()
    except (_Unreadable, RecursionError):
        return None
    literal = len(tokens) - (tokens[0] == "-") == 1 and not reader.names
    return Formula(at, frozenset(reader.names), literal, "." in text, reader.imaginary)


def _constant(value: Value) -> Term:
    return lambda _: value


def _folded(operation: Callable[[Value, Value], Value], terms: Sequence[Term]) -> Term:
    """A loop, for a thousand nested calls would be too many."""
    return terms[0] if len(terms) == 1 else lambda point: reduce(operation, (term(point) for term in terms))


def _with(operation: Callable[[Value, Value], Value], left: Term, right: Term) -> Term:
    return lambda point: operation(left(point), right(point))


def _of(operation: Callable[[Value], Value], term: Term) -> Term:
    return lambda point: operation(term(point))


_DEGREE: Final = _constant(MP.pi / 180)
_NEGATIVE: Final = _constant(_MINUS_ONE)


class _Reader:
    """Recursive descent; every method reads what its name says and leaves `place` behind it."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = [*tokens, "", "", "", ""]
        self.place = 0
        self.next = tokens[0] if tokens else ""
        """The next token, "" at the end."""
        self.names: set[str] = set()
        self.imaginary = False
        self.open: list[str] = []
        self.angles = 0
        """In how many arguments of functions this is."""

    def take(self, expected: str = "") -> str:
        """The next token, which may have to be a certain one."""
        token = self.next
        if not token or (expected and token != expected):
            raise _Unreadable
        self.skip(1)
        return token

    def skip(self, tokens: int) -> None:
        """Pass over so many."""
        self.place += tokens
        self.next = self.tokens[self.place]

    def whole(self) -> Term:
        """All there is."""
        total = self.sum()
        if self.next:
            raise _Unreadable
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
            if self.next in _OPERATIONS:
                operation = _OPERATIONS[self.take()]
                divided = operation is not multiply
                if divided:
                    factors = [_with(operation, _folded(multiply, factors), self.signed())]
                else:
                    factors.append(self.signed())
            elif self.at_factor():
                if divided:  # above the slash or below it?
                    raise _Unreadable
                factors.append(self.factor())
            else:
                return _folded(multiply, factors)

    def signed(self) -> Term:
        """A factor that may have a sign of its own."""
        if self.next != "-":
            return self.factor()
        self.take()
        return _of(partial(multiply, _MINUS_ONE), self.factor())

    def at_factor(self) -> bool:
        """Whether the next token begins a factor."""
        token = self.next
        if token == "|":
            return not self.open or self.open[-1] != "|"
        return bool(token) and token not in _OPERATIONS and (token[0].isalnum() or token[0] in "\\.([{")

    def factor(self) -> Term:
        """An atom with its factorials and its exponent."""
        base = self.atom()
        while self.next == "!":
            self.take()
            base = _of(factorial, base)
        if self.next == "^":
            self.take()
            base = self.raised(base)
            if self.next in ("^", "!"):
                raise _Unreadable
        return base

    def raised(self, base: Term) -> Term:
        """The base with the exponent that follows; degrees are an exponent too."""
        if self.next == r"\circ" or self.tokens[self.place : self.place + 3] == ["{", r"\circ", "}"]:
            if not self.angles:
                raise _Unreadable
            self.skip(1 if self.next == r"\circ" else 3)
            return _with(multiply, base, _DEGREE)
        return _with(power, base, self.signed_atom())

    def signed_atom(self) -> Term:
        """What may stand behind `^` without braces."""
        if self.next != "-":
            return self.atom()
        self.take()
        return _of(partial(multiply, _MINUS_ONE), self.atom())

    def atom(self) -> Term:
        """What holds together most."""
        token = self.take()
        if token[0].isdigit() or token[0] == ".":
            return self.mixed(Fraction(int(token) if token.isdigit() else token))
        if token in _CLOSING:
            return self.group(token)
        if token.isalpha() or token in _GREEK:
            return self.letter(token)
        if token == r"\pi":
            return _constant(+MP.pi)
        if token == r"\frac":
            return _with(divide, self.argument(), self.argument())
        if token == r"\binom":
            return _with(binomial, self.argument(), self.argument())
        if token == r"\sqrt":
            return self.root()
        if token in _FUNCTIONS:
            return self.function(_FUNCTIONS[token])
        if token == r"\log":
            return self.logarithm()
        if token in _REPEATED:
            return self.repeated(_REPEATED[token])
        raise _Unreadable

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
            raise _Unreadable
        return self.atom()

    def mixed(self, whole: Fraction) -> Term:
        r"""A number, with a fraction of whole numbers beside it as in `2\frac13`."""
        if self.next != r"\frac" or whole.denominator != 1:
            return _constant(whole)
        digits = re.match(r"(?:\{(\d+)\}|(\d))(?:\{(\d+)\}|(\d))", "".join(self.tokens[self.place + 1 : self.place + 7]))
        if not digits:
            return _constant(whole)
        top, bottom = int(digits[1] or digits[2]), int(digits[3] or digits[4])
        if not 0 < top < bottom:
            raise _Unreadable
        return _with(add, _constant(whole), self.atom())

    def letter(self, name: str) -> Term:
        """A constant or a variable, with its subscript."""
        if self.next == "_":
            self.take()
            name += "_" + (self.take() if self.next != "{" else self.raw())
        elif name == "e":
            return _constant(+MP.e)
        elif name == "i":
            self.imaginary = True
            return _constant(MP.mpc(0, 1))
        if self.next == "(" and (name[0] in _CALLED or self.tokens[self.place + 2] == ")"):
            raise _Unreadable
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
        degree = _constant(Fraction(2))
        if self.next == "[":
            self.take()
            degree = self.group("[")
        return _with(root, self.argument(), degree)

    def function(self, name: str) -> Term:
        r"""A function's value. `\sin^{-1}` is the inverse, `\sin^2 x` the square of the value."""
        exponent = None
        if self.next == "^":
            self.take()
            if self.tokens[self.place : self.place + 4] == ["{", "-", "1", "}"]:
                if name not in _INVERSES:
                    raise _Unreadable
                name = _INVERSES[name]
                self.skip(4)
            else:
                exponent = self.signed_atom()
        value = _of(partial(apply, name), self.applied())
        return _with(power, value, exponent) if exponent else value

    def logarithm(self) -> Term:
        """A logarithm to the base that stands below."""
        self.take("_")
        base = self.argument()
        ln = partial(apply, "ln")
        return _with(lambda value, to: divide(ln(value), ln(to)), self.applied(), base)

    def repeated(self, operation: Callable[[Value, Value], Value]) -> Term:
        """A sum or a product over the whole numbers between two bounds."""
        self.take("_")
        self.take("{")
        name = self.take()
        if not name.isalpha() or name in self.names:
            raise _Unreadable
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

    def applied(self) -> Term:
        """What a function is applied to: a group, or factors side by side of which one at most is a variable."""
        self.angles += 1
        if self.next in _CLOSING:
            inside = self.atom()
        else:
            before = len(self.names)
            inside = self.factor()
            letters = len(self.names) - before
            while self.at_factor() and self.next not in _CLOSING and self.next not in _FUNCTIONS and self.next != r"\log":
                letters += self.next.isalpha() or self.next in _GREEK
                inside = _with(multiply, inside, self.factor())
            if letters > 1 or self.next in (*_CLOSING, "/", r"\div") and self.next != (self.open or [""])[-1]:
                raise _Unreadable
        self.angles -= 1
        return inside
