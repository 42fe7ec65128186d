"""Users and their passwords."""

import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from review.audit import note
from review.store.models import Role, User
from schemas.errors import ReviewError

SHORTEST: Final = 10
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,99}")
_COST: Final = {"n": 2**14, "r": 8, "p": 5}
"""OWASP's scrypt setting for 16 MiB (Password Storage Cheat Sheet)."""


def add(session: Session, actor: str, name: str, password: str | None, role: Role) -> User:
    """A new user; without a password one that cannot sign in.

    Raises:
        ReviewError: the name is taken or none, or the password too short.
    """
    name = name.strip().lower()
    if not _NAME.fullmatch(name):
        raise ReviewError(f"user {name!r}: a name has letters, digits and . _ @ + - only, 100 at most")
    if session.scalar(select(User.id).where(User.name == name)):
        raise ReviewError(f"user {name}: there is one of this name already")
    user = User(
        name=name,
        pseudonym=f"r-{secrets.token_hex(4)}",
        password_hash=None if password is None else hash_password(password),
        role=role,
        active=True,
        keys={},
        created_at=datetime.now(UTC),
    )
    session.add(user)
    session.flush()
    note(session, actor, "user added", name, role=str(role))
    return user


def hash_password(password: str) -> str:
    """`scrypt$salt$hash`, hexadecimal.

    Raises:
        ReviewError: it is too short.
    """
    if len(password) < SHORTEST:
        raise ReviewError(f"a password has at least {SHORTEST} characters")
    salt = secrets.token_bytes(16)
    return f"scrypt${salt.hex()}${_scrypt(password, salt).hex()}"


def matches(password: str, stored: str | None) -> bool:
    """Whether it is the password; takes as long where there is none."""
    _, salt, digest = (stored or "scrypt$00$00").split("$")
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)), bytes.fromhex(digest))


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=_COST["n"], r=_COST["r"], p=_COST["p"], maxmem=2**26)
