"""Pairs of answers that nobody wrote: formulas made at random, spelled in two ways by sympy, right or a little wrong.

The golden pairs were in view when the rules were written; these were not.
"""

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, Final, NamedTuple

import sympy  # type: ignore[import-untyped]

Formula = Any
"""sympy has no types."""

X, Y = sympy.symbols("x y")
SPELLINGS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"fold_short_frac": True},
    {"mul_symbol": "dot"},
    {"mul_symbol": "times"},
    {"fold_frac_powers": True},
    {"root_notation": False},
)
FORMS: Final = (sympy.expand, sympy.factor, sympy.together, sympy.radsimp, sympy.simplify, lambda formula: formula)


class Pair(NamedTuple):
    """LaTeX of both, and whether they are the same."""

    reference: str
    answer: str
    right: bool


class Maker:
    """Formulas and their spellings from one source of chance."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)

    def whole(self) -> int:
        """Not 0."""
        return self.rng.choice([-1, 1]) * self.rng.randint(1, 9)

    def fraction(self) -> Formula:
        """Not 0."""
        return sympy.Rational(self.whole(), self.rng.randint(1, 12))

    def constant(self) -> Formula:
        """A number: fractions, radicals, logarithms, powers, complex numbers."""
        root = sympy.sqrt(self.rng.choice([2, 3, 5, 6, 12, 18]))
        kinds = [
            self.fraction(),
            self.fraction() * root + self.fraction(),
            self.fraction() * sympy.pi + root,
            self.fraction() * sympy.log(self.rng.choice([2, 3, 8, 12])),
            self.fraction() * root / (1 + sympy.sqrt(5)),
            self.fraction() + self.fraction() * sympy.I,
            sympy.Integer(self.rng.choice([2, 3, 5])) ** self.rng.randint(-6, 30),
            self.whole() * sympy.exp(self.fraction()),
            self.fraction() * sympy.root(self.rng.choice([2, 4, 10]), 3),
        ]
        return self.rng.choice(kinds)

    def polynomial(self) -> Formula:
        """In x, of degree 1 to 3."""
        return sum(self.fraction() * X**power for power in range(self.rng.randint(2, 4)))

    def function(self) -> Formula:
        """Of x, or of x and y."""
        a, b, c = self.fraction(), self.whole(), self.rng.randint(1, 4)
        kinds = [
            self.polynomial(),
            (X + b) * (X - c) * (a * X + 1),
            self.polynomial() / (X + b),
            a * sympy.sin(c * X) + sympy.cos(X) ** 2,
            a * X**2 * Y + b * X * Y - Y**c,
            sympy.exp(c * X) * (X + b),
            a * sympy.sqrt(X**2 + c),
        ]
        return self.rng.choice(kinds)

    def changed(self, formula: Formula) -> Formula:
        """Another one, but not by much."""
        return self.rng.choice([formula + self.whole(), -formula, 2 * formula, formula + sympy.Rational(1, 100)])

    def spelled(self, formula: Formula) -> str:
        """In one of its forms, in one of LaTeX's."""
        return str(sympy.latex(self.rng.choice(FORMS)(formula), **self.rng.choice(SPELLINGS)))

    def listed(self, formulas: Sequence[Formula]) -> str:
        """With commas between them."""
        return ", ".join(map(self.spelled, formulas))

    def matrix(self, entries: Sequence[Formula]) -> str:
        """Of two columns, or one."""
        width = 1 if len(entries) % 2 else 2
        rows = [" & ".join(map(self.spelled, entries[at : at + width])) for at in range(0, len(entries), width)]
        kind, inside = self.rng.choice(["pmatrix", "bmatrix"]), r" \\ ".join(rows)
        return rf"\begin{{{kind}}} {inside} \end{{{kind}}}"

    def equation(self, right: Formula) -> str:
        """The square of y is that."""
        return self.rng.choice([f"y^2 = {self.spelled(right)}", f"{self.spelled(right - Y**2)} = 0"])

    def pairs(self, formula: Formula, shown: Callable[[Formula], str]) -> Iterator[Pair]:
        """One right and one wrong."""
        yield Pair(shown(formula), shown(formula), right=True)
        yield Pair(shown(formula), shown(self.changed(formula)), right=False)

    def several(self, shown: Callable[[Sequence[Formula]], str], count: int, *, ordered: bool) -> Iterator[Pair]:
        """Of several constants, where order counts or not."""
        first, second, *rest = formulas = [*sorted({self.constant() for _ in range(count)}, key=str), sympy.Integer(77)]
        reference = shown(formulas)
        yield Pair(reference, shown(formulas), right=True)
        yield Pair(reference, shown([second, first, *rest]), right=not ordered or bool(first.equals(second)))
        yield Pair(reference, shown([self.changed(first), second, *rest]), right=False)


def fresh(seed: int, rounds: int) -> list[Pair]:
    """17 pairs a round."""
    maker = Maker(seed)
    pairs: list[Pair] = []
    for _ in range(rounds):
        pairs += maker.pairs(maker.constant(), maker.spelled)
        pairs += maker.pairs(maker.function(), maker.spelled)
        pairs += maker.pairs(maker.polynomial(), maker.equation)
        pairs += maker.pairs(maker.polynomial(), lambda one: f"y = {maker.spelled(one)}")
        pairs += maker.several(lambda some: rf"\{{{maker.listed(some)}\}}", 2, ordered=False)
        pairs += maker.several(lambda some: f"({maker.listed(some)})", 2, ordered=True)
        pairs += maker.several(maker.matrix, 3, ordered=True)
    return pairs
