"""What a pair rule is: from one problem's candidates it chooses the pairs, or says why there are none."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Candidate(NamedTuple):
    """A trace that verifiers agree on; no other trace of its problem has the same text (whitespace runs are equal)."""

    row: int
    """Its row in the table of traces."""
    correct: bool
    length: int
    """In tokens if that is known for every candidate of the problem, else in characters."""
    score: float | None
    """As its standing has it."""


class Choice(NamedTuple):
    """One pair: `chosen` is a correct candidate, `rejected` another candidate."""

    chosen: Candidate
    rejected: Candidate
    margin: float | None


class Rule(Protocol):
    """What a plug-in's `build(config)` returns: a pure function."""

    def __call__(self, candidates: Sequence[Candidate], /) -> list[Choice] | str:
        """The pairs of one problem, each once, or the reason why there are none.

        `candidates` are in an order that depends on nothing but their ids, and as good as random.
        """
