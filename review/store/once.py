"""Rows whose id says all that they are: whoever comes second changes nothing."""

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from review.store.models import Base


def add_once(session: Session, table: type[Base], /, **values: Any) -> bool:
    """Insert a row unless one with its key is there; whether it was."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    added = session.execute(insert(table).values(**values).on_conflict_do_nothing().returning(table))
    return added.first() is not None
