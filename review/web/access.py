"""Who is asking, and what they may: sign-ins in the store, roles on every route, no change without the CSRF token."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, NamedTuple

from fastapi import Depends, HTTPException, Request
from sqlalchemy import select
from sqlalchemy.orm import Session

from review.store.database import Database
from review.store.models import Login, Role, User

COOKIE: Final = "tracemill_review"
CSRF_HEADER: Final = "X-CSRF-Token"
LASTS: Final = timedelta(hours=12)
_SAFE: Final = {"GET", "HEAD", "OPTIONS"}


class Viewer(NamedTuple):
    """Who is signed in."""

    id: int
    name: str
    pseudonym: str
    role: Role
    csrf: str


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
        with store.reading() as session:
            found = _of_cookie(session, request.cookies.get(COOKIE, ""))
        if found is None:
            raise SignInNeededError
        if found.role.rank < least.rank:
            raise HTTPException(403, f"only for {least} and above")
        if request.method not in _SAFE and not hmac.compare_digest(request.headers.get(CSRF_HEADER, ""), found.csrf):
            raise HTTPException(403, "the CSRF token is missing or not this sign-in's: load the page again")
        return found

    return signed_in


Reviewer = Annotated[Viewer, Depends(viewer(Role.REVIEWER))]
Adjudicator = Annotated[Viewer, Depends(viewer(Role.ADJUDICATOR))]
Admin = Annotated[Viewer, Depends(viewer(Role.ADMIN))]


def sign_in(session: Session, user: User) -> str:
    """A new sign-in; returns the cookie's value, of which the store keeps only a hash."""
    token = secrets.token_urlsafe(32)
    now = datetime.now(UTC)
    session.add(
        Login(
            token_hash=hashed(token),
            user_id=user.id,
            csrf=secrets.token_urlsafe(32),
            created_at=now,
            expires_at=now + LASTS,
        )
    )
    return token


def sign_out(session: Session, token: str) -> None:
    """End a sign-in."""
    found = session.get(Login, hashed(token))
    if found is not None:
        session.delete(found)


def hashed(token: str) -> str:
    """What the store keeps of a token, which is random enough to need no salt."""
    return hashlib.sha256(token.encode()).hexdigest()


def _of_cookie(session: Session, token: str) -> Viewer | None:
    row = session.execute(
        select(User, Login.csrf)
        .join(Login, Login.user_id == User.id)
        .where(Login.token_hash == hashed(token), Login.expires_at > datetime.now(UTC), User.active)
    ).first()
    return row and Viewer(row[0].id, row[0].name, row[0].pseudonym, Role(row[0].role), row[1])
