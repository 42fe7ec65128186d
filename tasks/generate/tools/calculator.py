"""Exact arithmetic: fractions stay fractions, and what no fraction can say is rounded to twelve digits."""

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, Final

from pydantic import Field

from schemas.base import ConfigBase
from tasks.generate.toolbox import Tool, ToolError

_DESCRIPTION: Final = (
    "Works out an arithmetic expression, exactly: + - * / // % **, parentheses, comparisons, and the functions "
    "abs, ceil, comb, cos, exp, factorial, floor, gcd, lcm, log, max, min, round, sin, sqrt and tan."
)
_PARAMETERS: Final = {
    "type": "object",
    "properties": {"expression": {"type": "string", "description": "such as (3 + 4) * 2 / 5"}},
    "required": ["expression"],
}
_LONGEST: Final = 500
_BITS: Final = 10_000
_DIGITS: Final = 12
_FACTORIAL: Final = 1_000
_EXPONENT: Final = 1_000
_SPELLINGS: Final = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "$": " ", "€": " ", "£": " "})
_THOUSANDS: Final = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})++(?![\d,])")
_OF: Final = re.compile(r"%\s*+of\b")
_PERCENT: Final = re.compile(r"([\d.]++)\s*+%(?!\s*+[\w(.])")

Number = Fraction | float
Value = Number | bool


class Config(ConfigBase):
    """How long it may take; it is done at once whatever it is asked."""

    deadline_s: float = Field(default=5.0, gt=0, description="for one call")


def build(config: Config) -> Tool:
    """The tool."""
    return Tool("calculator", _DESCRIPTION, _PARAMETERS, _call, config.deadline_s)


def _call(arguments: Mapping[str, Any]) -> str:
    return calculated(str(arguments["expression"]))


def calculated(expression: str) -> str:
    """What the expression comes to, as a person would write it.

    Raises:
        ToolError: it is no arithmetic, or too large.
    """
    if len(expression) > _LONGEST:
        raise ToolError(f"the expression has more than {_LONGEST} characters")
    text = _python(expression)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # about what a whitelist turns down anyway
            tree = ast.parse(text, mode="eval")
        return _shown(_value(tree.body, text))
    except (SyntaxError, RecursionError, MemoryError) as exc:
        raise ToolError(f"{expression} is no arithmetic expression") from exc
    except ZeroDivisionError as exc:
        raise ToolError("division by zero") from exc
    except (OverflowError, ValueError, TypeError) as exc:
        raise ToolError(f"it cannot be worked out: {exc}") from exc


def _python(expression: str) -> str:
    """The expression with Python's signs: `×`, `÷`, `^`, percent, currencies, commas between thousands."""
    text = expression.translate(_SPELLINGS).replace("^", "**").strip().removesuffix("=").strip()
    if not re.search(r"[a-z]\w*\s*\(", text):  # there a comma may part two arguments
        text = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)
    return _PERCENT.sub(r"(\1/100)", _OF.sub("%*", text))


def _value(node: ast.expr, text: str) -> Value:
    match node:
        case ast.Constant(int() | float()) if not isinstance(node.value, bool):
            return _literal(ast.get_source_segment(text, node) or "")
        case ast.Name(name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(ast.USub() | ast.UAdd() as sign, one):
            number = _number(one, text)
            return -number if isinstance(sign, ast.USub) else number
        case ast.BinOp(left, sign, right) if type(sign) in _SIGNS:
            return _bounded(_SIGNS[type(sign)](_number(left, text), _number(right, text)))
        case ast.Compare(left, signs, rest) if all(type(sign) in _COMPARISONS for sign in signs):
            values = [_number(one, text) for one in (left, *rest)]
            pairs = zip(signs, values, values[1:], strict=False)
            return all(_COMPARISONS[type(sign)](a, b) for sign, a, b in pairs)
        case ast.Call(ast.Name(name), arguments, []) if name in _FUNCTIONS:
            return _bounded(_FUNCTIONS[name](*(_number(one, text) for one in arguments)))
    raise ToolError(f"{ast.get_source_segment(text, node) or text} is no arithmetic")


def _number(node: ast.expr, text: str) -> Number:
    value = _value(node, text)
    if isinstance(value, bool):
        raise ToolError("a comparison is no number")
    return value


def _literal(written: str) -> Number:
    """A number exactly as it is written; Python's own float would round it."""
    plain = written.replace("_", "")
    if plain[:2].lower() in ("0x", "0b", "0o"):
        return Fraction(int(plain, 0))
    exponent = plain.lower().partition("e")[2]
    if abs(int(exponent or 0)) > _EXPONENT:
        raise ToolError(f"{written} is too large")
    return Fraction(plain)


def _bounded(value: Number) -> Number:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ToolError("the result is too large")
        return value
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > _BITS:
        raise ToolError("the result is too large")
    return value


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if base not in (-1, 0, 1) and bits * abs(exponent) > 2 * _BITS:
            raise ToolError("the result is too large")
        return Fraction(base ** (exponent.numerator if abs(base) != 1 else exponent.numerator % 2))
    if exponent == Fraction(1, 2):
        return _root(base)
    if base < 0:
        raise ToolError("a root of a negative number is no real number")
    return math.pow(base, exponent)


def _root(value: Number) -> Number:
    if value < 0:
        raise ToolError("a root of a negative number is no real number")
    if isinstance(value, Fraction):
        top, bottom = math.isqrt(value.numerator), math.isqrt(value.denominator)
        if top * top == value.numerator and bottom * bottom == value.denominator:
            return Fraction(top, bottom)
    return math.sqrt(value)


def _whole(value: Number) -> int:
    if value != int(value):
        raise ToolError(f"{_shown(value)} is no whole number")
    return int(value)


def _factorial(value: Number) -> Fraction:
    if not 0 <= value <= _FACTORIAL:
        raise ToolError(f"factorials are known from 0 to {_FACTORIAL}")
    return Fraction(math.factorial(_whole(value)))


def _comb(count: Number, taken: Number) -> Fraction:
    if not 0 <= taken <= count <= _FACTORIAL:
        raise ToolError(f"comb(n, k) is known for 0 <= k <= n <= {_FACTORIAL}")
    return Fraction(math.comb(_whole(count), _whole(taken)))


def _rounded(value: Number, digits: Number = Fraction(0)) -> Number:
    """Half away from zero, as at school."""
    if not -_DIGITS <= digits <= _DIGITS:
        raise ToolError(f"it rounds to at most {_DIGITS} digits")
    exact, places = Fraction(value), _whole(digits)
    scale = Fraction(10**places) if places >= 0 else Fraction(1, 10**-places)
    rounded = math.floor(abs(exact) * scale + Fraction(1, 2)) / scale
    return -rounded if exact < 0 else rounded


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.{_DIGITS}g}"
    if value.denominator == 1:
        return str(value.numerator)
    scaled = value * 10**_DIGITS
    if scaled.denominator == 1:
        whole, rest = divmod(abs(scaled.numerator), 10**_DIGITS)
        return f"{'-' if value < 0 else ''}{whole}.{rest:0{_DIGITS}}".rstrip("0")
    return f"{value.numerator}/{value.denominator} ≈ {float(value):.{_DIGITS}g}"


def _real(function: Callable[[float], float]) -> Callable[[Number], float]:
    return lambda value: function(float(value))


_CONSTANTS: Final[Mapping[str, Number]] = {"pi": math.pi, "e": math.e}
_SIGNS: Final[Mapping[type[ast.operator], Callable[[Number, Number], Number]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: lambda a, b: Fraction(a // b),
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
_COMPARISONS: Final[Mapping[type[ast.cmpop], Callable[[Any, Any], bool]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_FUNCTIONS: Final[Mapping[str, Callable[..., Number]]] = {
    "abs": abs,
    "ceil": lambda value: Fraction(math.ceil(value)),
    "comb": _comb,
    "cos": _real(math.cos),
    "exp": _real(math.exp),
    "factorial": _factorial,
    "floor": lambda value: Fraction(math.floor(value)),
    "gcd": lambda *values: Fraction(math.gcd(*map(_whole, values))),
    "lcm": lambda *values: Fraction(math.lcm(*map(_whole, values))),
    "log": _real(math.log),
    "max": max,
    "min": min,
    "round": _rounded,
    "sin": _real(math.sin),
    "sqrt": _root,
    "tan": _real(math.tan),
}
