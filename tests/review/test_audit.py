"""The chain of the audit: what it shows, and what only a kept head shows."""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import delete, insert, select, update

from review import audit
from review.store.database import Database
from review.store.models import Audit


def filled(store: Database, rows: int = 5) -> None:
    with store.writing() as session:
        for number in range(rows):
            audit.note(session, "ada", "marked", f"item-{number}", step=number, share=0.1, said={"é": [1, None]})


def broken(store: Database) -> int | None:
    with store.reading() as session:
        return audit.broken(session)


def test_a_chain_is_whole_as_it_is_written(either: Database) -> None:
    assert broken(either) is None
    filled(either)
    assert broken(either) is None


def test_details_are_hashed_as_the_store_gives_them_back(database: Database) -> None:
    with database.writing() as session:
        audit.note(session, "ada", "marked", "item", steps=(1, 2), of={3: "x"})
    assert broken(database) is None


def test_a_changed_row_is_found(either: Database) -> None:
    filled(either)
    with either.writing() as session:
        session.execute(update(Audit).where(Audit.id == 3).values(actor="bob"))
    assert broken(either) == 3


def test_changed_details_and_times_are_found(database: Database) -> None:
    filled(database)
    with database.writing() as session:
        session.execute(update(Audit).where(Audit.id == 4).values(details={}))
    assert broken(database) == 4
    with database.writing() as session:
        first, second = session.scalars(select(Audit).order_by(Audit.id).limit(2))
        second.at = first.at.replace(year=2001)
    assert broken(database) == 2


def test_a_deleted_row_is_found(either: Database) -> None:
    filled(either)
    with either.writing() as session:
        session.execute(delete(Audit).where(Audit.id == 2))
    assert broken(either) == 3


def test_the_first_row_cannot_be_left_out(database: Database) -> None:
    filled(database)
    with database.writing() as session:
        session.execute(delete(Audit).where(Audit.id == 1))
    assert broken(database) == 2


def test_a_row_put_in_between_is_found(database: Database) -> None:
    filled(database)
    with database.writing() as session:
        session.execute(update(Audit).where(Audit.id == 5).values(id=6))
        fourth = session.get_one(Audit, 4)
        made = {"at": fourth.at, "actor": "x", "action": "y", "subject": "z", "details": {}}
        digest = audit._hash(fourth.hash, fourth.at, "x", "y", "z", {})
        session.execute(insert(Audit).values(id=5, previous=fourth.hash, hash=digest, **made))
    assert broken(database) == 6


def test_rows_gone_from_the_end_show_against_a_kept_head(either: Database) -> None:
    filled(either)
    with either.reading() as session:
        kept = audit.head(session)
    assert kept is not None
    with either.writing() as session:
        assert audit.holds(session, kept)
        session.execute(delete(Audit).where(Audit.id == kept.id))
        assert audit.broken(session) is None
        assert not audit.holds(session, kept)


def test_appends_at_once_keep_the_chain_whole(either: Database) -> None:
    def append(who: int) -> None:
        for number in range(10):
            with either.writing() as session:
                audit.note(session, f"user-{who}", "marked", str(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(append, range(8)))
    with either.reading() as session:
        assert audit.broken(session) is None
        assert len(audit.newest(session, 1000)) == 80


def test_the_newest_rows_first_by_whatever_is_asked(database: Database) -> None:
    filled(database)
    with database.writing() as session:
        audit.note(session, "bob", "skipped", "item-1")
    with database.reading() as session:
        assert [row.id for row in audit.newest(session, 2)] == [6, 5]
        assert [row.id for row in audit.newest(session, 9, before=3, actor="ada", action="")] == [2, 1]
        assert [row.action for row in audit.newest(session, 9, subject="item-1")] == ["skipped", "marked"]
