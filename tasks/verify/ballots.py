"""Samples of a problem vote with their answers; answers that are equal count together.

Self-consistency: Wang et al. 2022, arXiv 2203.11171, section 2.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from schemas.tables import Status
from tasks.verify.contract import Claim, ProblemView, Verifier
from tasks.verify.settle import Asked, Court

_LEADERS: Final = 3
_RIVALS: Final = 16
"""Where exact rules do not tell, each of the first `_LEADERS` groups is checked against the first `_RIVALS`."""


class Vote(NamedTuple):
    """An answer as a sample wrote it, and the verifier that found it there."""

    verifier: str
    answer: str


class Group(NamedTuple):
    """Equal answers of one problem: how often each written form occurs."""

    forms: Counter[Vote]

    @property
    def votes(self) -> int:
        """How many samples gave one of these forms."""
        return self.forms.total()

    @property
    def chosen(self) -> Vote:
        """The most common form; of those the shortest, then the first by its characters."""
        return min(self.forms, key=lambda vote: (-self.forms[vote], len(vote.answer), vote))


def vote_of(problem: ProblemView, text: str, verifiers: Mapping[str, Verifier]) -> Vote | None:
    """The vote in a sample's text: the answer by the first of the verifiers that finds one."""
    for name, verifier in verifiers.items():
        answer = verifier.answer(problem, text)
        if answer:
            return Vote(name, answer)
    return None


def ranked(ballots: Mapping[str, Counter[Vote]], court: Court) -> dict[str, list[Group]]:
    """The groups of equal answers of each problem, most votes first.

    Answers are equal if exact rules say so. What those leave open (`x+1` and `1+x`) is checked in workers, all problems
    together, for the foremost groups only; a check that breaks or is late finds them different.
    """
    groups = {problem: _grouped(votes, court) for problem, votes in ballots.items()}
    open_pairs = {problem: list(_open_pairs(those, court)) for problem, those in groups.items()}
    judged = court.settle(pair for pairs in open_pairs.values() for pair in pairs)
    equal = {pair for pair, result in judged.items() if result.outcome.status is Status.CORRECT}
    return {problem: _merged(those, equal) if open_pairs[problem] else those for problem, those in groups.items()}


def _grouped(votes: Counter[Vote], court: Court) -> list[Group]:
    """Put each form, the most common first, into the first group whose first form it equals by exact rules."""
    groups: dict[Vote, Group] = {}
    for one in _sorted(Group(Counter({vote: count})) for vote, count in votes.items()):
        form = one.chosen
        first = next((first for first in groups if _same(first, form, court)), form)
        groups.setdefault(first, Group(Counter())).forms.update(one.forms)
    return _sorted(groups.values())


def _open_pairs(groups: list[Group], court: Court) -> Iterator[Asked]:
    chosen = [group.chosen for group in groups[:_RIVALS]]
    for first, leader in enumerate(chosen[:_LEADERS]):
        for rival in chosen[first + 1 :]:
            if _same(leader, rival, court) is None:
                yield _asked(leader, rival)


def _same(one: Vote, other: Vote, court: Court) -> bool | None:
    """Whether exact rules find two votes the same; None where they do not tell."""
    if one.verifier != other.verifier:
        return False
    outcome = court.verifiers[one.verifier].decide(Claim(one.answer, other.answer))
    return None if outcome is None else outcome.status is Status.CORRECT


def _asked(one: Vote, other: Vote) -> Asked:
    return one.verifier, Claim(one.answer, other.answer)


def _merged(groups: list[Group], equal: set[Asked]) -> list[Group]:
    kept: list[tuple[Vote, Group]] = []
    for group in groups:
        chosen = group.chosen
        found = next((into for leader, into in kept if _asked(leader, chosen) in equal), None)
        if found is None:
            kept.append((chosen, Group(group.forms.copy())))
        else:
            found.forms.update(group.forms)
    return _sorted(group for _, group in kept)


def _sorted(groups: Iterable[Group]) -> list[Group]:
    return sorted(groups, key=lambda group: (-group.votes, len(group.chosen.answer), group.chosen))
