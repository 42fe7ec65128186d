"""What is left for whom, and why nothing is."""

from datetime import UTC, datetime, timedelta

import pytest

from review import users
from review.config import BatchSettings, ReviewConfig
from review.store.database import Database
from review.store.models import Assignment, Batch, Item, Role, State
from review.waiting import Waiting, waiting

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
NAMES = ("ada", "bob", "cy")


@pytest.fixture
def ids(database: Database) -> dict[str, int]:
    """Three reviewers; a batch of two traces that wants two reviewers each."""
    settings = BatchSettings(review=ReviewConfig(overlap=2)).model_dump(mode="json")
    with database.writing() as session:
        found = {name: users.add(session, "tests", name, None, Role.REVIEWER).id for name in NAMES}
        session.add(Batch(id="b", name="demo", settings=settings, opened_at=NOW))
        session.flush()
        for name, gold in (("i", None), ("j", None), ("g", 1)):
            session.add(
                Item(id=name, batch_id="b", rank=0, problem_id="p", domain="math", question="?", source="s",
                     trace_id=name, gold=gold)
            )  # fmt: skip
    return found


def give(database: Database, user: int, item: str, state: State, minutes: float = 10) -> None:
    until = NOW + timedelta(minutes=minutes)
    done = NOW if state == State.SUBMITTED else None
    with database.writing() as session:
        session.add(
            Assignment(id=f"{user}{item}", item_id=item, user_id=user, state=state, lease_until=until, opened_at=NOW,
                       changed_at=NOW, finished_at=done)
        )  # fmt: skip


def of(database: Database, user: int) -> Waiting:
    with database.reading() as session:
        (found,) = waiting(session, user, NOW)
    return found


def test_gold_items_are_not_told_of(database: Database, ids: dict[str, int]) -> None:
    assert (of(database, ids["ada"]).left, of(database, ids["ada"]).why) == (2, "")


def test_own_work_is_counted(database: Database, ids: dict[str, int]) -> None:
    give(database, ids["ada"], "i", State.SUBMITTED)
    give(database, ids["ada"], "j", State.MARKING)
    found = of(database, ids["ada"])
    assert (found.left, found.today, found.finished, found.at_work) == (0, 1, 1, (f"{ids['ada']}j",))
    assert found.why == "You have had every trace that still lacks reviewers"


def test_others_hold_what_is_left(database: Database, ids: dict[str, int]) -> None:
    for name in ("bob", "cy"):
        give(database, ids[name], "i", State.SUBMITTED)
        give(database, ids[name], "j", State.MARKING, minutes=5 if name == "bob" else 9)
    found = of(database, ids["ada"])
    assert (found.left, found.why) == (0, "Others hold the trace that is left")
    assert found.until == NOW + timedelta(minutes=5)


def test_a_lease_that_ran_out_holds_nothing(database: Database, ids: dict[str, int]) -> None:
    for name in ("bob", "cy"):
        give(database, ids[name], "i", State.MARKING, minutes=-1)
    assert of(database, ids["ada"]).left == 2


def test_enough_reviewers(database: Database, ids: dict[str, int]) -> None:
    for name in ("bob", "cy"):
        for item in "ij":
            give(database, ids[name], item, State.SUBMITTED)
    assert of(database, ids["ada"]).why == "Every trace has enough reviewers (2 each)"


def test_a_closed_batch_says_so_to_who_took_part(database: Database, ids: dict[str, int]) -> None:
    give(database, ids["ada"], "i", State.SUBMITTED)
    with database.writing() as session:
        batch = session.get_one(Batch, "b")
        batch.state, batch.closed_because = "closed", "its deadline is over"
    assert of(database, ids["ada"]).why == "The batch is closed: its deadline is over"
    with database.reading() as session:
        assert waiting(session, ids["bob"], NOW) == []
