"""`tracemill review`: the review page, and the batches that are reviewed on it."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.table import Table
from rich.text import Text

from flows.cli_store import ACTOR, DEFAULT, StoreUrl, console, names, opened, say
from flows.cli_users import app as users
from schemas.errors import ReviewError

if TYPE_CHECKING:
    from review.store.database import Database
    from review.store.models import Batch

app = typer.Typer(
    help="The review page: people rewrite the first wrong step of traces, and the model goes on from there.",
    no_args_is_help=True,
)
app.add_typer(users, name="user")
Result = TypeVar("Result")

BatchName = Annotated[str, typer.Argument(metavar="BATCH", help="A name from `tracemill review list`.")]
Host = Annotated[str, typer.Option(help="0.0.0.0 lets other machines in: put a server that speaks https before it.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")]


@app.command()
def serve(
    db: StoreUrl = DEFAULT,
    host: Host = "127.0.0.1",
    port: Port = 8484,
    demo: Annotated[bool, typer.Option(hidden=True)] = False,  # noqa: FBT002
) -> None:
    """Serve the review page, with the batches' models behind it, until it is interrupted."""
    with opened(db) as database, _listening(host, port) as listener:
        import uvicorn

        from review.jobs.runner import Runner
        from review.web.app import create_app

        shown = f"[{host}]" if ":" in host else host
        say(f"the review page: http://{shown}:{listener.getsockname()[1]}/")
        if demo:
            _demo_user(database)
        elif not names(database):
            say("nobody may sign in yet; add yourself: tracemill review user add NAME --role admin")
        app = create_app(database, Runner(database), _announce_closed)
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


@app.command("open")
def open_(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A name from `tracemill recipes`, or a path.")],
    lake: Annotated[
        str, typer.Option("--lake", envvar="TRACEMILL_LAKE", help="A folder or an fsspec URL.")
    ] = "data/lake",
    name: Annotated[str, typer.Option(help="The batch's; the recipe's unless given.")] = "",
    settings: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override a setting of the recipe.")
    ] = [],  # noqa: B006 - typer copies it
    db: StoreUrl = DEFAULT,
) -> None:
    """Put the queue of a recipe's newest run before reviewers; an open batch gets what it lacks."""
    with opened(db) as database:
        from flows.kinds import configured
        from flows.queued import settings_of
        from flows.review import open_review

        settings_of(configured(recipe, settings))
        batch = _watched(lambda: open_review(recipe, lake, settings, name))
        _show(database, batch)


@app.command()
def close(batch: BatchName, db: StoreUrl = DEFAULT) -> None:
    """Close a batch: nothing more of it is handed out; where after-review is deployed, this starts it."""
    with opened(db) as database:
        from review import batches

        with database.writing() as session:
            found = batches.find(session, batch)
            batches.close(session, ACTOR, found, "closed by hand")
        _announce_closed(found)
        _show(database, batch)


@app.command()
def reopen(batch: BatchName, db: StoreUrl = DEFAULT) -> None:
    """Open a closed batch again."""
    with opened(db) as database:
        from review import batches

        with database.writing() as session:
            batches.reopen(session, ACTOR, batches.find(session, batch))
        _show(database, batch)


@app.command("list")
def list_(db: StoreUrl = DEFAULT) -> None:
    """List the batches, and how far they have come."""
    with opened(db) as database:
        _show(database)


@app.command()
def export(
    batch: BatchName,
    to: Annotated[Path | None, typer.Option(help="A file; into the batch's lake unless given.")] = None,
    db: StoreUrl = DEFAULT,
) -> None:
    """Write a batch's finished reviews as JSON lines, one for each round."""
    from tasks.storage import Storage

    with opened(db) as database, database.reading() as session:
        from review import batches
        from review.export import place, write

        found = batches.find(session, batch)
        if to is None and found.lake is None:
            raise ReviewError(f"batch {found.name}: belongs to no lake; give --to FILE")
        folder, path = (str(to.parent), to.name) if to else (found.lake or "", place(found))
        count = write(session, found, Storage(folder), path)
    say(f"{count:,} rounds of reviews: {folder}/{path}")


@app.command()
def after(batch: BatchName, db: StoreUrl = DEFAULT) -> None:
    """Take a batch's reviews into its lake, curate anew and publish; the batch may still be open."""
    with opened(db) as database:
        from flows import terminal
        from flows.review import after_review
        from review import batches

        with database.reading() as session:
            lake = batches.find(session, batch).lake
        release = _watched(lambda: after_review(batch))
    terminal.show(console, release.summary)
    say(f"\nrelease {release.name} {release.version}: {lake}/releases/{release.name}/{release.version}")


@app.command()
def sweep(db: StoreUrl = DEFAULT) -> None:
    """Close the batches that are done or whose time is up, as the deployment sweep-reviews does."""
    with opened(db):
        from flows.review import sweep_reviews

        closed = _watched(sweep_reviews)
    say(f"closed: {', '.join(closed) or 'none'}")


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="JSON lines, as PRM800K's.")
    ],
    name: Annotated[str, typer.Option(help="The batch's.")],
    db: StoreUrl = DEFAULT,
) -> None:
    """Take labels in PRM800K's format in as review history, so that they can be adjudicated."""
    with opened(db) as database, database.writing() as session, file.open("rb") as lines:
        from review.imports.prm800k import import_file

        found = import_file(session, ACTOR, name, lines)
    for line, reason in found.unusable[:10]:
        say(f"{file}:{line}: {reason}")
    say(f"{found.items:,} new traces, {found.reviews:,} reviews; {len(found.unusable):,} lines were of no use")


@app.command("verify-audit")
def verify_audit(
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The .manifest.json of an export: the row that was the newest then is there."
        ),
    ] = None,
    db: StoreUrl = DEFAULT,
) -> None:
    """Check that no row of the audit was changed or left out; exit 2 if one was."""
    with opened(db) as database, database.reading() as session:
        from review.audit import broken, holds
        from review.export import kept_head

        kept = kept_head(against) if against else None
        row = broken(session)
        gone = kept is not None and not holds(session, kept)
    if row is not None:
        raise ReviewError(
            f"audit: row {row} does not follow from the one before it: one of them was changed or is gone"
        )
    if kept is not None and gone:
        raise ReviewError(
            f"audit: row {kept.id}, the newest when {against} was written, is not what it was, or is gone"
        )
    say("the audit is whole" if kept is None else f"the audit is whole, and still holds row {kept.id} of {against}")


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that waits for browsers.

    Raises:
        ReviewError: something else has the port, or the address is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, for asyncio sends at once (TCP_NODELAY) only where it is: else each answer waits 40 ms for an ACK.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen()
        except OSError as exc:
            raise ReviewError(f"{host}:{port}: cannot be listened at ({exc.strerror}); give another --port") from exc
        yield listener


def _announce_closed(batch: "Batch") -> None:
    from flows.review import REVIEWED, announce

    announce(REVIEWED, batch)


def _demo_user(database: "Database") -> None:
    """Somebody to look at the demo as, where nobody can yet; the password is shown this once."""
    from review import users as people
    from review.store.models import Role

    if not names(database):
        password = people.generated()
        with database.writing() as session:
            people.add(session, ACTOR, "demo", password, Role.ADMIN)
        say(f"sign in as demo, password {password}")


def _show(database: "Database", batch: str | None = None) -> None:
    """One batch, or all, and how far they are."""
    from sqlalchemy import select

    from review import batches
    from review.store.models import Batch

    columns = ("traces", "left", "at work", "to adjudicate", "done")
    table = Table("batch", "state", *columns, "until")
    with database.reading() as session:
        found = [batches.find(session, batch)] if batch else session.scalars(select(Batch).order_by(Batch.opened_at))
        for one in found:
            told = batches.progress(session, one)
            counts = (told.items, told.left, told.at_work, told.adjudication, told.done)
            state = one.state if one.closed_because is None else f"{one.state}: {one.closed_because}"
            until = f"{one.deadline:%Y-%m-%d %H:%M} UTC" if one.deadline else ""
            table.add_row(Text(one.name), Text(state), *map(str, counts), until)
    console.print(table)


def _watched(run: Callable[[], Result]) -> Result:
    from flows.terminal import watched

    return watched(console, run)
