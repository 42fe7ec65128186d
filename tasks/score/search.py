"""Which steps of a trace are looked at, and which of them is the first wrong one. Steps count from 0."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple


class Score(NamedTuple):
    """Of a step's continuations, how many reach the answer; those that could not be sampled are in neither."""

    right: int
    of: int

    def reaches(self, threshold: float) -> bool:
        """Whether a greater share than that reaches the answer."""
        return self.right > threshold * self.of


Scores = Mapping[int, Score]
"""By step. The last step has none: whether the whole trace is right is known."""


class Found(NamedTuple):
    """What scores tell so far."""

    first_wrong: int | None
    """-1 where no step is wrong; None where that is not known yet, or cannot be."""
    look: tuple[int, ...] = ()
    """Steps to be scored next; where there are none, nothing more is to be found."""


def every_step(steps: int, right: bool, scores: Scores, threshold: float) -> Found:  # noqa: FBT001 - the trace is right
    """Score all steps; the first that too few continuations lead on from is wrong.

    Math-Shepherd (Wang et al. 2023, arXiv 2312.08935, section 3.3), whose hard label takes one that reaches it.
    """
    if look := tuple(step for step in range(steps - 1) if step not in scores):
        return Found(None, look)
    for step in range(steps - 1):
        if not scores[step].of:
            return Found(None)
        if not scores[step].reaches(threshold):
            return Found(step)
    return Found(-1 if right else steps - 1)


def halving(steps: int, right: bool, scores: Scores, threshold: float) -> Found:  # noqa: FBT001 - the trace is right
    """Score the middle step: where continuations reach the answer the error comes later, else it has come already.

    OmegaPRM's binary search (Luo et al. 2024, arXiv 2406.06592, section 3.2). It takes for granted that the question
    can be answered, and that a trace whose answer is right has no wrong step.
    """
    if right:
        return Found(-1)
    sound, broken = 0, steps  # so many steps can lead to the answer; so many cannot
    while broken - sound > 1:
        middle = (sound + broken) // 2
        score = scores.get(middle - 1)
        if score is None:
            return Found(None, (middle - 1,))
        if not score.of:
            return Found(None)
        sound, broken = (middle, broken) if score.reaches(threshold) else (sound, middle)
    return Found(broken - 1)


METHODS: Final[Mapping[str, Callable[[int, bool, Scores, float], Found]]] = {
    "math_shepherd": every_step,
    "omega": halving,
}
