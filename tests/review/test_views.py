"""What a reviewer sees of an assignment, and what not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from review.store.database import Database
from review.store.models import Assignment, Batch, Item, Job, JobKind, JobState, Past, Round, Trace
from review.views import view
from review.wire import AssignmentView, Share
from review.work.claiming import claim
from tasks.text.steps import SPLITTER, split_steps

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
Opened = Callable[..., str]
People = Callable[[Database, int], list[int]]
TEXT = "She has 2 apples.\n\nShe buys 3.\n\nSo 5."


class Seat:
    """An assignment of one reviewer, and how it is shown."""

    def __init__(self, store: Database, users: list[int]) -> None:
        self.store, (self.user, self.other) = store, users
        with store.writing() as session:
            found = claim(session, self.user, NOW)
            assert found is not None
            self.id = found.id

    def shown(self, viewer: int | None = None, now: datetime = NOW) -> AssignmentView:
        with self.store.reading() as session:
            return view(session, session.get_one(Assignment, self.id), viewer or self.user, now)

    def change(self, **values: Any) -> None:
        """Set columns of what is named `assignment`, `item`, `round`, `batch`."""
        with self.store.writing() as session:
            assignment = session.get_one(Assignment, self.id)
            item = session.get_one(Item, assignment.item_id)
            rows = {"assignment": assignment, "item": item, "round": session.get_one(Round, (self.id, 0))}
            rows["batch"] = session.get_one(Batch, item.batch_id)
            for name, columns in values.items():
                for column, value in columns.items():
                    setattr(rows[name], column, value)


@pytest.fixture
def seat(database: Database, opened: Opened, people: People) -> Seat:
    opened(database)
    return Seat(database, people(database, 2))


def settings(seat: Seat, **review: Any) -> None:
    with seat.store.reading() as session:
        kept = session.get_one(Batch, "maths").settings
    seat.change(batch={"settings": kept | {"review": review}})


@contextmanager
def counted(store: Database) -> Iterator[list[str]]:
    """The queries meanwhile."""
    told: list[str] = []

    def heard(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        told.append(statement)

    event.listen(store.engine, "before_cursor_execute", heard)
    yield told
    event.remove(store.engine, "before_cursor_execute", heard)


def test_the_trace_is_shown_in_safe_steps_that_join_to_its_text(seat: Seat) -> None:
    shown = seat.shown()
    steps = shown.rounds[0].trace.steps
    assert [one.text for one in steps] == ["She has 2 apples.\n\n", "She buys 1 + 2 = 4 more.\n\n", "So she has 6."]
    assert all(one.html.startswith("<") for one in steps)
    assert shown.lease is not None
    assert shown.lease.until == (NOW + timedelta(minutes=15)).isoformat()
    assert (shown.state, shown.batch, shown.round, shown.rounds_left, shown.can_undo) == (
        "leased",
        "maths",
        0,
        8,
        False,
    )


def test_guidelines_are_markdown(seat: Seat) -> None:
    settings(seat, guidelines="# Read *slowly* <script>")
    assert "<em>slowly</em>" in seat.shown().guidelines_html
    assert "<script>" not in seat.shown().guidelines_html


def test_the_reference_is_not_in_it_before_it_was_revealed(seat: Seat) -> None:
    seat.change(item={"reference": "five-0-five"}, assignment={"revealed_at": None})
    with seat.store.writing() as session:
        trace = session.get_one(Trace, ("maths-000", "trace-000"))
        trace.reason = "math: 6 is not five-0-five"
    assert "five-0-five" not in seat.shown().model_dump_json()
    seat.change(assignment={"revealed_at": NOW})
    assert seat.shown().reference == "five-0-five"
    assert seat.shown().rounds[0].trace.reason == "math: 6 is not five-0-five"


def test_of_a_program_the_tests_are_the_reference(seat: Seat) -> None:
    seat.change(item={"reference": None, "tests": "assert f(1) == 2"}, assignment={"revealed_at": NOW})
    assert seat.shown().reference == "assert f(1) == 2"


@pytest.mark.parametrize(
    ("when", "marked", "there"),
    [
        ("after_mark", False, False),
        ("after_mark", True, True),
        ("before_mark", False, True),
        ("never", True, False),
    ],
)
def test_a_suggestion_is_shown_in_its_time(seat: Seat, when: str, marked: bool, there: bool) -> None:
    settings(seat, suggest={"when": when})
    seat.change(item={"suggestion": 2, "suggested_by": "0 of 4"}, round={"first_wrong": 1 if marked else None})
    suggestion = seat.shown().suggestion
    assert (suggestion is not None) == there
    assert suggestion is None or (suggestion.first_wrong, suggestion.by) == (2, "0 of 4")


def test_nothing_tells_a_trace_of_known_verdict_from_others(database: Database, opened: Opened, people: People) -> None:
    opened(database, 2, gold=1)
    told = []
    for name, user in zip(("maths-000", "maths-001"), people(database, 2), strict=True):
        with database.writing() as session:
            made = Assignment(id=name, item_id=name, user_id=user, opened_at=NOW, changed_at=NOW)
            session.add(made)
            session.flush()
            session.get_one(Trace, (name, name.replace("maths", "trace"))).sampled = {"model": name}
            session.add(Round(assignment_id=name, number=0, trace_id=name.replace("maths", "trace"), opened_at=NOW))
        with database.reading() as session:
            shown = view(session, session.get_one(Assignment, name), user, NOW).model_dump_json()
        told.append(shown.replace("-000", "").replace("-001", ""))
    assert told[0] == told[1]


def test_who_looks_on_gets_no_lease_and_no_draft(seat: Seat) -> None:
    seat.change(assignment={"draft": {"typed": "so far"}})
    with seat.store.writing() as session:
        session.add(Past(assignment_id=seat.id, version=1, action="marked", was={}))
    shown = seat.shown(seat.other)
    assert (shown.lease, shown.draft, shown.can_undo) == (None, None, False)
    assert (seat.shown().draft, seat.shown().can_undo) == ({"typed": "so far"}, True)
    late = seat.shown(now=NOW + timedelta(minutes=15))
    assert (late.lease, late.draft, late.can_undo) == (None, {"typed": "so far"}, False)
    seat.change(batch={"state": "closed"})
    assert not seat.shown().can_undo


def more_rounds(seat: Seat, count: int) -> None:
    """Rounds that each have a job, its effect and two continuations."""
    with seat.store.writing() as session:
        trace = "trace-000"
        for number in range(count):
            asked = {"item_id": "maths-000", "asked": {}, "state": JobState.DONE, "created_at": NOW}
            session.add(Job(id=f"job{number}", kind=JobKind.CONTINUE, **asked))
            session.add(
                Job(id=f"effect{number}", kind=JobKind.EFFECT, found={"before": [2, 4], "wrong": [0, 4]}, **asked)
            )
            current = session.get(Round, (seat.id, number))
            if current is None:
                current = Round(assignment_id=seat.id, number=number, trace_id=trace, opened_at=NOW)
                session.add(current)
            current.first_wrong, current.after = 1, "She buys 3."
            current.job_id, current.effect_id = f"job{number}", f"effect{number}"
            for one, status in enumerate(("correct", "incorrect")):
                made = Trace(item_id="maths-000", trace_id=f"t{number}-{one}", text=TEXT, status=status, number=one)
                made.parent_trace_id, made.fork_step, made.job_id = trace, 1, f"job{number}"
                made.step_offsets, made.splitter, made.created_at = split_steps(TEXT), SPLITTER, NOW
                made.sampled = {"model": "m"}
                session.add(made)
            current.chosen = trace = f"t{number}-0"


def test_a_round_shows_what_came_of_its_rewrite(seat: Seat) -> None:
    more_rounds(seat, 2)
    first, second = seat.shown().rounds
    assert [one.trace_id for one in first.continuations] == ["t0-0", "t0-1"]
    assert (first.continuations[0].model, first.trace.model) == ("m", None)
    assert first.effect is not None
    assert first.effect.model_dump() == {
        "before": Share(right=2, of=4).model_dump(),
        "wrong": Share(right=0, of=4).model_dump(),
        "after": Share(right=1, of=2).model_dump(),
    }
    assert (second.trace.trace_id, second.trace.parent_trace_id) == ("t0-0", "trace-000")


def test_the_queries_are_as_many_whatever_the_rounds(seat: Seat) -> None:
    with counted(seat.store) as few:
        seat.shown()
    more_rounds(seat, 6)
    with counted(seat.store) as many:
        seat.shown()
    assert len(many) <= len(few) + 1 <= 8
