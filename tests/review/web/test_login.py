"""Signing in and out over the real app."""

from collections.abc import Callable, Mapping
from http.cookies import SimpleCookie

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from review import signins, users
from review.audit import newest
from review.store.database import Database
from review.store.models import Attempt, Login, Role, User
from review.web.app import create_app

SignedIn = Callable[..., TestClient]
PASSWORD = "correct horse battery"


def browser(store: Database, scheme: str = "http") -> TestClient:
    origin = f"{scheme}://review.test"
    return TestClient(create_app(store), base_url=origin, headers={"Origin": origin})


def tried(client: TestClient, password: str, name: str = "ada") -> tuple[int, str]:
    answer = client.post("/api/login", json={"name": name, "password": password})
    return answer.status_code, answer.json().get("message", "")


def test_a_wrong_password_is_refused_in_one_sentence(signed_in: SignedIn) -> None:
    assert tried(signed_in("ada"), "wrong password") == (400, "name or password is wrong")


def test_after_signing_out_the_cookie_is_worth_nothing(signed_in: SignedIn) -> None:
    client = signed_in("ada", Role.ADMIN)
    cookie = client.cookies["tracemill_review"]
    assert client.post("/api/logout").status_code == 200
    client.cookies.set("tracemill_review", cookie)
    assert client.post("/api/logout").status_code == 401


def test_a_change_without_the_csrf_token_is_refused(signed_in: SignedIn) -> None:
    client = signed_in("ada")
    del client.headers["X-CSRF-Token"]
    assert client.post("/api/logout").status_code == 403


def test_the_csrf_token_of_another_sign_in_is_refused(signed_in: SignedIn) -> None:
    ada, bob = signed_in("ada"), signed_in("bob")
    ada.headers["X-CSRF-Token"] = bob.headers["X-CSRF-Token"]
    assert ada.post("/api/logout").status_code == 403
    assert ada.post("/api/logout", headers=[(b"X-CSRF-Token", b"\xe9")]).status_code == 403


def test_a_cookie_set_beforehand_is_never_adopted(database: Database, signed_in: SignedIn) -> None:
    signed_in("ada")
    victim = browser(database)
    victim.cookies.set("tracemill_review", "chosen-by-the-attacker", domain="review.test")
    assert tried(victim, PASSWORD)[0] == 200
    (cookie,) = [one.value for one in victim.cookies.jar if one.name == "tracemill_review" and one.value]
    assert cookie != "chosen-by-the-attacker"
    attacker = browser(database)
    attacker.cookies.set("tracemill_review", "chosen-by-the-attacker")
    assert attacker.post("/api/logout").status_code == 401


def test_signing_in_again_ends_the_sign_in_before(database: Database, signed_in: SignedIn) -> None:
    client = signed_in("ada")
    before = client.cookies["tracemill_review"]
    assert tried(client, PASSWORD)[0] == 200
    assert client.cookies["tracemill_review"] != before
    old = browser(database)
    old.cookies.set("tracemill_review", before)
    assert old.post("/api/logout").status_code == 401


def test_under_https_the_cookie_is_this_hosts_alone(database: Database, signed_in: SignedIn) -> None:
    signed_in("ada")
    client = browser(database, "https")
    answer = client.post("/api/login", json={"name": "ada", "password": PASSWORD})
    ((name, cookie),) = SimpleCookie(answer.headers["Set-Cookie"]).items()
    assert name == "__Host-tracemill_review"
    assert (cookie["secure"], cookie["httponly"], cookie["path"], cookie["domain"]) == (True, True, "/", "")
    assert cookie["samesite"].lower() == "lax"


@pytest.mark.parametrize("name", ["ada", "nobody"])
def test_guessing_is_slowed_down_for_names_that_exist_and_others_alike(
    database: Database, signed_in: SignedIn, name: str
) -> None:
    signed_in("ada")
    client = browser(database)
    assert [tried(client, f"guess number {number}", name)[0] for number in range(5)] == [400] * 5
    answer = client.post("/api/login", json={"name": name, "password": PASSWORD})
    assert answer.status_code == 429
    assert 28 <= int(answer.headers["Retry-After"]) <= 30
    assert answer.json()["error"] == "too many"


def test_a_brake_on_one_address_spares_others(database: Database, signed_in: SignedIn) -> None:
    signed_in("ada")
    attacker = TestClient(
        create_app(database),
        base_url="http://review.test",
        headers={"Origin": "http://review.test"},
        client=("192.0.2.9", 1),
    )
    assert [tried(attacker, "a bad guess", f"user-{number}")[0] for number in range(21)] == [400] * 20 + [429]
    assert tried(browser(database), PASSWORD)[0] == 200


def test_success_forgets_the_failures_before(database: Database, signed_in: SignedIn) -> None:
    client = signed_in("ada")
    for _ in range(3):
        assert [tried(client, "a bad guess")[0] for _ in range(4)] == [400] * 4
        assert tried(client, PASSWORD)[0] == 200
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Attempt)) == 0


@pytest.mark.parametrize("name", ["ada", "nobody", "off", "without"])
def test_the_password_is_hashed_whoever_it_is(
    database: Database, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The same work and the same answer, so neither tells which names there are."""
    signed_in("ada")
    with database.writing() as session:
        users.add(session, "tests", "off", PASSWORD, Role.REVIEWER)
        users.switch(session, "tests", "off", on=False)
        users.add(session, "tests", "without", None, Role.REVIEWER)
    hashed: list[str] = []
    scrypt = users._scrypt

    def noted(password: str, salt: bytes, cost: Mapping[str, int]) -> bytes:
        hashed.append(password)
        return scrypt(password, salt, cost)

    monkeypatch.setattr(users, "_scrypt", noted)
    assert tried(browser(database), "a bad guess", name) == (400, "name or password is wrong")
    assert hashed == ["a bad guess"]


def test_a_password_changed_while_it_was_looked_at_lets_nobody_in(
    database: Database, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in("ada")
    matches = users.matches

    def changed_meanwhile(password: str, stored: str | None) -> bool:
        monkeypatch.setattr(users, "matches", matches)
        with database.writing() as session:
            users.set_password(session, "tests", "ada", "another password")
        return matches(password, stored)

    monkeypatch.setattr(users, "matches", changed_meanwhile)
    assert tried(browser(database), PASSWORD)[0] == 400


def test_a_token_needs_no_csrf_and_no_origin(database: Database, signed_in: SignedIn) -> None:
    signed_in("ada", Role.ADMIN)
    with database.writing() as session:
        ada = session.scalars(select(User)).one()
        token = signins.make_token(session, "tests", ada, "for a test")
    client = TestClient(create_app(database), base_url="http://review.test")
    made = {"name": "bob", "role": "reviewer", "password": PASSWORD}
    assert client.post("/api/admin/users", json=made).status_code == 403
    bearer = {"Authorization": f"Bearer {token}"}
    assert client.post("/api/admin/users", json=made, headers=bearer).status_code == 200
    assert client.post("/api/admin/users", json=made, headers={"Authorization": "Bearer tm_x"}).status_code == 401


def test_a_bad_token_is_not_made_good_by_a_cookie(signed_in: SignedIn) -> None:
    client = signed_in("ada", Role.ADMIN)
    assert client.get("/admin").status_code == 200
    bearer = {"Authorization": "Bearer tm_x"}
    assert client.get("/admin", headers=bearer, follow_redirects=False).status_code == 303


def test_who_is_switched_off_is_out_at_once(database: Database, signed_in: SignedIn) -> None:
    admin, ada = signed_in("root", Role.ADMIN), signed_in("ada")
    assert admin.post("/api/admin/users/ada/switch", json={"on": False}).status_code == 200
    assert ada.post("/api/logout").status_code == 401
    assert tried(ada, PASSWORD)[0] == 400


def test_looking_writes_nothing_but_that_somebody_was_there(database: Database, signed_in: SignedIn) -> None:
    client = signed_in("ada", Role.ADMIN)
    with database.writing() as session:
        session.scalars(select(Login)).one().seen_at -= signins.SEEN_EVERY * 2
        acts = len(newest(session, 100))
    for path in ("/admin", "/admin/batches", "/admin/audit"):
        assert client.get(path).status_code == 200
    with database.reading() as session:
        assert len(newest(session, 100)) == acts
        login = session.scalars(select(Login)).one()
        assert not signins.is_stale(signins.Caller(session.get_one(User, login.user_id), login))


@pytest.mark.parametrize("field", ["name", "password"])
def test_what_does_not_fit_is_named_and_not_repeated(database: Database, field: str) -> None:
    given = {"name": "ada", "password": PASSWORD, field: "my secret " * 100}
    answer = browser(database).post("/api/login", json=given)
    assert answer.status_code == 422
    assert answer.json()["message"].startswith(f"{field}: ")
    assert "my secret" not in answer.text


def test_users_change_their_own_password_by_the_old_one(database: Database, signed_in: SignedIn) -> None:
    client = signed_in("ada")
    assert "r-" in client.get("/account").text
    wrong = client.post("/api/account/password", json={"old": "a bad guess", "new": "another password"})
    assert (wrong.status_code, wrong.json()["message"]) == (400, "name or password is wrong")
    right = client.post("/api/account/password", json={"old": PASSWORD, "new": "another password"})
    assert right.status_code == 200
    assert client.get("/account", follow_redirects=False).status_code == 303
    assert tried(client, PASSWORD)[0] == 400
    assert tried(client, "another password")[0] == 200


def test_old_passwords_are_guessed_no_faster_from_within(signed_in: SignedIn) -> None:
    client = signed_in("ada")
    guess = {"old": "a bad guess", "new": "another password"}
    assert [client.post("/api/account/password", json=guess).status_code for _ in range(6)] == [400] * 5 + [429]
