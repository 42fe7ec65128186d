"""Who is asking, and what they may: sign-ins and tokens in the store, roles on every route, the CSRF token."""

import hmac
from collections.abc import Callable
from typing import Annotated, Final, NamedTuple

from fastapi import Depends, HTTPException, Request
from starlette.requests import HTTPConnection

from review import signins
from review.signins import Caller
from review.store.database import Database
from review.store.models import Login, Role

COOKIE: Final = "tracemill_review"
CSRF_HEADER: Final = "X-CSRF-Token"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""


class Viewer(NamedTuple):
    """Who is signed in."""

    id: int
    name: str
    pseudonym: str
    role: Role
    csrf: str
    """Empty under a token, which needs none."""


class SignInNeededError(Exception):
    """Nobody is signed in: pages lead to the login page, calls get 401."""


def database(request: Request) -> Database:
    """The app's store."""
    store: Database = request.app.state.database
    return store


Store = Annotated[Database, Depends(database)]


def viewer(least: Role) -> Callable[[Request, Database], Viewer]:
    """A dependency: the user who is signed in, if they may do what `least` may.

    Raises:
        SignInNeededError: nobody is.
        HTTPException: 403: the role does not allow it, or a change came without the sign-in's CSRF token.
    """

    def signed_in(request: Request, store: Store) -> Viewer:
        caller = _caller(request, store)
        if caller is None:
            raise SignInNeededError
        found = request.state.viewer = _viewer(caller)
        if found.role.rank < least.rank:
            raise HTTPException(403, f"only for {least} and above")
        if request.method not in SAFE and isinstance(caller.under, Login) and not _same(request, found.csrf):
            raise HTTPException(403, "the CSRF token is missing or not this sign-in's: load the page again")
        return found

    return signed_in


Reviewer = Annotated[Viewer, Depends(viewer(Role.REVIEWER))]
Adjudicator = Annotated[Viewer, Depends(viewer(Role.ADJUDICATOR))]
Admin = Annotated[Viewer, Depends(viewer(Role.ADMIN))]


def shown_to(request: Request) -> Viewer | None:
    """Who looks at a page that anyone gets, such as that of an error."""
    found: Viewer | None = getattr(request.state, "viewer", None)
    if found is None and (caller := _caller(request, database(request))):
        found = _viewer(caller)
    return found


def cookie(connection: HTTPConnection) -> str:
    """The cookie's name; under https one that browsers take from this very host alone (RFC 6265bis, `__Host-`)."""
    return f"__Host-{COOKIE}" if connection.url.scheme == "https" else COOKIE


def bearer(connection: HTTPConnection) -> str | None:
    """The token of an `Authorization: Bearer …` header, which no page of another origin can make a browser send."""
    kind, _, value = connection.headers.get("Authorization", "").partition(" ")
    return value.strip() if kind.lower() == "bearer" else None


def _caller(request: Request, store: Database) -> Caller | None:
    token = bearer(request)
    with store.reading() as session:
        if token is not None:
            caller = signins.of_token(session, token)
        else:
            caller = signins.of_cookie(session, request.cookies.get(cookie(request), ""))
    if caller and signins.is_stale(caller):
        with store.writing() as session:
            signins.seen(session, caller)
    return caller


def _viewer(caller: Caller) -> Viewer:
    user, under = caller
    csrf = under.csrf if isinstance(under, Login) else ""
    return Viewer(user.id, user.name, user.pseudonym, Role(user.role), csrf)


def _same(request: Request, csrf: str) -> bool:
    return hmac.compare_digest(request.headers.get(CSRF_HEADER, "").encode(), csrf.encode())
