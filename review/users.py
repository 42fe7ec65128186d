"""Users and their passwords."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from review.audit import note
from review.signins import end_all
from review.store.models import Role, User
from schemas.errors import ReviewError

SHORTEST: Final = 10
LONGEST: Final = 200
"""Characters of a password."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,99}")
_COST: Final = {"n": 2**14, "r": 8, "p": 5}
"""OWASP's scrypt setting for 16 MiB (Password Storage Cheat Sheet)."""


def add(session: Session, actor: str, name: str, password: str | None, role: Role) -> User:
    """A new user; without a password one that cannot sign in.

    Raises:
        ReviewError: the name is taken or none, or the password breaks the rules.
    """
    name = name.strip().lower()
    if not _NAME.fullmatch(name):
        raise ReviewError(f"user {name!r}: a name has letters, digits and . _ @ + - only, 100 at most")
    if session.scalar(select(User.id).where(User.name == name)):
        raise ReviewError(f"user {name}: there is one of this name already")
    user = User(
        name=name,
        pseudonym=f"r-{secrets.token_hex(4)}",
        password_hash=None if password is None else hash_password(password, name),
        role=role,
        active=True,
        keys={},
        created_at=datetime.now(UTC),
    )
    session.add(user)
    session.flush()
    note(session, actor, "user added", name, role=str(role))
    return user


def find(session: Session, name: str) -> User:
    """The user of this name.

    Raises:
        ReviewError: there is none.
    """
    user = session.scalar(select(User).where(User.name == name.strip().lower()))
    if user is None:
        raise ReviewError(f"user {name!r}: there is none of this name")
    return user


def set_password(session: Session, actor: str, name: str, password: str) -> None:
    """A new password; whoever is signed in by the old one, or uses a token made under it, is out.

    Raises:
        ReviewError: there is no such user, or the password breaks the rules.
    """
    user = find(session, name)
    user.password_hash = hash_password(password, user.name)
    end_all(session, user, tokens=True)
    note(session, actor, "password set", user.name)


def set_role(session: Session, actor: str, name: str, role: Role) -> None:
    """Another role, from the next sign-in on; tokens have it at once.

    Raises:
        ReviewError: there is no such user, or nobody would be left to administrate.
    """
    user = find(session, name)
    if role is not Role.ADMIN:
        _leave_an_admin(session, user)
    was, user.role = user.role, role
    end_all(session, user, tokens=False)
    note(session, actor, "role set", user.name, role=str(role), was=str(was))


def switch(session: Session, actor: str, name: str, *, on: bool) -> None:
    """Let a user in again, or no longer: what they did stays.

    Raises:
        ReviewError: there is no such user, or nobody would be left to administrate.
    """
    user = find(session, name)
    if not on:
        _leave_an_admin(session, user)
    user.active = on
    end_all(session, user, tokens=False)
    note(session, actor, f"user switched {'on' if on else 'off'}", user.name)


def sign_out_everywhere(session: Session, actor: str, name: str) -> None:
    """End all sign-ins of a user, and all their tokens.

    Raises:
        ReviewError: there is no such user.
    """
    user = find(session, name)
    end_all(session, user, tokens=True)
    note(session, actor, "signed out everywhere", user.name)


def generated() -> str:
    """A password that nobody has to think of: 120 random bits, shown once."""
    return "-".join(secrets.token_hex(3) for _ in range(5))


def hash_password(password: str, name: str) -> str:
    """`scrypt$n$r$p$salt$hash`, the last two hexadecimal: a later cost leaves older passwords good.

    Raises:
        ReviewError: it is too short, too long, the user's name, or no text.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise ReviewError(f"a password has {SHORTEST} to {LONGEST} characters")
    if password.strip().lower() == name:
        raise ReviewError("a password is not the user's name")
    salt = secrets.token_bytes(16)
    try:
        return "$".join(["scrypt", *map(str, _COST.values()), salt.hex(), _scrypt(password, salt, _COST).hex()])
    except UnicodeEncodeError as exc:
        raise ReviewError("a password is text: there are broken characters in it") from exc


def matches(password: str, stored: str | None) -> bool:
    """Whether it is the password; takes as long where there is none."""
    if stored is None:
        _scrypt(password, b"", _COST)
        return False
    _, *cost, salt, digest = stored.split("$")
    made = _scrypt(password, bytes.fromhex(salt), dict(zip(_COST, map(int, cost), strict=True)))
    return hmac.compare_digest(made, bytes.fromhex(digest))


def _leave_an_admin(session: Session, user: User) -> None:
    admins = select(User).where(User.role == Role.ADMIN, User.active, User.password_hash.is_not(None))
    # Locked on PostgreSQL: two admins who put each other out at once would both find one left.
    left = {one.id for one in session.scalars(admins.order_by(User.id).with_for_update())}
    if left == {user.id}:
        raise ReviewError(f"user {user.name}: is the last admin; make another one first")


def _scrypt(password: str, salt: bytes, cost: Mapping[str, int]) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=cost["n"], r=cost["r"], p=cost["p"], maxmem=2**26)
