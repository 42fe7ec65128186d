"""Signing in and out."""

from collections.abc import Callable

from fastapi.testclient import TestClient

from review.store.models import Role

SignedIn = Callable[..., TestClient]


def test_a_wrong_password_is_refused_in_one_sentence(signed_in: SignedIn) -> None:
    client = signed_in("ada")
    answer = client.post("/api/login", json={"name": "ada", "password": "wrong password"})
    assert (answer.status_code, answer.json()["message"]) == (400, "name or password is wrong")


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
