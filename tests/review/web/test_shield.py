"""What stands around all routes, over the real app."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError

from review.store.database import Database
from review.store.models import Role, User
from review.web import shield
from review.web.access import Store
from review.web.app import create_app

SignedIn = Callable[..., TestClient]
ORIGIN = "http://review.test"


@pytest.fixture
def app(database: Database) -> FastAPI:
    return create_app(database)


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app, base_url=ORIGIN, headers={"Origin": ORIGIN})


def tried(client: TestClient, **headers: str) -> int:
    return client.post("/api/login", json={"name": "x", "password": "y"}, headers=headers).status_code


@pytest.mark.parametrize("path", ["/login", "/api/nothing", "/nothing", "/static/login.js", "/static/nothing"])
def test_every_answer_has_the_headers(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert shield.HEADERS.items() <= dict(answer.headers.items()).items() or all(
        answer.headers[name] == value for name, value in shield.HEADERS.items()
    )
    assert ("Cache-Control" in answer.headers) == (not path.startswith("/static/"))


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.test",
        "https://review.test",
        "http://review.test:81",
        "http://review.test.evil.test",
        "null",
        "http://[",
    ],
)
def test_a_change_from_elsewhere_is_refused(client: TestClient, origin: str) -> None:
    assert tried(client, Origin=origin) == 403
    del client.headers["Origin"]
    assert tried(client, Referer=f"{origin}/page") == 403


def test_a_change_from_nowhere_is_refused(client: TestClient) -> None:
    del client.headers["Origin"]
    assert tried(client) == 403


def test_a_referer_stands_in_for_an_origin(client: TestClient) -> None:
    del client.headers["Origin"]
    assert tried(client, Referer=f"{ORIGIN}/login?next=/") == 400


def test_a_browser_that_says_cross_site_is_refused(client: TestClient) -> None:
    assert tried(client, **{"Sec-Fetch-Site": "cross-site"}) == 403
    assert tried(client, **{"Sec-Fetch-Site": "same-origin"}) == 400


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"])
def test_a_body_is_json_by_its_type(client: TestClient, kind: str) -> None:
    answer = client.post("/api/login", content=b'{"name": "x", "password": "y"}', headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["error"]) == (415, "not JSON")


def test_a_form_without_a_body_is_refused_too(client: TestClient) -> None:
    answer = client.post("/api/logout", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 415


def test_a_body_is_of_a_sane_size(client: TestClient) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(30):
            yield b" " * 100_000

    json = {"Content-Type": "application/json"}
    assert client.post("/api/login", content=b" " * (shield.LARGEST + 1), headers=json).status_code == 413
    assert client.post("/api/login", content=chunks(), headers=json).status_code == 413
    lying = {**json, "Content-Length": "9" * 5000}
    assert client.post("/api/login", content=b"{}", headers=lying).status_code == 413


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/..%5capp.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/....//app.py",
        "/static/" + "a" * 5000,
        "/static/login.js/x",
        "/static/",
    ],
)
def test_static_files_are_those_of_the_folder_alone(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in {404, 405}
    assert "FastAPI" not in answer.text
    assert "root:" not in answer.text


@pytest.mark.parametrize("path", ["/static/%00", "/login%00", "/login?next=%00", "/api/%00"])
def test_an_address_has_no_nul(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 400


def test_an_address_of_broken_text_is_none(client: TestClient) -> None:
    assert client.get("/%ff%fe").status_code == 404
    assert client.get("/login?next=%ff%ed%a0%80").status_code == 200


@pytest.mark.parametrize(
    "path", ["/admin%0d%0aSet-Cookie:%20a=b", "/admin/batches/%0d%0aX-Evil:%20yes", "/admin?a=%0d%0ab"]
)
def test_no_header_is_put_in_by_an_address(client: TestClient, path: str) -> None:
    answer = client.get(path, follow_redirects=False)
    assert answer.status_code in {303, 404}
    assert "X-Evil" not in answer.headers
    assert "Set-Cookie" not in answer.headers


def test_after_signing_in_one_goes_on_where_one_wanted(client: TestClient) -> None:
    answer = client.get("/admin/audit?actor=ada&action=x", follow_redirects=False)
    assert answer.headers["Location"] == "/login?next=/admin/audit%3Factor%3Dada%26action%3Dx"


def test_what_breaks_is_a_plain_500_with_a_number_that_the_log_has(
    app: FastAPI, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/breaks")
    @app.get("/api/breaks")
    def breaks() -> None:
        raise RuntimeError("the password is hunter2")

    with caplog.at_level(logging.ERROR):
        call, page = client.get("/api/breaks"), client.get("/breaks")
    assert (call.status_code, call.json()["error"]) == (500, "broken")
    assert (page.status_code, page.headers["Content-Type"]) == (500, "text/html; charset=utf-8")
    assert call.headers["Content-Security-Policy"] == shield.CSP
    number = call.json()["message"].rpartition(" ")[2]
    assert number in caplog.text
    assert "breaks" in caplog.text
    for told in (caplog.text, call.text, page.text):
        assert "hunter2" not in told
    assert "Traceback" not in call.text + page.text


def test_a_store_that_is_away_is_a_503(app: FastAPI, client: TestClient) -> None:
    @app.get("/api/busy")
    def busy() -> None:
        raise OperationalError("SELECT 1", {"secret": "hunter2"}, Exception("database is locked"))

    answer = client.get("/api/busy")
    assert (answer.status_code, answer.json()["error"], answer.headers["Retry-After"]) == (503, "busy", "5")
    assert "hunter2" not in answer.text


def test_a_page_that_fails_has_the_usual_head(signed_in: SignedIn) -> None:
    client = signed_in("ada", Role.ADMIN)
    for path, status in (("/nothing", 404), ("/admin/batches/none", 400), ("/admin/audit?before=x", 422)):
        answer = client.get(path)
        assert answer.status_code == status
        assert "<nav" in answer.text
        assert 'role="alert"' in answer.text


def test_messages_are_shown_as_text(signed_in: SignedIn) -> None:
    answer = signed_in("ada", Role.ADMIN).get("/admin/batches/<img src=x onerror=alert(1)>")
    assert "<img" not in answer.text
    assert "&lt;img" in answer.text


def test_a_page_for_admins_is_none_for_others(signed_in: SignedIn) -> None:
    answer = signed_in("ada").get("/admin")
    assert answer.status_code == 403
    assert "only for admin" in answer.text
    assert "<nav" in answer.text


def test_a_number_that_no_store_holds_is_refused(app: FastAPI, client: TestClient) -> None:
    @app.get("/api/large/{number}")
    def large(number: int, store: Store) -> None:
        with store.reading() as session:
            session.get(User, number)

    assert client.get(f"/api/large/{10**30}").status_code == 400


def test_two_who_do_the_same_at_once_get_a_conflict_at_worst(signed_in_either: SignedIn) -> None:
    client = signed_in_either("ada", Role.ADMIN)

    def add(_: int) -> int:
        return client.post("/api/admin/users", json={"name": "bob"}).status_code

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(add, range(4)))
    assert statuses[0] == 200
    assert set(statuses[1:]) <= {400, 409}
