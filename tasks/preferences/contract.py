"""What a pair rule is: from one problem's candidates it chooses the pairs, or says why there are none."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from math import lcm
from types import MappingProxyType
from typing import Final, NamedTuple

_NONE: Final[Mapping[str, float]] = MappingProxyType({})
_NO_WINS: Final[Mapping[str, Mapping[int, float]]] = MappingProxyType({})


class Candidate(NamedTuple):
    """A trace, or a judgement, that may be paired; no other of its group has the same text (whitespace runs are equal).

    What stands after `score` is filled in only where a rule needs it.
    """

    row: int
    """Its row in the table of traces, or in that of judgements."""
    correct: bool | None
    """None where nobody judged it, as in open domains: only rules that need UNJUDGED see such candidates."""
    length: int
    """In tokens if that is known for every candidate of the problem, else in characters."""
    score: float | None
    """As its standing has it."""
    gold: bool = False
    """Whether it is a reference solution that was imported."""
    parent: int | None = None
    """The row of the trace that it was rewritten from."""
    steps: tuple[int, ...] = ()
    """A hash of each step."""
    answer: str | None = None
    """What verifiers read as its answer, without its spaces and capitals."""
    ratings: Mapping[str, float] = _NONE
    """What judges rate it, from 0 to 1, by judge."""
    own: frozenset[str] = frozenset()
    """The judges that are the model that sampled it."""
    beats: Mapping[str, Mapping[int, float]] = _NO_WINS
    """By judge the candidates, by row, that it wins against in both orders: its wins less its losses, by matches."""


class Choice(NamedTuple):
    """One pair: `chosen` is not known to be incorrect, `rejected` is another candidate."""

    chosen: Candidate
    rejected: Candidate
    margin: float | None


class Need(StrEnum):
    """What a rule needs to know of candidates beside their correctness, length and score."""

    UNJUDGED = "unjudged"
    """Candidates that nobody calls correct or incorrect, too."""
    GOLD = "gold"
    STEPS = "steps"
    """Also `parent`."""
    ANSWER = "answer"


class Of(StrEnum):
    """What candidates are."""

    TRACES = "traces"
    """Those of one problem."""
    JUDGEMENTS = "judgements"
    """Another judge's judgements on one trace, rated by the rule's judge."""


Choose = Callable[[Sequence[Candidate]], list[Choice] | str]
"""The pairs of one group, each once, or the reason why there are none: a pure function.

Candidates are in an order that depends on nothing but their ids, and as good as random.
"""


class Rule(NamedTuple):
    """What a plug-in's `build(config)` returns."""

    choose: Choose
    needs: frozenset[Need] = frozenset()
    judge: str | None = None
    """The judge whose ratings, or matches, it reads."""
    kinds: tuple[str, ...] = ()
    """The kinds of judge that it can read."""
    rated: bool = False
    """Whether its margins are differences of a judge's ratings: one of 0 is a tie."""
    of: Of = Of.TRACES


def by_score(chosen: Candidate, rejected: Candidate) -> Choice:
    """The pair with the difference of scores as its margin; None where one has no score."""
    margin = None if chosen.score is None or rejected.score is None else chosen.score - rejected.score
    return Choice(chosen, rejected, margin)


def evenly(winners: Sequence[Candidate], losers: Sequence[Candidate], most: int) -> list[Choice]:
    """At most so many different pairs, in which all winners stand evenly often, and all losers."""
    count = min(most, len(winners) * len(losers))
    # Both wheels turn by one a pair; after a common turn one is shifted, or pairs recur.
    turn = lcm(len(winners), len(losers))
    return [by_score(winners[i % len(winners)], losers[(i + i // turn) % len(losers)]) for i in range(count)]
