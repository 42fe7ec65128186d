"""Where the reviewers' store is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from review.store.database import DEFAULT_URL, Database

STORE: Final = "TRACEMILL_REVIEW_DB"
"""The environment variable with its address: one with a password in it is no parameter of a flow."""


@contextmanager
def store() -> Iterator[Database]:
    """The reviewers' store, brought to this version's form.

    Raises:
        StoreError: it cannot be opened.
    """
    database = Database(os.environ.get(STORE) or DEFAULT_URL)
    try:
        database.migrate()
        yield database
    finally:
        database.close()
