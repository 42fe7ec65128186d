"""Every route there is, walked: who may, from where, and that nothing sent to it breaks it."""

import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from pydantic import BaseModel
from starlette.routing import BaseRoute, Mount

from review import audit
from review.store.database import Database
from review.store.models import Role
from review.web import pages
from review.web.access import SAFE
from review.web.app import create_app
from review.web.shield import UPLOADS

SignedIn = Callable[..., TestClient]
PUBLIC = {("GET", "/login"), ("POST", "/api/login")}
ORIGIN = "http://review.test"


def walked(routes: list[BaseRoute]) -> Iterator[APIRoute]:
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        elif inner := getattr(route, "original_router", None):
            yield from walked(inner.routes)
        else:
            assert isinstance(route, Mount)
            assert route.path == "/static"


def calls(app: FastAPI) -> list[tuple[str, str, APIRoute]]:
    """Method, an address, and the route."""
    every = [(method, route) for route in walked(app.routes) for method in sorted(route.methods or ())]
    return [(method, route.path.replace("{", "").replace("}", ""), route) for method, route in every]


def least(route: APIRoute) -> Role | None:
    """The role that a route asks for, as it says itself."""
    left = [*route.dependant.dependencies]
    while left:
        each = left.pop()
        left += each.dependencies
        role = inspect.getclosurevars(each.call).nonlocals.get("least") if inspect.isfunction(each.call) else None
        if isinstance(role, Role):
            return role
    return None


@pytest.fixture
def app(database: Database) -> FastAPI:
    return create_app(database)


def sent(client: TestClient, method: str, path: str, **given: Any) -> int:
    headers = given.pop("headers", {})
    if method not in SAFE:
        headers = {**kind(path), **headers}
        given.setdefault("content", b"{}")
    return client.request(method, path, follow_redirects=False, headers=headers, **given).status_code


def kind(path: str) -> dict[str, str]:
    return {"Content-Type": "application/x-ndjson" if path in UPLOADS else "application/json"}


def test_the_walk_sees_every_page(app: FastAPI) -> None:
    paths = {path for _, path, _ in calls(app)}
    for module in pkgutil.iter_modules(pages.__path__):
        router = importlib.import_module(f"{pages.__name__}.{module.name}").router
        assert {route.path.replace("{", "").replace("}", "") for route in router.routes} <= paths


def test_only_signing_in_is_open_to_all(app: FastAPI) -> None:
    client = TestClient(app, base_url=ORIGIN, headers={"Origin": ORIGIN})
    for method, path, route in calls(app):
        if (method, path) in PUBLIC:
            assert least(route) is None
            continue
        assert sent(client, method, path) == (401 if path.startswith("/api/") else 303), (method, path)


def test_administration_is_for_admins(app: FastAPI) -> None:
    for method, path, route in calls(app):
        wanted = least(route)
        if (method, path) not in PUBLIC:
            assert wanted is not None, (method, path)
            assert wanted is Role.ADMIN or "/admin" not in path, (method, path)
            assert wanted.rank >= 1 or not path.startswith(("/adjudicat", "/api/adjudicat")), (method, path)


def test_each_route_refuses_lower_roles(app: FastAPI, signed_in: SignedIn) -> None:
    clients = {role: signed_in(role.value, role) for role in (Role.REVIEWER, Role.ADJUDICATOR)}
    for method, path, route in calls(app):
        for role, client in clients.items():
            if (wanted := least(route)) and role.rank < wanted.rank:
                assert sent(client, method, path) == 403, (method, path, role)


def test_each_change_wants_the_token_the_origin_and_json(app: FastAPI, signed_in: SignedIn) -> None:
    client, other = signed_in("ada", Role.ADMIN), signed_in("bob", Role.ADMIN)
    own = client.headers.pop("X-CSRF-Token")
    for method, path, _ in calls(app):
        if method in SAFE:
            continue
        good = {"X-CSRF-Token": own}
        if (method, path) not in PUBLIC:
            assert sent(client, method, path) == 403, path
            stolen = {"X-CSRF-Token": other.headers["X-CSRF-Token"]}
            assert sent(client, method, path, headers=stolen) == 403, path
        assert sent(client, method, path, headers={**good, "Origin": "http://evil.test"}) == 403, path
        assert sent(client, method, path, headers={**good, "Sec-Fetch-Site": "cross-site"}) == 403, path
        plain = {**good, "Content-Type": "text/plain"}
        assert sent(client, method, path, content=b"{}", headers=plain) in {413, 415}, path
    assert client.get("/admin").status_code == 200


HOSTILE = [
    "'; DROP TABLE users; --",
    '" OR 1=1 --',
    "../../../etc/passwd",
    "<script>alert(1)</script>",
    "a\r\nSet-Cookie: x=y",
    "x" * 300,
    "\u202e\ufeff\U0010ffff",
    "{{ 7 * 7 }}",
    "%s%n${7*7}",
    "",
    "nul \x00",
    -1,
    2**31,
    2**53,
    10**30,
    1e300,
    True,
    None,
    [],
    {},
    [["x"] * 50] * 3,
    {"x": {"__proto__": 1}},
]
ALONE = [HOSTILE[0], "x" * 300, -1, 2**31, 2**53, None]
"""Sent in each field while the others are well."""
RAW = [
    b"",
    b"null",
    b"[]",
    b"{",
    b'"\\ud800"',
    b'{"a": NaN}',
    b"\xff\xfe",
    b"[" * 200_000,
    b"1" * 10_000,
    b'{"name": "\\u0000", "text": "\\udfff"}',
]


def fields(route: APIRoute) -> list[str]:
    for given in route.dependant.body_params:
        model = given.field_info.annotation
        if inspect.isclass(model) and issubclass(model, BaseModel):
            return list(model.model_fields)
    return []


def bodies(route: APIRoute) -> Iterator[bytes]:
    yield from RAW
    names = fields(route)
    for hostile in HOSTILE if names else []:
        yield json.dumps(dict.fromkeys(names, hostile)).encode()
        plain = dict.fromkeys(names, "1")
        for name in names if len(names) > 1 and hostile in ALONE else []:
            yield json.dumps({**plain, name: hostile}).encode()


def test_nothing_that_is_sent_breaks_a_route(
    signed_in_either: SignedIn, either: Database, caplog: pytest.LogCaptureFixture
) -> None:
    client = signed_in_either("ada", Role.ADMIN)
    for method, path, route in calls(create_app(either)):
        # The first never ends where it works; the second ends the sign-in.
        if "event" in path or path == "/api/logout":
            continue
        for body in [b""] if method in SAFE else bodies(route):
            query = "?name=x" if path in UPLOADS else ""
            answer = client.request(method, path + query, content=body, headers=kind(path))
            assert answer.status_code < 500, (method, path, body[:200], caplog.text)


def test_no_address_breaks_a_route(
    signed_in_either: SignedIn, either: Database, caplog: pytest.LogCaptureFixture
) -> None:
    client = signed_in_either("ada", Role.ADMIN)
    texts = [one for one in HOSTILE if isinstance(one, str | int) and one != ""]
    for method, _, route in calls(create_app(either)):
        if "event" in route.path or route.path == "/api/logout":
            continue
        names = ["any", *(each.alias for each in route.dependant.query_params)]
        names += [name for each in route.dependant.query_params for name in _inner(each.field_info.annotation)]
        for text in texts:
            quoted = "".join(f"%{byte:02x}" for byte in str(text).encode())
            path = re.sub(r"\{[^}]*\}", quoted, route.path) + "?" + "&".join(f"{name}={quoted}" for name in names)
            body = b"" if method in SAFE else b"{}"
            answer = client.request(method, path, follow_redirects=False, content=body, headers=kind(route.path))
            assert answer.status_code < 500, (method, path, caplog.text)
            assert "x=y" not in answer.headers.get("Set-Cookie", "")
    with either.reading() as session:
        assert audit.broken(session) is None
        assert audit.newest(session, 1, actor="ada")


def _inner(model: Any) -> list[str]:
    return list(model.model_fields) if inspect.isclass(model) and issubclass(model, BaseModel) else []
