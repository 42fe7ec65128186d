"""Users: names, passwords, roles, and the last admin."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from review import audit, signins, users
from review.store.database import Database
from review.store.models import Login, Role, Token, User
from schemas.errors import ReviewError

PASSWORD = "correct horse battery"


def added(store: Database, name: str, role: Role = Role.REVIEWER) -> User:
    with store.writing() as session:
        return users.add(session, "tests", name, PASSWORD, role)


def live(store: Database) -> tuple[int, int]:
    """Sign-ins, and tokens that are good."""
    with store.reading() as session:
        tokens = session.scalar(select(func.count()).select_from(Token).where(Token.revoked_at.is_(None)))
        return session.scalar(select(func.count()).select_from(Login)) or 0, tokens or 0


@pytest.mark.parametrize(
    "name", ["", "-ada", "ada lovelace", "a" * 101, "ada\x00", "'; drop table users; --", "äda", "a/b"]
)
def test_a_name_is_plain(database: Database, name: str) -> None:
    with database.writing() as session, pytest.raises(ReviewError, match="a name has letters"):
        users.add(session, "tests", name, PASSWORD, Role.REVIEWER)


def test_a_name_is_taken_once_whatever_its_case(either: Database) -> None:
    added(either, " Ada ")
    with either.writing() as session, pytest.raises(ReviewError, match="of this name already"):
        users.add(session, "tests", "ADA", PASSWORD, Role.REVIEWER)


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("nine char", "10 to 200"),
        ("x" * 201, "10 to 200"),
        ("Ada.Lovelace", "not the user's name"),
        ("broken \ud800 text", "broken characters"),
    ],
)
def test_passwords_that_are_refused(password: str, said: str) -> None:
    with pytest.raises(ReviewError, match=said):
        users.hash_password(password, "ada.lovelace")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=10, max_size=200), st.text(min_size=1, max_size=5))
@settings(max_examples=30, deadline=None)
def test_only_the_password_matches(password: str, more: str) -> None:
    stored = users.hash_password(password, "ada")
    assert users.matches(password, stored)
    assert not users.matches(password + "".join(c for c in more if c.isprintable()) + "x", stored)
    assert password not in stored


def test_passwords_are_salted() -> None:
    assert users.hash_password(PASSWORD, "ada") != users.hash_password(PASSWORD, "ada")


def test_generated_passwords_keep_the_rules_and_differ() -> None:
    made = {users.generated() for _ in range(50)}
    assert len(made) == 50
    assert all(users.hash_password(one, "ada") for one in made)


def test_a_new_password_ends_sign_ins_and_tokens(either: Database) -> None:
    ada, bob = added(either, "ada"), added(either, "bob")
    with either.writing() as session:
        for user in (ada, ada, bob):
            signins.sign_in(session, user)
        for user in (ada, bob):
            signins.make_token(session, "tests", user, "for a test")
    with either.writing() as session:
        users.set_password(session, "tests", "ada", "another password")
    assert live(either) == (1, 1)
    with either.reading() as session:
        stored = session.get_one(User, ada.id).password_hash
    assert users.matches("another password", stored)
    assert not users.matches(PASSWORD, stored)


def test_another_role_or_being_switched_off_ends_sign_ins(database: Database) -> None:
    ada = added(database, "ada")
    changes: list[Callable[[Session], None]] = [
        lambda session: users.set_role(session, "tests", "ada", Role.ADJUDICATOR),
        lambda session: users.switch(session, "tests", "ada", on=False),
        lambda session: users.sign_out_everywhere(session, "tests", "ada"),
    ]
    for change in changes:
        with database.writing() as session:
            signins.sign_in(session, ada)
        assert live(database)[0] == 1
        with database.writing() as session:
            change(session)
        assert live(database)[0] == 0


def test_the_last_admin_stays(either: Database) -> None:
    added(either, "ada", Role.ADMIN)
    with either.writing() as session:
        users.add(session, "tests", "cannot-sign-in", None, Role.ADMIN)
    with either.writing() as session:
        with pytest.raises(ReviewError, match="last admin"):
            users.set_role(session, "tests", "ada", Role.REVIEWER)
        with pytest.raises(ReviewError, match="last admin"):
            users.switch(session, "tests", "ada", on=False)
        users.set_role(session, "tests", "ada", Role.ADMIN)
    added(either, "bob", Role.ADMIN)
    with either.writing() as session:
        users.switch(session, "tests", "ada", on=False)


def test_two_admins_cannot_put_each_other_out_at_once(either: Database) -> None:
    for name in ("ada", "bob"):
        added(either, name, Role.ADMIN)

    def demoted(name: str) -> bool:
        try:
            with either.writing() as session:
                users.set_role(session, "tests", name, Role.REVIEWER)
        except ReviewError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(demoted, ["ada", "bob"])) == [False, True]


def test_all_of_it_is_in_the_audit_and_no_secret_is(database: Database) -> None:
    ada = added(database, "ada")
    with database.writing() as session:
        users.set_password(session, "root", "ada", "another password")
        users.set_role(session, "root", "ada", Role.ADMIN)
        users.sign_out_everywhere(session, "root", "ada")
        token = signins.make_token(session, "root", ada, "for a test")
        signins.revoke(session, "root", 1)
    with database.reading() as session:
        rows = audit.newest(session, 10)
    acts = [row.action for row in reversed(rows)]
    assert acts == ["user added", "password set", "role set", "signed out everywhere", "token made", "token revoked"]
    told = str([(row.subject, row.details) for row in rows])
    assert token not in told
    assert "another password" not in told
    assert "scrypt" not in told


def test_nobody_is_found_by_a_name_that_nobody_has(database: Database) -> None:
    with database.reading() as session, pytest.raises(ReviewError, match="none of this name"):
        users.find(session, "nobody")


def test_a_password_of_another_cost_still_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = users.hash_password(PASSWORD, "ada")
    monkeypatch.setitem(users._COST, "n", 2 * users._COST["n"])
    assert users.matches(PASSWORD, stored)
    assert users.hash_password(PASSWORD, "ada").split("$")[1] != stored.split("$")[1]
