"""Handing out traces."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import select, update

from review import gold
from review.config import GOLD_SHARE
from review.store.database import Database
from review.store.models import Assignment, Batch, BatchState, Item, ItemState, Round, State
from review.work.claiming import GRACE, claim, expire
from schemas.errors import ReviewError

Opened = Callable[..., str]
People = Callable[[Database, int], list[int]]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=15) + GRACE


def taken(store: Database, user: int, now: datetime = NOW, batch: str | None = None) -> Assignment | None:
    with store.writing() as session:
        return claim(session, user, now, batch)


def finish(store: Database, assignment: Assignment | None, state: State = State.SUBMITTED) -> None:
    assert assignment is not None
    with store.writing() as session:
        session.execute(update(Assignment).where(Assignment.id == assignment.id).values(state=str(state)))


def item_of(assignment: Assignment | None) -> str | None:
    return assignment.item_id if assignment else None


def test_eight_threads_hand_out_each_trace_exactly_twice(either: Database, opened: Opened, people: People) -> None:
    opened(either, 100, overlap=2)
    start = Barrier(8)

    def work(user: int) -> list[str]:
        start.wait()
        got = []
        while one := taken(either, user):
            got.append(one.item_id)
            finish(either, one)
        return got

    with ThreadPoolExecutor(8) as threads:
        got = list(threads.map(work, people(either, 8)))
    assert all(len(set(one)) == len(one) for one in got)
    assert Counter(Counter(item for one in got for item in one).values()) == {2: 100}


def test_many_who_come_at_once_for_one_trace_do_not_all_get_it(
    either: Database, opened: Opened, people: People
) -> None:
    start = Barrier(8)
    users = people(either, 8)
    for name in ("one", "two", "three"):
        opened(either, 1, overlap=3, name=name)

    def work(user: int) -> list[str | None]:
        start.wait()
        return [item_of(taken(either, user, batch=name)) for name in ("one", "two", "three")]

    with ThreadPoolExecutor(8) as threads:
        got = Counter(item for one in threads.map(work, users) for item in one)
    assert [got[f"{name}-000"] for name in ("one", "two", "three")] == [3, 3, 3]


def test_lowest_rank_first_and_a_trace_at_work_comes_back(either: Database, opened: Opened, people: People) -> None:
    opened(either, 3)
    one, two = people(either, 2)
    first = taken(either, one)
    assert first is not None
    assert (first.item_id, first.state, first.version) == ("maths-000", State.LEASED, 1)
    assert item_of(taken(either, two)) == "maths-001"
    again = taken(either, one, NOW + timedelta(minutes=5))
    assert again is not None
    assert (again.id, again.lease_token) == (first.id, first.lease_token)
    assert again.lease_until == NOW + timedelta(minutes=20)
    with either.reading() as session:
        assert session.get_one(Round, (first.id, 0)).trace_id == "trace-000"


def test_a_lease_that_ran_out_frees_the_place_and_may_be_taken_up_again(
    either: Database, opened: Opened, people: People
) -> None:
    opened(either, 1)
    one, two = people(either, 2)
    first = taken(either, one)
    assert first is not None
    assert taken(either, two, LATER - timedelta(milliseconds=1)) is None
    again = taken(either, one, LATER)
    assert again is not None
    assert (again.id, again.version) == (first.id, 2)
    assert again.lease_token != first.lease_token
    assert item_of(taken(either, two, LATER + timedelta(minutes=16))) == "maths-000"
    assert taken(either, one, LATER + timedelta(minutes=17)) is None


def test_a_sweep_says_what_ran_out_and_the_draft_is_kept(either: Database, opened: Opened, people: People) -> None:
    opened(either, 1)
    (one,) = people(either, 1)
    first = taken(either, one)
    assert first is not None
    with either.writing() as session:
        session.get_one(Assignment, first.id).draft = {"typed": "so far"}
        session.get_one(Round, (first.id, 0)).first_wrong = 1
    with either.writing() as session:
        assert (expire(session, NOW), expire(session, LATER), expire(session, LATER)) == (0, 1, 0)
    with either.reading() as session:
        assert session.get_one(Assignment, first.id).state == State.EXPIRED
    again = taken(either, one, LATER)
    assert again is not None
    assert (again.id, again.state, again.draft) == (first.id, State.REWRITING, {"typed": "so far"})


@pytest.mark.parametrize("state", [State.SKIPPED, State.SUBMITTED])
def test_what_was_left_is_never_handed_out_again(
    state: State, either: Database, opened: Opened, people: People
) -> None:
    opened(either, 1, overlap=2)
    one, two = people(either, 2)
    finish(either, taken(either, one), state)
    assert taken(either, one, LATER) is None
    assert item_of(taken(either, two, LATER)) == "maths-000"


def test_only_open_batches_and_items_are_handed_out(either: Database, opened: Opened, people: People) -> None:
    opened(either, 2)
    (one,) = people(either, 1)
    with either.writing() as session:
        session.get_one(Item, "maths-000").state = ItemState.FINAL
    assert item_of(taken(either, one, batch="maths")) == "maths-001"
    with either.writing() as session:
        session.get_one(Batch, "maths").state = BatchState.CLOSED
    assert taken(either, one) is None
    with pytest.raises(ReviewError, match="batch 'maths': none of this name is open"):
        taken(either, one, batch="maths")


def test_gold_comes_once_to_each_in_its_share_whatever_the_overlap(
    either: Database, opened: Opened, people: People
) -> None:
    opened(either, 60, gold=10)
    places = []
    for user in people(either, 3):
        got = []
        for _ in range(30):
            one = taken(either, user)
            finish(either, one, State.SKIPPED)
            got.append(item_of(one))
        golden = [at for at, item in enumerate(got) if item and item >= "maths-050"]
        assert len(golden) == len({got[at] for at in golden}) == 3
        places.append(tuple(golden))
    assert len(set(places)) == 3


def test_what_an_admin_made_gold_comes_though_the_recipe_has_none(
    either: Database, opened: Opened, people: People
) -> None:
    opened(either, 60)
    with either.writing() as session:
        for number in range(50, 60):
            gold.mark(session, "root", f"maths-{number:03}", 1)
    (one,) = people(either, 1)
    got = []
    for _ in range(30):
        found = taken(either, one)
        finish(either, found)
        got.append(item_of(found))
    assert len([name for name in got if name and name >= "maths-050"]) == 30 * GOLD_SHARE


def test_gold_goes_on_when_the_rest_is_done_only_in_its_share(
    database: Database, opened: Opened, people: People
) -> None:
    opened(database, 4, gold=3)
    (one,) = people(database, 1)
    got = []
    while (found := taken(database, one)) is not None:
        finish(database, found)
        got.append(found.item_id)
    assert len(got) in {1, 2}
    with database.reading() as session:
        left = session.scalars(select(Item.id).where(Item.id.not_in(got))).all()
    assert len(left) + len(got) == 4
