"""PRM800K files become review history: labels that can be looked at, compared and adjudicated."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final, NamedTuple

from sqlalchemy import exists, func, insert, select, update
from sqlalchemy.orm import Session

from review import users
from review.audit import note
from review.config import BatchSettings, ReviewConfig
from review.imports.prm800k_rows import SPLITTER, Cut, Label, UnusableLineError, label
from review.store.models import (
    Adjudication,
    Assignment,
    Batch,
    BatchState,
    Item,
    ItemState,
    Role,
    Round,
    State,
    Trace,
    User,
)
from review.work.standing import Review, standing
from schemas.errors import ReviewError
from schemas.tables import Status
from tasks.ids import content_id, question_id

FORMAT: Final = "prm800k"
_AT_ONCE: Final = 500
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-")
_ODD: Final = re.compile(r"[^a-z0-9._@+-]+")
_LONGEST: Final = 80


class Imported(NamedTuple):
    """What was new."""

    items: int
    reviews: int
    unusable: list[tuple[int, str]]
    """Lines, from 1, and why nothing could be made of them."""


def import_file(session: Session, actor: str, name: str, lines: Iterable[bytes]) -> Imported:
    """Take a file's labels in, as finished reviews of a batch of this name; what is there already stays as it is.

    Each distinct solution is an item, each labeller a user who cannot sign in. Items whose labels differ wait for
    adjudication; of the others the label is the verdict. The batch is open, so that verdicts can be adjudicated, but
    nothing of it is handed out. Quality-control and screening rows say so in `why`; they are not gold, for the file
    holds what labellers said of them, not what is known. Answers are not graded (`unverifiable`), but where
    they are the reference, word for word.

    Raises:
        ReviewError: a batch of this name was opened otherwise.
    """
    taken = _Taken(session, actor, _batch(session, name))
    unusable: list[tuple[int, str]] = []
    numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    while some := list(islice(numbered, _AT_ONCE)):
        for number, line in some:
            try:
                taken.add(label(line))
            except UnusableLineError as exc:
                unusable.append((number, str(exc)))
        taken.store()
    taken.settle()
    found = Imported(taken.items, taken.reviews, unusable)
    note(session, actor, "labels imported", name, items=found.items, reviews=found.reviews, unusable=len(unusable))
    return found


class _Taken:
    """What a batch holds, by the ids that matter, and the rows that are about to be stored."""

    def __init__(self, session: Session, actor: str, batch: Batch) -> None:
        self.session, self.actor, self.batch = session, actor, batch
        self.items = self.reviews = 0
        self._now = datetime.now(UTC)
        self._users: dict[str, int] = dict(session.execute(select(User.name, User.id)).tuples().all())
        mine = select(Item.id).where(Item.batch_id == batch.id)
        self._ranks = session.scalar(select(func.count()).select_from(mine.subquery())) or 0
        cuts = select(Trace.item_id, Trace.trace_id, Trace.step_offsets).where(Trace.item_id.in_(mine))
        self._traces = {(item, trace): content_id(*offsets) for item, trace, offsets in session.execute(cuts)}
        self._known = set(session.scalars(mine))
        told = select(Assignment.id, Assignment.item_id, Assignment.user_id).where(Assignment.item_id.in_(mine))
        found = session.execute(told).all()
        self._assignments = {name for name, _, _ in found}
        self._pairs = {(item, user) for _, item, user in found}
        self._touched: set[str] = set()
        self._rows: dict[type[Any], list[dict[str, Any]]] = {Item: [], Trace: [], Assignment: [], Round: []}

    def add(self, one: Label) -> None:
        """Take one label in, unless it is there.

        Raises:
            UnusableLineError: its labeller has labelled the same solution otherwise, or its trace is cut otherwise.
        """
        item_id = content_id(self.batch.id, one.turns[0].trace.trace_id)
        name = content_id(item_id, repr(one))
        if name in self._assignments:
            return
        user = self._user(one.labeler)
        if (item_id, user) in self._pairs:
            raise UnusableLineError("labeler: has labelled this solution before, otherwise or at another time")
        if any(self._cut(item_id, turn.trace) != content_id(*turn.trace.offsets) for turn in one.turns):
            raise UnusableLineError("trace_id: another line cuts this trace otherwise")
        self._assignments.add(name)
        self._pairs.add((item_id, user))
        self._touched.add(item_id)
        if item_id not in self._known:
            self._known.add(item_id)
            self._rows[Item].append(_item(one, item_id, self.batch.id, self._ranks))
            self._ranks += 1
            self.items += 1
        self._rows[Trace] += self._new_traces(one, item_id)
        self._rows[Assignment].append(_assignment(one, name, item_id, user, self._now))
        self._rows[Round] += _rounds(one, name, self._now)
        self.reviews += 1

    def store(self) -> None:
        """Store what was added since."""
        for model, found in self._rows.items():
            if found:
                self.session.execute(insert(model), found)
                found.clear()

    def settle(self) -> None:
        """Say of each item that has new labels what they come to, and of the batch how many an item has at most."""
        labels = select(func.count()).select_from(Assignment).join(Item).where(Item.batch_id == self.batch.id)
        most = self.session.scalar(labels.group_by(Item.id).order_by(func.count().desc()).limit(1)) or 1
        self.batch.settings = BatchSettings(review=ReviewConfig(overlap=most, effect=0)).model_dump(mode="json")
        touched = sorted(self._touched)
        for start in range(0, len(touched), _AT_ONCE):
            if settled := list(_settled(self.session, touched[start : start + _AT_ONCE])):
                self.session.execute(update(Item), settled)

    def _user(self, labeler: str) -> int:
        name = user_name(labeler)
        if name not in self._users:
            self._users[name] = users.add(self.session, self.actor, name, None, Role.REVIEWER).id
        return self._users[name]

    def _cut(self, item_id: str, cut: Cut) -> str:
        """How the trace of this name is cut, if there is one, else how this one is."""
        return self._traces.get((item_id, cut.trace_id), content_id(*cut.offsets))

    def _new_traces(self, one: Label, item_id: str) -> Iterator[dict[str, Any]]:
        parent: Cut | None = None
        for number, turn in enumerate(one.turns):
            if (item_id, turn.trace.trace_id) not in self._traces:
                self._traces[item_id, turn.trace.trace_id] = content_id(*turn.trace.offsets)
                whole = number == len(one.turns) - 1
                yield _trace(turn.trace, parent, item_id, one if whole else None) | {"created_at": self._now}
            parent = turn.trace


def user_name(labeler: str) -> str:
    """`prm800k-` and the first part of a UUID, or what else the labeller is called, as far as a name may hold it."""
    lower = labeler.lower()
    short = lower[:8] if _UUID.match(lower) else _ODD.sub("-", lower)[:_LONGEST]
    return f"{FORMAT}-{short}"


def _batch(session: Session, name: str) -> Batch:
    found = session.scalar(select(Batch).where(Batch.name == name))
    if found is not None:
        if found.recipe is not None or found.id != content_id(FORMAT, name):
            raise ReviewError(f"batch {name}: there is one of this name that was opened otherwise; choose another")
        if found.state != BatchState.OPEN:
            raise ReviewError(f"batch {name}: it is closed; choose another name")
        return found
    batch = Batch(
        id=content_id(FORMAT, name),
        name=name,
        settings=BatchSettings().model_dump(mode="json"),
        state=BatchState.OPEN,
        opened_at=datetime.now(UTC),
    )
    session.add(batch)
    session.flush()
    return batch


def _item(one: Label, item_id: str, batch_id: str, rank: int) -> dict[str, Any]:
    return {
        "id": item_id,
        "batch_id": batch_id,
        "rank": rank,
        "why": one.why,
        "problem_id": one.problem_id or question_id("math", one.question),
        "domain": "math",
        "question": one.question,
        "reference": one.reference,
        "source": FORMAT,
        "trace_id": one.turns[0].trace.trace_id,
        "state": ItemState.ENOUGH,
        "version": 1,
    }


def _trace(cut: Cut, parent: Cut | None, item_id: str, whole: Label | None) -> dict[str, Any]:
    """A trace; `whole` is the label if the trace is complete."""
    answer = whole.answer if whole else None
    same = whole is not None and answer is not None and whole.reference is not None
    right = same and whole is not None and (answer or "").strip() == (whole.reference or "").strip()
    fork = cut.fork_step if parent else None
    return {
        "item_id": item_id,
        "trace_id": cut.trace_id,
        "parent_trace_id": parent.trace_id if parent else None,
        "fork_step": fork,
        "fork_offset": cut.offsets[fork] if fork is not None else None,
        "number": 0,
        "text": cut.text,
        "step_offsets": list(cut.offsets),
        "splitter": SPLITTER,
        "status": Status.CORRECT if right else Status.UNVERIFIABLE,
        "answer": answer,
        "reason": "the answer is the reference, word for word" if right else "imported: not graded",
        "sampled": {},
    }


def _assignment(one: Label, name: str, item_id: str, user: int, now: datetime) -> dict[str, Any]:
    finished = one.finished_at or now
    return {
        "id": name,
        "item_id": item_id,
        "user_id": user,
        "state": one.state,
        "version": 1,
        "round": len(one.turns) - 1,
        "reason": one.exit,
        "opened_at": finished - timedelta(seconds=one.seconds),
        "changed_at": finished,
        "finished_at": finished,
        "seconds": one.seconds,
        "imported": True,
    }


def _rounds(one: Label, assignment_id: str, now: datetime) -> Iterator[dict[str, Any]]:
    finished = one.finished_at or now
    names = [turn.trace.trace_id for turn in one.turns]
    for number, turn in enumerate(one.turns):
        yield {
            "assignment_id": assignment_id,
            "number": number,
            "trace_id": names[number],
            "ratings": list(turn.ratings),
            "first_wrong": turn.first_wrong,
            "after": turn.after,
            "doubts": [],
            "chosen": names[number + 1] if turn.after is not None else None,
            "opened_at": finished - timedelta(seconds=one.seconds),
            "marked_at": finished if turn.first_wrong is not None else None,
            "rewritten_at": finished if turn.after is not None else None,
        }


def _settled(session: Session, items: list[str]) -> Iterator[Mapping[str, Any]]:
    """`id`, `state` and `verdict` of items that nobody has decided about, by the rule for reviews made here."""
    told = (
        select(Item.id, Assignment.state, Round.first_wrong)
        .join(Assignment, Assignment.item_id == Item.id)
        .join(Round, (Round.assignment_id == Assignment.id) & (Round.number == 0))
        .where(Item.id.in_(items), ~exists().where(Adjudication.item_id == Item.id))
    )
    said: defaultdict[str, list[Review]] = defaultdict(list)
    for item, state, first_wrong in session.execute(told):
        said[item].append(Review(State(state), first_wrong))
    for item, reviews in said.items():
        found = standing(reviews, len(reviews))
        yield {"id": item, "state": found.state, "verdict": found.verdict}
