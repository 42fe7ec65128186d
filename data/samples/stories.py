"""Stories with numbers in them, worked out right or with one first wrong step that is carried through."""

from fractions import Fraction
from random import Random
from typing import Final, NamedTuple

from data.samples.templates import NAMES, PLACES, THINGS, Template

SWAPPED: Final = {"*": "+", "+": "*", "-": "+", "/": "*"}
SLIPS: Final = (1, -1, 2, -2, 9, -9, 10, -10, 20, 100)
FAULTS: Final = ("slip", "slip", "operation", "dropped")


class Step(NamedTuple):
    """One step of a plan; `left` and `right` name a number of the story, an earlier step, or are numbers."""

    what: str
    left: str
    op: str
    right: str


class Story(NamedTuple):
    """A question with its numbers and the plan that answers it."""

    question: str
    name: str
    numbers: dict[str, Fraction]
    plan: tuple[Step, ...]
    unit: str


class Worked(NamedTuple):
    """One step that was worked out, right or wrong."""

    what: str
    left: Fraction
    op: str
    right: Fraction
    value: Fraction


class Fault(NamedTuple):
    """The first wrong step: its place and what went wrong there."""

    place: int
    kind: str
    slip: int


def tell(template: Template, rng: Random) -> Story:
    """A story of this kind whose numbers come out well."""
    question = rng.choice(template.questions)
    words = {"name": rng.choice(NAMES), "place": rng.choice(PLACES), "thing": rng.choice(THINGS)}
    plan = tuple(_step(line.format(**words)) for line in template.steps)
    while True:
        numbers = {key: _draw(spread, rng) for key, spread in template.numbers.items()}
        values = [one.value for one in work(plan, numbers)]
        if _sound(values, whole=template.unit == "", fraction=template.unit == "fraction"):
            break
    shown = {
        key: f"{float(value):.2f}" if value.denominator > 1 else f"{int(value):,}" for key, value in numbers.items()
    }
    return Story(question.format(**words, **shown), words["name"], numbers, plan, template.unit)


def work(plan: tuple[Step, ...], numbers: dict[str, Fraction], fault: Fault | None = None) -> list[Worked]:
    """The plan's steps with their values; after a fault, what follows from it."""
    values = dict(numbers)
    done = []
    for place, step in enumerate(plan):
        left, right = (values[key] if key in values else Fraction(key) for key in (step.left, step.right))
        kind = fault.kind if fault and fault.place == place else ""
        if kind == "dropped":
            values[f"s{place}"] = left
            continue
        op = SWAPPED[step.op] if kind == "operation" else step.op
        value = _apply(left, op, right) + (fault.slip if fault and kind == "slip" else 0)
        values[f"s{place}"] = value
        done.append(Worked(step.what, left, op, right, value))
    return done


def go_wrong(story: Story, rng: Random) -> list[Worked]:
    """The story worked out with one first wrong step, to another answer."""
    right = work(story.plan, story.numbers)[-1].value
    while True:
        fault = Fault(rng.randrange(len(story.plan)), rng.choice(FAULTS), rng.choice(SLIPS))
        if fault.kind == "dropped" and fault.place == len(story.plan) - 1:
            continue
        done = work(story.plan, story.numbers, fault)
        values = [one.value for one in done]
        if values[-1] != right and _sound(values, whole=False, fraction=story.unit == "fraction"):
            return done


def _step(line: str) -> Step:
    what, _, calculation = line.partition(" = ")
    return Step(what, *calculation.split())


def _draw(spread: list[int | float], rng: Random) -> Fraction:
    low, high, step = (Fraction(one) for one in (*spread, 1)[:3])
    return low + step * rng.randrange(int((high - low) / step) + 1)


def _apply(left: Fraction, op: str, right: Fraction) -> Fraction:
    if op == "+":
        return left + right
    if op == "-":
        return left - right
    return left * right if op == "*" else left / right if right else Fraction(0)


def _sound(values: list[Fraction], *, whole: bool, fraction: bool) -> bool:
    if any(not 0 < value < 1_000_000 for value in values):
        return False
    if whole:
        return all(value.denominator == 1 for value in values)
    if fraction:
        return values[-1] < 1 and values[-1].denominator > 1
    return all(10_000 % value.denominator == 0 for value in values) and 100 % values[-1].denominator == 0
