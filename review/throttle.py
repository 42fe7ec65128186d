"""Brakes on guessing passwords: a try counts before the password is looked at, so that many at once gain nothing."""

from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Final

from sqlalchemy import ColumnElement, delete, func, select, text
from sqlalchemy.orm import Session

from review.store.models import Attempt

WINDOW: Final = timedelta(minutes=15)
PER_NAME: Final = 5
PER_ADDRESS: Final = 20
"""Failures within the window that are free."""
_FIRST: Final = timedelta(seconds=30)
_LOCK: Final = 7_204_518
"""Any number but the audit's: on PostgreSQL one try at a time is counted."""


def attempt(session: Session, name: str, address: str) -> int:
    """Count a try as failed, until `cleared` says otherwise; or the seconds to wait, and then nothing is counted.

    Names that nobody has are treated alike. Rows older than the window are swept.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    now, place = datetime.now(UTC), network(address)
    session.execute(delete(Attempt).where(Attempt.at < now - WINDOW))
    waits = (
        _wait(session, Attempt.name == name, PER_NAME, now),
        _wait(session, Attempt.address == place, PER_ADDRESS, now),
    )
    if max(waits) <= timedelta(0):
        session.add(Attempt(name=name, address=place, at=now))
    return max(0, ceil(max(waits).total_seconds()))


def cleared(session: Session, name: str) -> None:
    """Forget a name's failures: its password was given."""
    session.execute(delete(Attempt).where(Attempt.name == name))


def pause(failures: int, free: int) -> timedelta:
    """What to wait after so many failures: nothing while they are free, then 30 s, doubled by each up to the window."""
    return timedelta(0) if failures < free else min(WINDOW, _FIRST * 2 ** min(failures - free, 10))


def network(address: str) -> str:
    """Whose address it is: of IPv6 the /64, for who has one has all of it."""
    try:
        known = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(known, IPv6Address):
        return str(known.ipv4_mapped or f"{IPv6Address(int(known) >> 64 << 64)}/64")
    return str(known)


def _wait(session: Session, whose: ColumnElement[bool], free: int, now: datetime) -> timedelta:
    failures, last = session.execute(select(func.count(), func.max(Attempt.at)).where(whose)).one()
    # A clock that was put back must not lock anybody out for days.
    return min(last + pause(failures, free) - now, WINDOW) if failures >= free else timedelta(0)
