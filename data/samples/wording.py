"""How worked steps are put into words: many ways, so that no two traces read alike."""

from fractions import Fraction
from random import Random
from typing import Final, NamedTuple

from data.samples.stories import Story, Worked

OPENINGS: Final = (
    "Let us go through this slowly.",
    "Okay, so {name} needs to know {last}.",
    "I start from the numbers in the text.",
    "We are asked for {last}.",
    "Hmm, this takes {count}.",
    "There is one thing to find at the end: {last}.",
    "What do we know? Enough to get {last}.",
)
SENTENCES: Final = (
    "{What}: {sum}.",
    "To get {what}, I compute {sum}.",
    "{calculation} gives {value}, and that is {what}.",
    "We can find {what} from {calculation}, which makes {value}.",
    "I {do} and get {value} for {what}.",
    "For {what} you {do}; the result is {value}.",
    "{sum}, so now we have {what}.",
    "Turning to {what}, one sees that {sum}.",
    "If we {do}, we learn {what}: {value}.",
    "Next comes {what}, namely {sum}.",
    "What about {what}? Well, {sum}.",
    "{What} can be had as {calculation}, in other words {value}.",
    "It takes a moment to {do}, but {what} must then be {value}.",
    "Because {sum}, {value} stands for {what}.",
    "So {what}, that is {calculation}, is {value}.",
    "Write {what} as {sum}.",
)
ENDINGS: Final = (
    "The answer is {answer}.",
    "#### {answer}",
    "#### {answer}",
    "Therefore, the answer is {answer}.",
    "That settles it: the answer is {answer}.",
)
VERBS: Final = {
    "+": "add {right} to {left}",
    "-": "subtract {right} from {left}",
    "*": "multiply {left} by {right}",
    "/": "divide {left} by {right}",
}
SIGNS: Final[tuple[dict[str, str], ...]] = ({}, {"*": "×", "/": "÷"}, {"*": "×", "-": "−"}, {"*": "·", "/": ":"})
COUNTS: Final = ("no step at all", "one step", "two steps", "three steps", "four steps")


class Manner(NamedTuple):
    """What one trace keeps to throughout."""

    signs: dict[str, str]
    commas: bool


def trace(story: Story, steps: list[Worked], rng: Random) -> str:
    """A chain of thought, a line a step, that ends in its answer."""
    manner = Manner(rng.choice(SIGNS), rng.random() < 0.5)
    sentences = rng.sample(SENTENCES, len(steps))
    lines = [_sentence(how, step, manner) for how, step in zip(sentences, steps, strict=True)]
    if rng.random() < 0.6:
        opening = rng.choice(OPENINGS)
        lines.insert(0, opening.format(name=story.name, last=steps[-1].what, count=COUNTS[len(steps)]))
    answer = written(steps[-1].value, story.unit, commas=manner.commas)
    return "\n".join([*lines, rng.choice(ENDINGS).format(answer=answer)])


def worked_answer(story: Story, steps: list[Worked]) -> str:
    """The reference solution: bare sums, then `#### ` and the answer."""
    sums = [_sentence("{What}: {sum}", step, Manner({}, commas=False)) for step in steps]
    return "\n".join([*sums, f"#### {written(steps[-1].value, story.unit, commas=True)}"])


def written(value: Fraction, unit: str, *, commas: bool) -> str:
    """A final answer in its unit: `1,250`, `$12.50`, `37%`, `3/8`."""
    if unit == "fraction":
        return str(value)
    text = number(value, commas=commas)
    if unit == "$":
        return f"${float(value):,.2f}" if value.denominator > 1 else f"${text}"
    return text + unit


def number(value: Fraction, *, commas: bool) -> str:
    """A number as decimals if they end, else as a fraction."""
    if 10_000 % value.denominator:
        return str(value)
    text = f"{float(value):,.4f}" if commas else f"{float(value):.4f}"
    return text.rstrip("0").rstrip(".")


def _sentence(how: str, step: Worked, manner: Manner) -> str:
    left, right, value = (number(one, commas=manner.commas) for one in (step.left, step.right, step.value))
    calculation = f"{left} {manner.signs.get(step.op, step.op)} {right}"
    return how.format(
        what=step.what,
        What=step.what[0].upper() + step.what[1:],
        calculation=calculation,
        sum=f"{calculation} = {value}",
        value=value,
        do=VERBS[step.op].format(left=left, right=right),
    )
