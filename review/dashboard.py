"""What the dashboard shows: how fast work goes, how far reviewers agree, how each does, and what rewrites do.

Adjudicators and admins see every reviewer by pseudonym; a reviewer sees their own numbers beside the median of the
others', if these are enough that none of them can be told.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Final, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from review import marks, measures
from review.agreement import Agreement
from review.marks import Mark, Share, Turn
from review.measures import Effect, Numbers
from review.store.models import AT_WORK, FINISHED, Assignment, Batch, BatchState, Item, ItemState, Role, User

DAYS: Final = 14
OTHERS: Final = 3
"""So many reviewers at least make a median of others."""
_RATE_DAYS: Final = 7
_DOUBTS: Final = 8
_Shown = tuple[str, Callable[[Numbers], float | Share | None]]
COLUMNS: Final[tuple[_Shown, ...]] = (
    ("finished", lambda one: float(one.finished)),
    ("s a step", lambda one: one.seconds_a_step),
    ("gold F1", lambda one: one.gold.f1),
    ("gold, wrong ones", lambda one: one.gold.erroneous),
    ("gold, right ones", lambda one: one.gold.correct),
    ("as the verifier", lambda one: one.with_verifier),
    ("rewrites arrive", lambda one: one.arrived),
    ("too fast to read", lambda one: one.rubber_stamps),
    ("looked at the reference", lambda one: one.revealed),
    ("skipped", lambda one: one.skipped),
    ("gave up", lambda one: one.gave_up),
    ("bad problem", lambda one: one.bad_problem),
)
"""Of the table of reviewers."""
_PLAIN: Final = {"finished": "{:.0f}", "s a step": "{:.1f}", "gold F1": "{:.2f}"}


class Pace(NamedTuple):
    """How far a batch has come, in reviews; gold is extra."""

    name: str
    state: str
    items: int
    finished: int
    at_work: int
    left: int
    days_left: float | None
    """At the rate of the last seven days; None where nothing was finished in them, or nothing is left."""


class Person(NamedTuple):
    """A row of the table of reviewers."""

    name: str
    cells: list[str]


class Board(NamedTuple):
    """All of it."""

    days: list[tuple[date, int]]
    """Reviews that were finished on each of the last days (UTC)."""
    paces: list[Pace]
    states: list[tuple[str, int]]
    """Items, but gold."""
    outcomes: list[tuple[str, int]]
    """Assignments that ended."""
    agreement: Agreement
    people: list[Person]
    others: int | None
    """How many the median of others would rest on; None for those who see all."""
    effect: Effect
    doubts: list[tuple[str, int]]
    suggested: Share
    moved: Share


class _Work(NamedTuple):
    """What was read."""

    marks: list[Mark]
    turns: list[Turn]
    arrived: dict[str, Share]


def board(session: Session, user_id: int, role: Role, batch_id: str | None, now: datetime) -> Board:
    """The dashboard of a batch, or of all, as this user may see it."""
    work = _Work(marks.marks(session, batch_id), marks.turns(session, batch_id), marks.arrivals(session, batch_id))
    done = [one for one in work.marks if one.state in FINISHED]
    sees_all = role.rank >= Role.ADJUDICATOR.rank
    by_user = _by_user(work)
    doubts = Counter(doubt for turn in work.turns for doubt in turn.doubts)
    return Board(
        _days(done, now),
        paces(session, work.marks, batch_id, now),
        _states(session, batch_id),
        Counter(one.state for one in work.marks if one.finished_at is not None).most_common(),
        measures.agreed(done),
        _all(session, by_user) if sees_all else _own(by_user, user_id),
        None if sees_all else len(by_user.keys() - {user_id}),
        measures.effect(work.turns, work.arrived, marks.effects(session, batch_id)),
        doubts.most_common(_DOUBTS),
        measures.suggested(done),
        measures.moved(done, marks.first_marks(session, batch_id)),
    )


def paces(session: Session, found: Iterable[Mark], batch_id: str | None, now: datetime) -> list[Pace]:
    """Of each batch, the newest first."""
    finished: defaultdict[str, Counter[str]] = defaultdict(Counter)
    recent: Counter[str] = Counter()
    for one in found:
        if one.state in FINISHED and one.gold is None:
            finished[one.batch_id][one.item_id] += 1
            recent[one.batch_id] += not one.imported and _since(one, now) < timedelta(days=_RATE_DAYS)
    busy = _at_work(session, now)
    items: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for batch, item, state in session.execute(select(Item.batch_id, Item.id, Item.state).where(Item.gold.is_(None))):
        items[batch].append((item, state))
    batches = session.scalars(select(Batch).order_by(Batch.opened_at.desc(), Batch.id))
    return [
        _pace(one, items[one.id], finished[one.id], (busy.get(one.id, 0), recent[one.id] / _RATE_DAYS))
        for one in batches
        if batch_id in (None, one.id)
    ]


def cells(numbers: Numbers) -> list[str]:
    """One for each of COLUMNS, as it is shown."""
    return [_cell(name, value(numbers)) for name, value in COLUMNS]


def medians(others: Sequence[Numbers]) -> list[str]:
    """The median of each column over those who have a number there, if they are enough."""
    shown = []
    for name, value in COLUMNS:
        known = [each for one in others if (each := _number(value(one))) is not None]
        middle = median(known) if len(known) >= OTHERS else None
        shown.append("–" if middle is None else _PLAIN.get(name, "{:.0%}").format(middle))
    return shown


def _pace(batch: Batch, items: Sequence[tuple[str, str]], finished: Counter[str], going: tuple[int, float]) -> Pace:
    at_work, rate = going
    overlap = int(batch.settings.get("review", {}).get("overlap", 1))
    is_open = batch.state == BatchState.OPEN
    left = sum(max(overlap - finished[item], 0) for item, state in items if is_open and state == ItemState.OPEN)
    return Pace(
        batch.name,
        batch.state,
        len(items),
        finished.total(),
        at_work,
        left,
        left / rate if left and rate else None,
    )


def _by_user(work: _Work) -> dict[int, Numbers]:
    """The numbers of all who have finished something."""
    own: defaultdict[int, list[Mark]] = defaultdict(list)
    whose = {}
    for one in work.marks:
        own[one.user_id].append(one)
        whose[one.assignment_id] = one.user_id
    turns: defaultdict[int, list[Turn]] = defaultdict(list)
    for turn in work.turns:
        turns[whose[turn.assignment_id]].append(turn)
    found = {user: measures.numbers(those, turns[user], work.arrived) for user, those in own.items()}
    return {user: one for user, one in found.items() if one.finished or one.skipped.of}


def _all(session: Session, by_user: Mapping[int, Numbers]) -> list[Person]:
    names = session.execute(select(User.id, User.pseudonym).where(User.id.in_(by_user)).order_by(User.pseudonym))
    return [Person(pseudonym, cells(by_user[user])) for user, pseudonym in names]


def _own(by_user: Mapping[int, Numbers], user_id: int) -> list[Person]:
    mine = [Person("You", cells(by_user[user_id]))] if user_id in by_user else []
    others = [one for user, one in by_user.items() if user != user_id]
    return [*mine, Person("Median of the others", medians(others))] if len(others) >= OTHERS else mine


def _cell(name: str, value: float | Share | None) -> str:
    number = _number(value)
    if number is None:
        return "–"
    of = f" of {value.of}" if isinstance(value, Share) else ""
    return _PLAIN.get(name, "{:.0%}").format(number) + of


def _number(value: float | Share | None) -> float | None:
    return value.share if isinstance(value, Share) else value


def _days(done: Iterable[Mark], now: datetime) -> list[tuple[date, int]]:
    counts = Counter(one.finished_at.astimezone(UTC).date() for one in done if one.finished_at and not one.imported)
    days = [now.date() - timedelta(days=ago) for ago in reversed(range(DAYS))]
    return [(day, counts[day]) for day in days]


def _since(one: Mark, now: datetime) -> timedelta:
    return now - one.finished_at if one.finished_at else timedelta.max


def _states(session: Session, batch_id: str | None) -> list[tuple[str, int]]:
    """In the order that items go through them."""
    query = select(Item.state, func.count()).where(Item.gold.is_(None)).group_by(Item.state)
    if batch_id is not None:
        query = query.where(Item.batch_id == batch_id)
    counts = {state: count for state, count in session.execute(query)}  # noqa: C416 - rows are no pairs to dict()
    return [(str(one), counts[one]) for one in ItemState if counts.get(one)]


def _at_work(session: Session, now: datetime) -> dict[str, int]:
    query = (
        select(Item.batch_id, func.count())
        .join(Assignment, Assignment.item_id == Item.id)
        .where(Assignment.state.in_(AT_WORK), Assignment.lease_until > now)
        .group_by(Item.batch_id)
    )
    return {batch: count for batch, count in session.execute(query)}  # noqa: C416 - rows are no pairs to dict()
