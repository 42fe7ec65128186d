"""Transactions over the store, on SQLite and on PostgreSQL alike."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session

from schemas.errors import StoreError

DEFAULT_URL: Final = "sqlite:///data/review.db"
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_PATIENCE: Final = 15.0
"""Seconds that a writer waits for another one."""
_PRAGMAS: Final = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_PATIENCE * 1000:.0f}")


class Database:
    """The store at a URL such as `sqlite:///data/review.db` or `postgresql://user@host/name`.

    Raises:
        StoreError: the URL is none, or its driver is missing.
    """

    def __init__(self, url: str = DEFAULT_URL) -> None:
        try:
            place = make_url(url)
            if place.get_backend_name() == "postgresql":
                place = place.set(drivername="postgresql+psycopg")
            self.shown = place.render_as_string(hide_password=True)
            if place.get_backend_name() == "sqlite" and place.database:
                Path(place.database).parent.mkdir(parents=True, exist_ok=True)
            self.engine = create_engine(place, pool_size=20, max_overflow=40, pool_pre_ping=True, hide_parameters=True)
        except (ArgumentError, ImportError, OSError) as exc:
            shown = url.rsplit("@", maxsplit=1)[-1]
            raise StoreError(f"review store: {shown}: {exc}; give sqlite:///FILE or postgresql://…") from exc
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._writing = Lock()
        if self.is_sqlite:
            _sqlite(self.engine)

    def migrate(self) -> None:
        """Bring the tables to this version's form; an empty store gets them all.

        Raises:
            StoreError: the store cannot be reached, or was written by a later version.
        """
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        try:
            with self.engine.connect() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                connection.commit()
        except (SQLAlchemyError, OSError) as exc:
            raise StoreError(f"review store {self.shown}: cannot be opened: {_first_line(exc)}") from exc

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one state of the store and changes nothing."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that is committed at the end, or undone if something is raised.

        On SQLite it begins IMMEDIATE: one writer at a time, and what it reads stays true until it commits. Threads wait
        for each other here, for SQLite lets them sleep up to 100 ms before they look again.
        """
        engine = self.engine.execution_options(tracemill_write=True)
        mine = self.is_sqlite and self._writing.acquire(timeout=_PATIENCE)
        try:
            with Session(engine, expire_on_commit=False) as session, session.begin():
                yield session
        finally:
            if mine:
                self._writing.release()

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def _sqlite(engine: Engine) -> None:
    """WAL, foreign keys, and transactions that begin when and how they should."""

    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    def began(connection: Connection) -> None:
        writes = connection.get_execution_options().get("tracemill_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", began)


def _first_line(exc: BaseException) -> str:
    return str(getattr(exc, "orig", None) or exc).strip().split("\n", 1)[0]
