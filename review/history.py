"""What was done: finished assignments, and an item's tree of traces with who said what of them.

A reviewer sees only their own. While an item waits for adjudication its reviewers' marks are not shown to
adjudicators either, who are to decide without knowing whose they are.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.orm import Session

from review.diff import Piece, visible, words
from review.marks import Share
from review.store.models import (
    FINISHED,
    Assignment,
    Audit,
    Batch,
    BatchState,
    Item,
    ItemState,
    Job,
    Role,
    Round,
    State,
    Trace,
    User,
)
from schemas.errors import ReviewError
from schemas.tables import Status
from tasks.text.steps import steps

PAGE: Final = 50
ENDED: Final = FINISHED | {State.SKIPPED}
_AUDITED: Final = 200


class Asking(NamedTuple):
    """Who looks."""

    user_id: int
    role: Role


class Filters(NamedTuple):
    """Which assignments are listed; an empty one is no filter."""

    batch: str = ""
    state: str = ""
    reviewer: str = ""
    """A pseudonym."""
    page: int = 1


class Line(NamedTuple):
    """A finished assignment."""

    assignment_id: str
    item_id: str
    batch: str
    question: str
    reviewer: str
    state: str
    rounds: int
    seconds: float
    finished_at: datetime
    imported: bool
    own: bool


class Listed(NamedTuple):
    """A page of them, the newest first."""

    lines: list[Line]
    more: bool


class Said(NamedTuple):
    """One reviewer's round over a trace."""

    assignment_id: str
    reviewer: str
    own: bool
    number: int
    first_wrong: int | None
    """In the reviewer's own steps."""
    steps: int
    rewrite: list[Piece]
    """How the first wrong step became the rewritten one."""
    doubts: list[str]
    before: Share | None
    wrong: Share | None
    after: Share | None
    seconds: float | None
    """From opening the round to the mark."""
    reason: str
    state: str


class Node(NamedTuple):
    """A trace, and what goes on from it."""

    trace_id: str
    fork_step: int | None
    number: int
    status: str
    answer: str | None
    steps: list[str]
    """All of the first trace; of a continuation none."""
    changes: list[Piece]
    """From its parent, after the fork."""
    said: list[Said]
    children: "list[Node]"


class Told(NamedTuple):
    """An item's history."""

    item: Item
    batch: str
    tree: Node
    verdict: int | None
    """None where there is none, or it is not to be told yet."""
    withheld: bool
    """Others' marks are not shown, for the item waits for adjudication."""
    mine: str | None
    """The viewer's own assignment."""
    audit: list[Audit]
    actors: Mapping[str, str]
    """Pseudonyms, by the audit's names."""


def listed(session: Session, by: Asking, filters: Filters) -> Listed:
    """Assignments that ended: a reviewer's own; adjudicators and admins see all."""
    ended = Assignment.finished_at.is_not(None) & Assignment.state.in_(ENDED)
    wanted = ((Batch.id, filters.batch), (Assignment.state, filters.state), (User.pseudonym, filters.reviewer))
    query = (
        select(Assignment, Item, Batch.name, User.pseudonym)
        .join(Item, Item.id == Assignment.item_id)
        .join(Batch, Batch.id == Item.batch_id)
        .join(User, User.id == Assignment.user_id)
        .where(ended, _may_list(by), *(column == value for column, value in wanted if value))
        .order_by(Assignment.finished_at.desc(), Assignment.id)
    )
    found = session.execute(query.offset((filters.page - 1) * PAGE).limit(PAGE + 1)).all()
    return Listed([_line(row[0], row[1], (row[2], row[3]), by) for row in found[:PAGE]], len(found) > PAGE)


def told(session: Session, by: Asking, item_id: str) -> Told:
    """An item's tree, as far as the viewer may see it.

    Raises:
        ReviewError: there is no such item, or nothing of it that the viewer may see.
    """
    item = session.get(Item, item_id)
    withheld = item is not None and item.state == ItemState.ADJUDICATION and by.role == Role.ADJUDICATOR
    own_only = by.role == Role.REVIEWER or withheld
    found = _assignments(session, item_id, by.user_id if own_only else None)
    if item is None or (by.role == Role.REVIEWER and not found):
        raise ReviewError(f"item {item_id}: there is none of this id among your finished reviews")
    batch = session.get_one(Batch, item.batch_id)
    rounds = _rounds(session, [one.id for one, _ in found])
    traces = {one.trace_id: one for one in session.scalars(select(Trace).where(Trace.item_id == item_id))}
    seen = _seen(item, traces, rounds) if own_only else set(traces)
    audit = [] if own_only else _audit(session, [item_id, *(one.id for one, _ in found)])
    return Told(
        item,
        batch.name,
        _tree(session, item, {name: one for name, one in traces.items() if name in seen}, (found, rounds, by)),
        item.verdict if by.role != Role.REVIEWER or batch.state == BatchState.CLOSED else None,
        withheld,
        next((one.id for one, _ in found if one.user_id == by.user_id), None),
        audit,
        _pseudonyms(session, {one.actor for one in audit}),
    )


def _may_list(by: Asking) -> ColumnElement[bool]:
    return Assignment.user_id == by.user_id if by.role == Role.REVIEWER else true()


def _line(one: Assignment, item: Item, named: tuple[str, str], by: Asking) -> Line:
    assert one.finished_at is not None
    return Line(
        one.id,
        item.id,
        named[0],
        item.question,
        named[1],
        one.state,
        one.round + 1,
        one.seconds,
        one.finished_at,
        one.imported,
        one.user_id == by.user_id,
    )


def _assignments(session: Session, item_id: str, user_id: int | None) -> list[tuple[Assignment, str]]:
    query = select(Assignment, User.pseudonym).join(User, User.id == Assignment.user_id)
    query = query.where(Assignment.item_id == item_id, Assignment.state.in_(ENDED))
    if user_id is not None:
        query = query.where(Assignment.user_id == user_id)
    return [(row[0], row[1]) for row in session.execute(query.order_by(Assignment.opened_at, Assignment.id))]


def _rounds(session: Session, assignments: Sequence[str]) -> list[Round]:
    chosen = select(Round).where(Round.assignment_id.in_(assignments))
    return list(session.scalars(chosen.order_by(Round.assignment_id, Round.number)))


def _seen(item: Item, traces: Mapping[str, Trace], rounds: Sequence[Round]) -> set[str]:
    """The traces that these rounds are about, or that came of them."""
    jobs = {one.job_id for one in rounds if one.job_id}
    came = {name for name, one in traces.items() if one.job_id in jobs}
    return {item.trace_id} | {one.trace_id for one in rounds} | came


_Done = tuple[Sequence[tuple[Assignment, str]], Sequence[Round], Asking]


def _tree(session: Session, item: Item, traces: Mapping[str, Trace], done: _Done) -> Node:
    found, rounds, by = done
    effects = session.scalars(select(Job).where(Job.id.in_([one.effect_id for one in rounds if one.effect_id])))
    rollouts = {one.id: one.found for one in effects}
    people = {one.id: (one, pseudonym) for one, pseudonym in found}
    said: defaultdict[str, list[Said]] = defaultdict(list)
    for one in rounds:
        trace = traces[one.trace_id]
        came = [each.status for each in traces.values() if one.job_id and each.job_id == one.job_id]
        shares = _shares(rollouts.get(one.effect_id or "", {}), came)
        said[one.trace_id].append(_said(one, trace, people[one.assignment_id], shares, by))
    children: defaultdict[str | None, list[Trace]] = defaultdict(list)
    for trace in sorted(traces.values(), key=lambda one: (one.fork_step or 0, one.job_id or "", one.number)):
        children[trace.parent_trace_id].append(trace)
    return _node(traces[item.trace_id], None, children, said)


def _node(
    trace: Trace, parent: Trace | None, children: Mapping[str | None, list[Trace]], said: Mapping[str, list[Said]]
) -> Node:
    fork = trace.fork_offset or 0
    return Node(
        trace.trace_id,
        trace.fork_step,
        trace.number,
        trace.status,
        trace.answer,
        [] if parent else steps(trace.text, trace.step_offsets),
        visible(words(parent.text[fork:], trace.text[fork:])) if parent else [],
        said.get(trace.trace_id, []),
        [_node(one, trace, children, said) for one in children.get(trace.trace_id, [])],
    )


def _said(
    one: Round, trace: Trace, whose: tuple[Assignment, str], shares: tuple[Share | None, ...], by: Asking
) -> Said:
    assignment, pseudonym = whose
    cut = steps(trace.text, one.offsets or trace.step_offsets)
    wrong = cut[one.first_wrong] if one.first_wrong is not None and 0 <= one.first_wrong < len(cut) else ""
    before, after_wrong, after = shares
    return Said(
        assignment.id,
        pseudonym,
        assignment.user_id == by.user_id,
        one.number,
        one.first_wrong,
        len(cut),
        visible(words(wrong.strip(), one.after.strip())) if one.after is not None else [],
        list(map(str, one.doubts)),
        before,
        after_wrong,
        after,
        None if assignment.imported or not one.marked_at else (one.marked_at - one.opened_at).total_seconds(),
        assignment.reason or "",
        assignment.state,
    )


def _shares(found: Mapping[str, Any], came: Sequence[str]) -> tuple[Share | None, Share | None, Share | None]:
    before, wrong = (Share(*found[name]) if found.get(name) else None for name in ("before", "wrong"))
    return before, wrong, Share(sum(one == Status.CORRECT for one in came), len(came)) if came else None


def _audit(session: Session, subjects: Sequence[str]) -> list[Audit]:
    """The newest rows about the item or one of its assignments."""
    chosen = select(Audit).where(Audit.subject.in_(subjects))
    return list(session.scalars(chosen.order_by(Audit.id.desc()).limit(_AUDITED)))


def _pseudonyms(session: Session, names: set[str]) -> dict[str, str]:
    found = session.execute(select(User.name, User.pseudonym).where(User.name.in_(names)))
    return {name: pseudonym for name, pseudonym in found}  # noqa: C416 - rows are no pairs to dict()
