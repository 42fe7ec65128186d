"""Several who change the same thing at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from sqlalchemy import select

from review.audit import broken
from review.store.database import Database
from review.store.models import Assignment, Audit, Item, ItemState
from review.wire import ExitIn, MarkIn
from review.work import acting, leaving
from schemas.errors import ReviewError

Opened = Callable[..., str]
People = Callable[[Database, int], list[int]]
Desk = Any


def at_once(acts: list[Callable[[], None]]) -> list[bool]:
    """Which of these went through, begun at the same time; the others were turned down."""
    start = Barrier(len(acts))

    def one(act: Callable[[], None]) -> bool:
        start.wait()
        try:
            act()
        except ReviewError:
            return False
        return True

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(one, acts))


def test_of_changes_for_the_same_version_one_goes_through(
    either: Database, opened: Opened, people: People, desk_of: Any
) -> None:
    opened(either)
    desk: Desk = desk_of(either, people(either, 1)[0])
    desk.claim()
    under = desk.under()

    def mark() -> None:
        with desk.work(under) as work:
            acting.mark(work, MarkIn(**under.model_dump(), first_wrong=1, ratings=[None] * 3))

    assert sorted(at_once([mark] * 6)) == [False] * 5 + [True]
    assert (desk.shown.version, desk.shown.state) == (2, "rewriting")


def test_the_last_of_those_who_end_at_once_settles_the_item(
    either: Database, opened: Opened, people: People, desk_of: Any
) -> None:
    opened(either, 3, overlap=6)
    desks: list[Desk] = [desk_of(either, user) for user in people(either, 6)]

    def end(desk: Desk, step: int) -> Callable[[], None]:
        desk.claim()
        under = desk.under()

        def act() -> None:
            with desk.work(under) as work:
                acting.mark(work, MarkIn(**under.model_dump(), first_wrong=step, ratings=[None] * 3))
            with desk.work() as work:
                leaving.give_up(work, ExitIn(**desk.under().model_dump(), reason="no"))

        return act

    for steps, state in [((1,) * 6, ItemState.AGREED), ((1, 1, 1, 1, 1, 2), ItemState.ADJUDICATION)]:
        acts = [end(desk, step) for desk, step in zip(desks, steps, strict=True)]
        assert len({desk.shown.item_id for desk in desks}) == 1
        assert all(at_once(acts))
        with either.reading() as session:
            assert session.get_one(Item, desks[0].shown.item_id).state == state
            assert broken(session) is None
    with either.reading() as session:
        assert len(session.scalars(select(Audit.id).where(Audit.action == "gave up")).all()) == 12


def test_taking_up_again_and_undoing_wait_for_each_other(
    either: Database, opened: Opened, people: People, desk_of: Any
) -> None:
    opened(either)
    desks: list[Desk] = [desk_of(either, user) for user in people(either, 5)]
    for desk in desks:
        desk.claim()
        if desk.id:
            with desk.work() as work:
                leaving.skip(work, ExitIn(**desk.under().model_dump()))

    def back(desk: Desk) -> Callable[[], None]:
        def act() -> None:
            with desk.work() as work:
                leaving.undo(work)

        return act

    assert sorted(at_once([back(desk) for desk in desks])) == [False] * 4 + [True]
    with either.reading() as session:
        assert sorted(session.scalars(select(Assignment.state)))[:2] == ["leased", "skipped"]
