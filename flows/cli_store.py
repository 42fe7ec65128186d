"""What the commands about reviewing share: the store, and how they speak."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from schemas.errors import ReviewError

if TYPE_CHECKING:
    from review.store.database import Database

STORE: Final = "TRACEMILL_REVIEW_DB"
DEFAULT: Final = "sqlite:///data/review.db"
ACTOR: Final = "command line"
"""Who the audit says did it."""
_NEEDED: Final = ("alembic", "jinja2", "markdown_it", "sqlalchemy", "uvicorn")

StoreUrl = Annotated[
    str,
    typer.Option("--db", envvar=STORE, help="The reviewers' store: sqlite:///FILE or postgresql://…", metavar="URL"),
]
console: Final = Console(highlight=False)


@contextmanager
def opened(db: str) -> Iterator["Database"]:
    """The store, in this version's form; flows that run meanwhile take the same one.

    Raises:
        ReviewError: the packages for reviewing are not installed.
        StoreError: the store cannot be opened.
    """
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise ReviewError(f"reviewing needs {', '.join(missing)}: pip install 'tracemill[review]'")
    from flows.store import store

    os.environ[STORE] = db
    with store() as database:
        yield database


def names(database: "Database") -> list[str]:
    """The users who may sign in."""
    from sqlalchemy import select

    from review.store.models import User

    with database.reading() as session:
        return list(session.scalars(select(User.name).where(User.password_hash.is_not(None)).order_by(User.name)))


def password_of(*, from_input: bool) -> str:
    """A password: the line on standard input, or asked for twice without an echo.

    Raises:
        ReviewError: nobody is there to be asked.
    """
    if from_input:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise ReviewError("no terminal to ask for a password at: give it with --password-stdin")
    return str(typer.prompt("password", hide_input=True, confirmation_prompt=True))


def say(text: str) -> None:
    """Print a line as it is."""
    console.print(text, soft_wrap=True, markup=False)
