"""Numbers of one reviewer's work, or of many together, as pure functions of what was read from the store."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from statistics import harmonic_mean, median
from typing import Final, NamedTuple

from review.agreement import Agreement, Found, agreement
from review.marks import Mark, Share, Turn
from review.store.models import FINISHED, State
from schemas.tables import Status

SECONDS_A_CHARACTER: Final = 0.2 / 6
"""Nobody reads faster: 300 words a minute is the upper end of what adults do with non-fiction (Brysbaert 2019, "How
many words do we read per minute?", Journal of Memory and Language 109), a word with its space taken as 6 characters."""
_SAYS: Final = {Status.CORRECT: False, Status.INCORRECT: True}


class Gold(NamedTuple):
    """How well known first wrong steps are found (ProcessBench, Zheng et al. 2024, arXiv 2412.06559, section 3)."""

    erroneous: Share
    """Of traces with an error, those whose first one was found, exactly."""
    correct: Share
    """Of traces without, those that were said to be."""

    @property
    def f1(self) -> float | None:
        """The harmonic mean of the two; None where either rests on nothing."""
        shares = (self.erroneous.share, self.correct.share)
        return harmonic_mean([one for one in shares if one is not None]) if None not in shares else None


class Effect(NamedTuple):
    """How many continuations reach the answer: from before the wrong step, from after it, from the rewritten one."""

    before: Share
    wrong: Share
    after: Share
    rewrites: int


class Numbers(NamedTuple):
    """One reviewer's, or those of several."""

    finished: int
    seconds_a_step: float | None
    """The median over assignments."""
    rubber_stamps: Share
    """Of finished ones, those found all correct in less time than reading takes."""
    revealed: Share
    skipped: Share
    gave_up: Share
    bad_problem: Share
    with_verifier: Share
    """Of marks on traces that verifiers could grade: whether both see an error, or neither."""
    arrived: Share
    """Of rewrites that were gone on from, those of which some continuation is right."""
    gold: Gold


def numbers(marks: Collection[Mark], turns: Iterable[Turn], arrived: Mapping[str, Share]) -> Numbers:
    """Numbers of these assignments; rounds of others are left out.

    Args:
        marks: the assignments; imported history counts but for how fast it went by here.
        turns: their rounds.
        arrived: of each job's continuations, how many are right.
    """
    done = [one for one in marks if one.state in FINISHED]
    read: defaultdict[str, int] = defaultdict(int)
    rewrites = {one.assignment_id: False for one in done}
    outcomes = []
    for turn in turns:
        if turn.assignment_id in rewrites:
            read[turn.assignment_id] += turn.read
            if turn.rewritten and turn.job_id and turn.job_id in arrived:
                outcomes.append(arrived[turn.job_id].right > 0)
    times = [one.seconds / read[one.assignment_id] for one in done if one.seconds and read[one.assignment_id]]
    left = [one for one in marks if one.state == State.SKIPPED]
    return Numbers(
        finished=len(done),
        seconds_a_step=median(times) if times else None,
        rubber_stamps=_share(is_rubber_stamp(one) for one in done),
        revealed=_share(one.revealed for one in done),
        skipped=Share(len(left), len(left) + len(done)),
        gave_up=_share(one.state == State.GAVE_UP for one in done),
        bad_problem=_share(one.state == State.BAD_PROBLEM for one in done),
        with_verifier=_share(
            (one.first_wrong >= 0) == _SAYS[Status(one.status)]
            for one in done
            if one.first_wrong is not None and one.status in _SAYS
        ),
        arrived=_share(outcomes),
        gold=gold(done),
    )


def is_rubber_stamp(mark: Mark) -> bool:
    """Whether no step was found wrong in less time than it takes to read the trace."""
    return mark.first_wrong == -1 and mark.seconds < SECONDS_A_CHARACTER * mark.characters


def gold(marks: Iterable[Mark]) -> Gold:
    """How well these found the first wrong steps that are known; giving up on one is not to find it."""
    told = [(one.gold, one.first_wrong) for one in marks if one.gold is not None]
    return Gold(
        _share(first == known for known, first in told if known >= 0),
        _share(first == known for known, first in told if known < 0),
    )


def agreed(marks: Iterable[Mark]) -> Agreement:
    """How far finished marks of the same items agree."""
    by_item: defaultdict[str, list[Found]] = defaultdict(list)
    for one in marks:
        if one.state in FINISHED and one.state != State.BAD_PROBLEM and one.first_wrong is not None:
            by_item[one.item_id].append(Found(one.first_wrong, one.steps))
    return agreement(by_item.values())


def effect(turns: Iterable[Turn], arrived: Mapping[str, Share], rollouts: Mapping[str, tuple[Share, Share]]) -> Effect:
    """What rewrites did, of which all three shares are known; one that two people wrote alike counts once."""
    known = {
        (turn.job_id, turn.effect_id): (*rollouts[turn.effect_id], arrived[turn.job_id])
        for turn in turns
        if turn.job_id and turn.effect_id and turn.job_id in arrived and turn.effect_id in rollouts
    }
    columns = zip(*known.values(), strict=True) if known else ((), (), ())
    before, wrong, after = (Share(sum(one.right for one in each), sum(one.of for one in each)) for each in columns)
    return Effect(before, wrong, after, len(known))


def suggested(marks: Iterable[Mark]) -> Share:
    """Of items with a verdict and a suggestion, those where they are the same."""
    known = {one.item_id: one.suggestion == one.verdict for one in marks if None not in (one.suggestion, one.verdict)}
    return _share(known.values())


def moved(marks: Iterable[Mark], first: Mapping[str, int]) -> Share:
    """Of marks that were otherwise than the suggestion at first, those that are the suggestion in the end.

    Args:
        marks: the marks as they are.
        first: as they were at first, by assignment.
    """
    differed = [
        one
        for one in marks
        if one.suggestion is not None and one.suggestion != first.get(one.assignment_id, one.suggestion)
    ]
    return _share(one.first_wrong == one.suggestion for one in differed)


def _share(told: Iterable[bool]) -> Share:
    known = list(told)
    return Share(sum(known), len(known))
