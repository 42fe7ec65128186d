"""Sign-ins of browsers and tokens of programs: the store keeps hashes of them, and whose they are."""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from review.audit import note
from review.store.models import Login, Token, User
from schemas.errors import ReviewError

LASTS: Final = timedelta(hours=12)
"""A sign-in ends then, whatever is done with it."""
IDLE: Final = timedelta(hours=2)
"""A sign-in ends when nothing was asked under it for so long."""
SEEN_EVERY: Final = timedelta(minutes=1)
"""It is noted that often at most that somebody is there: no write for each request."""
PREFIX: Final = "tm_"
"""Of tokens, so that a leaked one is recognised."""


class Caller(NamedTuple):
    """Who asks, and under what."""

    user: User
    under: Login | Token

    @property
    def seen_at(self) -> datetime | None:
        """When something was asked under it before."""
        return self.under.seen_at if isinstance(self.under, Login) else self.under.last_used_at


def sign_in(session: Session, user: User) -> str:
    """A new sign-in; returns the cookie's value, of which the store keeps only a hash."""
    value, now = secrets.token_urlsafe(32), datetime.now(UTC)
    session.execute(delete(Login).where(Login.expires_at < now))
    session.add(
        Login(
            token_hash=hashed(value),
            user_id=user.id,
            csrf=secrets.token_urlsafe(32),
            created_at=now,
            expires_at=now + LASTS,
            seen_at=now,
        )
    )
    return value


def sign_out(session: Session, value: str) -> None:
    """End a sign-in."""
    session.execute(delete(Login).where(Login.token_hash == hashed(value)))


def end_all(session: Session, user: User, *, tokens: bool) -> None:
    """End all sign-ins of a user, and their tokens if it is said so."""
    session.execute(delete(Login).where(Login.user_id == user.id))
    if tokens:
        live = update(Token).where(Token.user_id == user.id, Token.revoked_at.is_(None))
        session.execute(live.values(revoked_at=datetime.now(UTC)))


def make_token(session: Session, actor: str, user: User, name: str) -> str:
    """A new token with its user's role; what it returns is shown once, the store keeps only a hash."""
    value = PREFIX + secrets.token_urlsafe(32)
    session.add(Token(user_id=user.id, name=name, token_hash=hashed(value), created_at=datetime.now(UTC)))
    note(session, actor, "token made", user.name, token=name)
    return value


def revoke(session: Session, actor: str, token_id: int) -> None:
    """End a token.

    Raises:
        ReviewError: there is none, or it was ended before.
    """
    token = session.get(Token, token_id)
    if token is None or token.revoked_at is not None:
        raise ReviewError(f"token {token_id}: there is none that is still good")
    token.revoked_at = datetime.now(UTC)
    note(session, actor, "token revoked", session.get_one(User, token.user_id).name, token=token.name)


def of_cookie(session: Session, value: str) -> Caller | None:
    """Whose sign-in it is, if it still is one. One query."""
    now = datetime.now(UTC)
    good = (Login.token_hash == hashed(value), Login.expires_at > now, Login.seen_at > now - IDLE, User.active)
    row = session.execute(select(User, Login).join(Login, Login.user_id == User.id).where(*good)).first()
    return Caller(row[0], row[1]) if row else None


def of_token(session: Session, value: str) -> Caller | None:
    """Whose token it is, if it still is one. One query."""
    good = (Token.token_hash == hashed(value), Token.revoked_at.is_(None), User.active)
    row = session.execute(select(User, Token).join(Token, Token.user_id == User.id).where(*good)).first()
    return Caller(row[0], row[1]) if row else None


def is_stale(caller: Caller) -> bool:
    """Whether it is time to note that somebody is there."""
    return caller.seen_at is None or datetime.now(UTC) - caller.seen_at > SEEN_EVERY


def seen(session: Session, caller: Caller) -> None:
    """Note that somebody is there."""
    now, under = datetime.now(UTC), caller.under
    if isinstance(under, Login):
        session.execute(update(Login).where(Login.token_hash == under.token_hash).values(seen_at=now))
    else:
        session.execute(update(Token).where(Token.id == under.id).values(last_used_at=now))


def hashed(value: str) -> str:
    """What the store keeps of a cookie or token, which is random enough to need no salt."""
    return hashlib.sha256(value.encode(errors="replace")).hexdigest()
