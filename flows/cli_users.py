"""`tracemill review user`: who may sign in."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from flows.cli_store import ACTOR, DEFAULT, StoreUrl, console, names, opened, password_of, say
from schemas.errors import ReviewError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from review.store.models import Role

app = typer.Typer(help="Who may sign in, and as what: reviewer, adjudicator or admin.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME")]
FromInput = Annotated[bool, typer.Option("--password-stdin", help="Read the password, a line, from standard input.")]


@app.command()
def add(
    name: Name,
    role: Annotated[str, typer.Option(help="reviewer, adjudicator or admin")] = "reviewer",
    from_input: FromInput = False,  # noqa: FBT002 - a flag of the command line
    db: StoreUrl = DEFAULT,
) -> None:
    """Add a user; the first one has to be an admin."""
    with opened(db) as database:
        from review import users
        from review.store.models import Role

        wanted = _role(role)
        if wanted is not Role.ADMIN and not names(database):
            raise ReviewError("the first user has to be an admin, who can add others: give --role admin")
        password = password_of(from_input=from_input)
        with database.writing() as session:
            user = users.add(session, ACTOR, name, password, wanted)
    say(f"added {user.name} as {wanted}; reviews go by the name {user.pseudonym}")


@app.command("list")
def list_(db: StoreUrl = DEFAULT) -> None:
    """List the users."""
    with opened(db) as database, database.reading() as session:
        from sqlalchemy import select

        from review.store.models import User

        table = Table("user", "role", "reviews go by", "may sign in")
        for one in session.scalars(select(User).order_by(User.name)):
            may = "yes" if one.active and one.password_hash else "no"
            table.add_row(Text(one.name), str(one.role), one.pseudonym, may)
    console.print(table)


@app.command()
def password(name: Name, from_input: FromInput = False, db: StoreUrl = DEFAULT) -> None:  # noqa: FBT002
    """Set a new password; it signs the user out everywhere."""
    with _writing(db) as (session, users):
        users.set_password(session, ACTOR, name, password_of(from_input=from_input))
    say(f"{name} has a new password")


@app.command()
def role(name: Name, role: Annotated[str, typer.Argument(metavar="ROLE")], db: StoreUrl = DEFAULT) -> None:
    """Give a user another role: reviewer, adjudicator or admin."""
    with _writing(db) as (session, users):
        users.set_role(session, ACTOR, name, _role(role))
    say(f"{name} is {role} now")


@app.command()
def off(name: Name, db: StoreUrl = DEFAULT) -> None:
    """Let a user in no longer; what they did stays."""
    with _writing(db) as (session, users):
        users.switch(session, ACTOR, name, on=False)
    say(f"{name} may sign in no longer")


@app.command()
def on(name: Name, db: StoreUrl = DEFAULT) -> None:
    """Let a user in again."""
    with _writing(db) as (session, users):
        users.switch(session, ACTOR, name, on=True)
    say(f"{name} may sign in again")


@contextmanager
def _writing(db: str) -> Iterator[tuple["Session", ModuleType]]:
    """A change of the store, and what changes users, which needs packages that may be missing."""
    with opened(db) as database:
        from review import users

        with database.writing() as session:
            yield session, users


def _role(name: str) -> "Role":
    from review.store.models import Role

    if name not in list(Role):
        raise ReviewError(f"role {name}: there is none of this name; there are {', '.join(Role)}")
    return Role(name)
