"""Who did what, in rows that are chained by their hashes: none can be changed or left out unseen."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from review.store.models import Audit

_FIRST: Final = "0" * 64
_LOCK: Final = 7_204_517
"""Any number: PostgreSQL's advisory lock that lets one writer at a time append."""


def note(session: Session, actor: str, action: str, subject: str, **details: Any) -> None:
    """Append a row, in the transaction that does what it tells of."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    previous = session.scalar(select(Audit.hash).order_by(Audit.id.desc()).limit(1)) or _FIRST
    at = datetime.now(UTC)
    digest = _hash(previous, at, actor, action, subject, details)
    session.add(
        Audit(at=at, actor=actor, action=action, subject=subject, details=details, previous=previous, hash=digest)
    )
    session.flush()


def broken(session: Session) -> int | None:
    """The id of the first row that does not fit the one before it; None where the chain is whole."""
    previous = _FIRST
    for row in session.scalars(select(Audit).order_by(Audit.id)):
        if row.previous != previous or row.hash != _hash(
            previous, row.at, row.actor, row.action, row.subject, row.details
        ):
            return row.id
        previous = row.hash
    return None


def _hash(previous: str, at: datetime, actor: str, action: str, subject: str, details: dict[str, Any]) -> str:
    told = json.dumps([previous, at.isoformat(), actor, action, subject, details], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()
