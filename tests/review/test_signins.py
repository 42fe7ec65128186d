"""Sign-ins and tokens: how long they last, and that nothing in the store lets anybody in."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, select, update

from review import signins, users
from review.store.database import Database
from review.store.models import Login, Role, Token, User
from schemas.errors import ReviewError


@pytest.fixture
def ada(either: Database) -> User:
    with either.writing() as session:
        return users.add(session, "tests", "ada", None, Role.REVIEWER)


def signed_in(store: Database, user: User) -> str:
    with store.writing() as session:
        return signins.sign_in(session, user)


def token_of(store: Database, user: User) -> str:
    with store.writing() as session:
        return signins.make_token(session, "tests", user, "for a test")


def known(store: Database, cookie: str = "", token: str = "") -> str | None:
    with store.reading() as session:
        caller = signins.of_cookie(session, cookie) if cookie else signins.of_token(session, token)
    return caller and caller.user.name


def aged(store: Database, **by: timedelta) -> None:
    with store.writing() as session:
        for row in session.scalars(select(Login)):
            for column, span in by.items():
                setattr(row, column, getattr(row, column) - span)


def test_a_cookie_is_its_users_until_it_is_signed_out(either: Database, ada: User) -> None:
    first, second = signed_in(either, ada), signed_in(either, ada)
    assert first != second
    with either.writing() as session:
        signins.sign_out(session, first)
    assert (known(either, first), known(either, second)) == (None, "ada")


def test_a_sign_in_ends_when_its_time_is_over(either: Database, ada: User) -> None:
    cookie = signed_in(either, ada)
    aged(either, expires_at=signins.LASTS - timedelta(minutes=1))
    assert known(either, cookie) == "ada"
    aged(either, expires_at=timedelta(minutes=2))
    assert known(either, cookie) is None


def test_a_sign_in_ends_when_nothing_is_asked(either: Database, ada: User) -> None:
    cookie = signed_in(either, ada)
    aged(either, seen_at=signins.IDLE - timedelta(minutes=1))
    assert known(either, cookie) == "ada"
    aged(either, seen_at=timedelta(minutes=2))
    assert known(either, cookie) is None


def test_what_the_store_holds_lets_nobody_in(either: Database, ada: User) -> None:
    cookie, token = signed_in(either, ada), token_of(either, ada)
    with either.reading() as session:
        stored = session.scalar(select(Login.token_hash)) or "", session.scalar(select(Token.token_hash)) or ""
    assert cookie not in stored
    assert token not in stored
    assert known(either, cookie=stored[0]) is None
    assert known(either, token=stored[1]) is None
    assert known(either, token=cookie) is None
    assert known(either, cookie=token) is None


def test_a_token_is_good_until_it_is_revoked(either: Database, ada: User) -> None:
    token = token_of(either, ada)
    assert token.startswith("tm_")
    assert known(either, token=token) == "ada"
    with either.writing() as session:
        signins.revoke(session, "tests", 1)
    assert known(either, token=token) is None
    with either.writing() as session, pytest.raises(ReviewError, match="still good"):
        signins.revoke(session, "tests", 1)


def test_who_is_switched_off_is_out(either: Database, ada: User) -> None:
    cookie, token = signed_in(either, ada), token_of(either, ada)
    with either.writing() as session:
        session.execute(update(User).values(active=False))
    assert (known(either, cookie), known(either, token=token)) == (None, None)


def test_finding_the_caller_is_one_query(either: Database, ada: User) -> None:
    cookie = signed_in(either, ada)
    asked: list[str] = []
    event.listen(either.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    assert known(either, cookie) == "ada"
    assert [one.partition(" ")[0] for one in asked if one != "BEGIN"] == ["SELECT"]


def test_being_there_is_noted_once_a_minute(either: Database, ada: User) -> None:
    cookie = signed_in(either, ada)
    with either.writing() as session:
        caller = signins.of_cookie(session, cookie)
        assert caller is not None
        assert not signins.is_stale(caller)
    aged(either, seen_at=signins.SEEN_EVERY * 2)
    with either.writing() as session:
        caller = signins.of_cookie(session, cookie)
        assert caller is not None
        assert signins.is_stale(caller)
        signins.seen(session, caller)
    with either.reading() as session:
        caller = signins.of_cookie(session, cookie)
        assert caller is not None
        assert not signins.is_stale(caller)


def test_sign_ins_that_are_over_are_swept_at_the_next(either: Database, ada: User) -> None:
    signed_in(either, ada)
    aged(either, expires_at=timedelta(days=1))
    signed_in(either, ada)
    with either.reading() as session:
        (left,) = session.scalars(select(Login)).all()
    assert left.expires_at > datetime.now(UTC)


def test_a_cookie_of_broken_text_is_nobodys(database: Database) -> None:
    assert known(database, cookie="\ud800\x00'; drop table logins; --") is None
