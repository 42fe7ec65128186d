"""Who did what, in rows that are chained by their hashes: none can be changed or left out unseen."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from review.store.models import Audit

_FIRST: Final = "0" * 64
_LOCK: Final = 7_204_517
"""Any number: PostgreSQL's advisory lock that lets one writer at a time append."""


class Head(NamedTuple):
    """The newest row. Kept elsewhere, it shows later that rows at the end are gone, which the chain alone does not."""

    id: int
    hash: str


def note(session: Session, actor: str, action: str, subject: str, **details: Any) -> None:
    """Append a row, in the transaction that does what it tells of.

    Do it last: until the transaction ends, all others wait to append theirs.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    previous = session.scalar(select(Audit.hash).order_by(Audit.id.desc()).limit(1)) or _FIRST
    at = datetime.now(UTC)
    details = json.loads(json.dumps(details))  # as the store will give them back
    digest = _hash(previous, at, actor, action, subject, details)
    session.add(
        Audit(at=at, actor=actor, action=action, subject=subject, details=details, previous=previous, hash=digest)
    )
    session.flush()


def broken(session: Session) -> int | None:
    """The id of the first row that does not fit the one before it; None where the chain is whole."""
    previous = _FIRST
    for row in session.scalars(select(Audit).order_by(Audit.id).execution_options(yield_per=1000)):
        if row.previous != previous or row.hash != _hash(
            previous, row.at, row.actor, row.action, row.subject, row.details
        ):
            return row.id
        previous = row.hash
    return None


def head(session: Session) -> Head | None:
    """The newest row's id and hash; None where nothing was done yet."""
    row = session.execute(select(Audit.id, Audit.hash).order_by(Audit.id.desc()).limit(1)).first()
    return Head(row.id, row.hash) if row else None


def holds(session: Session, kept: Head) -> bool:
    """Whether a head that was kept elsewhere is still a row of the audit."""
    row = session.get(Audit, kept.id)
    return row is not None and row.hash == kept.hash


def newest(session: Session, limit: int, before: int | None = None, **of: str) -> list[Audit]:
    """The newest rows first, at most `limit`; those before an id, and of an `actor`, `action` or `subject`."""
    chosen = select(Audit).order_by(Audit.id.desc()).limit(limit)
    if before is not None:
        chosen = chosen.where(Audit.id < before)
    return list(session.scalars(chosen.filter_by(**{name: value for name, value in of.items() if value})))


def _hash(previous: str, at: datetime, actor: str, action: str, subject: str, details: dict[str, Any]) -> str:
    told = json.dumps([previous, at.isoformat(), actor, action, subject, details], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()
