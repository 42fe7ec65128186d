"""Whatever three reviewers do, in whatever order, and however the clock runs: what must hold of the store."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Result, func, select

from review.audit import broken
from review.store.database import Database
from review.store.models import AT_WORK, FINISHED, Assignment, Item, Job, Past, Round, Trace
from review.wire import ChooseIn, DraftIn, ExitIn, MarkIn, RewriteIn, SubmitIn
from review.work import acting, leaving
from review.work.claiming import expire
from review.work.errors import StaleError
from schemas.errors import ReviewError

OVERLAP, PEOPLE, ITEMS, ROUNDS = 2, 3, 3, 2
RIGHT = "She has 2 apples.\n\nShe buys 3 more.\n\nSo she has 5."
Desk = Any


class Reviewing(RuleBasedStateMachine):
    """Reviewers on one queue, each with the views that undo has to come back to."""

    blank: Path
    desk_of: Callable[[Database, int], Desk]
    users: list[int]

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="tracemill-machine-")
        shutil.copy(self.blank, f"{self.folder}/review.db")
        self.store = Database(f"sqlite:///{self.folder}/review.db")
        self.desks = [self.desk_of(self.store, user) for user in self.users]
        self.pasts: dict[str, list[dict[str, Any]]] = {}
        self.versions: dict[str, int] = {}
        self.jobs, self.traces = 0, 0

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)

    who = st.integers(0, PEOPLE - 1)

    @rule(who=who)
    def claim(self, who: int) -> None:
        self.desks[who].claim()

    @rule(minutes=st.sampled_from([1, 10, 16]), sweep=st.booleans())
    def wait(self, minutes: int, sweep: bool) -> None:
        for desk in self.desks:
            desk.wait(minutes=minutes)
        if sweep:
            with self.store.writing() as session:
                expire(session, self.desks[0].now)

    @rule(who=who, first_wrong=st.integers(-1, 2))
    def mark(self, who: int, first_wrong: int) -> None:
        ratings = [1, 1, 1] if first_wrong < 0 else [None] * 3
        self.do(who, acting.mark, MarkIn, first_wrong=first_wrong, ratings=ratings)

    @rule(who=who, after=st.sampled_from(["She buys 3 more.", "She has 5.", " "]))
    def rewrite(self, who: int, after: str) -> None:
        self.do(who, acting.rewrite, RewriteIn, after=after)

    @rule(who=who)
    def choose(self, who: int) -> None:
        desk = self.desks[who]
        if desk.id and desk.shown.state == "generating":
            found = [one.trace_id for one in desk.shown.rounds[-1].continuations] or desk.continued(RIGHT)
            self.do(who, acting.choose, ChooseIn, trace_id=found[0])

    @rule(who=who, typed=st.text("ab", max_size=3))
    def draft(self, who: int, typed: str) -> None:
        self.do(who, acting.save_draft, DraftIn, undoable=False, draft={"typed": typed})

    @rule(who=who)
    def submit(self, who: int) -> None:
        self.do(who, leaving.submit, SubmitIn, despite=True)

    @rule(who=who, leave=st.sampled_from([leaving.skip, leaving.give_up, leaving.bad_problem]))
    def leave(self, who: int, leave: Callable[..., None]) -> None:
        self.do(who, leave, ExitIn, reason="because")

    @rule(who=who)
    def undo(self, who: int) -> None:
        desk = self.desks[who]
        if not desk.id or not self.pasts.get(desk.id):
            return
        try:
            with desk.work() as work:
                leaving.undo(work)
        except ReviewError:
            return
        assert self.told(desk) == self.pasts[desk.id].pop()

    @precondition(lambda self: any(desk.id for desk in self.desks))
    @rule(who=who, behind=st.integers(1, 3))
    def stale(self, who: int, behind: int) -> None:
        desk = self.desks[who]
        if not desk.id:
            return
        with (
            pytest.raises(StaleError),
            desk.work(desk.under().model_copy(update={"version": desk.shown.version - behind})),
        ):
            pass

    @invariant()
    def never_beyond_the_overlap(self) -> None:
        if not hasattr(self, "store"):
            return
        now = self.desks[0].now
        with self.store.reading() as session:
            held = (Assignment.state.in_(FINISHED)) | (Assignment.state.in_(AT_WORK) & (Assignment.lease_until > now))
            counts = session.execute(select(func.count()).where(held).group_by(Assignment.item_id)).scalars()
            assert all(count <= OVERLAP for count in counts)
            done = select(func.count()).where(Assignment.item_id == Item.id, Assignment.state.in_(FINISHED))
            for state, count in session.execute(select(Item.state, done.scalar_subquery())):
                assert (state == "open") == (count < OVERLAP)

    @invariant()
    def no_more_rewrites_than_rounds(self) -> None:
        if not hasattr(self, "store"):
            return
        with self.store.reading() as session:
            rewrites = select(func.count(Round.after)).group_by(Round.assignment_id)
            assert all(count <= ROUNDS for count in session.scalars(rewrites))
            last = select(Assignment.state, Round.first_wrong).join(Round).where(Round.number == ROUNDS)
            assert all(
                (first or 0) < 0 or state == "max_rounds" for state, first in session.execute(last) if first is not None
            )
            ended = select(Assignment.round).where(Assignment.state == "max_rounds")
            assert set(session.scalars(ended)) <= {ROUNDS}

    @invariant()
    def versions_rise_and_nothing_is_lost(self) -> None:
        if not hasattr(self, "store"):
            return
        with self.store.reading() as session:
            versions = _pairs(session.execute(select(Assignment.id, Assignment.version)))
            rounds = session.execute(select(Round.assignment_id, func.count()).group_by(Round.assignment_id))
            assert _pairs(rounds) == _pairs(session.execute(select(Assignment.id, Assignment.round + 1)))
            pasts = session.execute(select(Past.assignment_id, func.count()).group_by(Past.assignment_id))
            assert _pairs(pasts) == {key: len(those) for key, those in self.pasts.items() if those}
            jobs, traces = (
                session.scalar(select(func.count(Job.id))),
                session.scalar(select(func.count(Trace.trace_id))),
            )
            assert broken(session) is None
        assert all(versions[key] >= version for key, version in self.versions.items())
        assert jobs is not None
        assert traces is not None
        assert jobs >= self.jobs
        assert traces >= self.traces
        self.versions, self.jobs, self.traces = versions, jobs, traces

    def do(
        self, who: int, act: Callable[..., None], asked: Callable[..., Any], *, undoable: bool = True, **given: Any
    ) -> None:
        """Do it if it can be done; then the version has risen, and what was is remembered."""
        desk = self.desks[who]
        if not desk.id:
            return
        was, under = self.told(desk), desk.under()
        try:
            with desk.work(under) as work:
                act(work, asked(**under.model_dump(), **given))
        except ReviewError:
            assert desk.shown.version == under.version
            return
        assert desk.shown.version == under.version + 1
        if undoable:
            self.pasts.setdefault(desk.id, []).append(was)

    def told(self, desk: Desk) -> dict[str, Any]:
        """What the page shows of the work itself; others may ask for the same continuations meanwhile."""
        shared = {"rounds": {"__all__": {"job", "continuations", "effect"}}}
        kept: dict[str, Any] = desk.shown.model_dump(
            exclude={"version": True, "lease": True, "can_undo": True} | shared
        )
        return kept


def _pairs(found: Result[tuple[str, int]]) -> dict[str, int]:
    rows = found.all()
    return dict(zip((key for key, _ in rows), (count for _, count in rows), strict=True))


def test_reviewers_in_any_order(
    database: Database,
    opened: Callable[..., str],
    people: Callable[[Database, int], list[int]],
    desk_of: Any,
    tmp_path: Path,
) -> None:
    opened(database, ITEMS, overlap=OVERLAP, rounds=ROUNDS)
    users = people(database, PEOPLE)
    database.close()
    found = {"blank": tmp_path / "review.db", "desk_of": staticmethod(desk_of), "users": users}
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        type("Reviewing", (Reviewing,), found),
        settings=settings(max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=checks),
    )
