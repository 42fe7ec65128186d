"""Worded arithmetic problems of two to six steps: a person has something, things happen to it, a question ends it."""

from collections.abc import Iterator
from random import Random
from typing import Final, NamedTuple
from zlib import crc32

from data.tiny_reasoner.words import (
    DISTRACTORS,
    ENDINGS,
    EVENTS,
    INTERESTS,
    NAMES,
    OCCUPATIONS,
    OPENINGS,
    PERSONAS,
    PLACES,
    Part,
)

LENGTHS: Final = {2: 3, 3: 4, 4: 4, 5: 3, 6: 2}
"""Steps of a problem, with their weights."""
LARGEST: Final = 600
DISTRACTED: Final = 0.3
"""The share of problems with a number that does not matter."""
HELD_OUT_SHARE: Final = 20
"""One question in this many, by its checksum, is never trained on."""


class Step(NamedTuple):
    """One step of a solution; `kind` says what it finds."""

    kind: str
    left: int
    op: str
    right: int
    value: int


class Problem(NamedTuple):
    """A question, whom it was written for, and how it is solved."""

    persona: str
    question: str
    words: dict[str, str]
    steps: tuple[Step, ...]

    @property
    def answer(self) -> int:
        """What the last step finds."""
        return self.steps[-1].value


def problems(seed: str, *, held_out: bool) -> Iterator[Problem]:
    """Endless problems, the same for a seed; training and held-out ones never share a question."""
    rng = Random(seed)  # noqa: S311 - problems, not secrets
    while True:
        problem = tell(rng)
        if is_held_out(problem.question) == held_out:
            yield problem


def is_held_out(question: str) -> bool:
    """Whether a question is kept from training."""
    return crc32(question.encode()) % HELD_OUT_SHARE == 0


def tell(rng: Random) -> Problem:
    """One problem whose numbers come out well."""
    words = _words(rng)
    (length,) = rng.choices(list(LENGTHS), weights=list(LENGTHS.values()))
    while True:
        told = _story(_plot(length, rng), words, rng)
        if told:
            sentences, steps = told
            return Problem(_persona(words, rng), " ".join(sentences), words, steps)


def _words(rng: Random) -> dict[str, str]:
    occupation = rng.choice(list(OCCUPATIONS))
    name, other = rng.sample(NAMES, 2)
    return {
        "name": name,
        "other": other,
        "place": rng.choice(PLACES),
        "occupation": occupation,
        "an_occupation": f"{'an' if occupation[0] in 'aeiou' else 'a'} {occupation}",
        "things": rng.choice(OCCUPATIONS[occupation].things),
        "box": OCCUPATIONS[occupation].box,
    }


def _persona(words: dict[str, str], rng: Random) -> str:
    text = rng.choice(PERSONAS).format(**words, age=rng.randint(18, 80), interest=rng.choice(INTERESTS))
    return text[0].upper() + text[1:]


def _plot(length: int, rng: Random) -> list[Part]:
    """An opening, events and an ending that take this many steps together."""
    while True:
        plot = [rng.choice(OPENINGS), *rng.choices(EVENTS, k=rng.randint(1, length)), rng.choice(ENDINGS)]
        if sum(len(part.steps) for part in plot) == length:
            return plot


def _story(plot: list[Part], words: dict[str, str], rng: Random) -> tuple[list[str], tuple[Step, ...]] | None:
    """The sentences and steps, or None where a number comes out badly."""
    sentences: list[str] = []
    steps: list[Step] = []
    total = 0
    for part in plot:
        numbers = {key: rng.randint(*spread) for key, spread in part.draw.items()}
        sentences.append(rng.choice(part.texts).format(**words, **numbers))
        if part.start:
            total = numbers[part.start]
        known = {**numbers, "q": total}
        for line in part.steps:
            step = _work(line, known)
            if step is None:
                return None
            steps.append(step)
            known["s"] = total = step.value
    if rng.random() < DISTRACTED:
        aside = rng.choice(DISTRACTORS).format(**words, d=rng.randint(3, 60))
        sentences.insert(rng.randint(1, len(sentences) - 1), aside)
    return sentences, tuple(steps)


def _work(line: str, known: dict[str, int]) -> Step | None:
    kind, _, calculation = line.partition(": ")
    first, op, second = calculation.split()
    left, right = known[first], known[second]
    if op == "/" and left % right:
        return None
    value = {"+": left + right, "-": left - right, "*": left * right, "/": left // right}[op]
    return Step(kind, left, op, right, value) if 1 < value <= LARGEST else None
