"""The history's database: where it is, an engine for it, and its errors in words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy
from sqlalchemy import URL, Connection, Engine, NullPool, StaticPool, event, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from thcore.config.schema import Config
from thcore.errors import InfrastructureError
from thcore.history.schema import metadata

FILE = "history.sqlite"
"""The default database, below ``directories.state``."""

BUSY_S = 10.0
"""How long SQLite waits for another writer."""

_POSTGRESQL: Mapping[str, str | int] = {
    # Who waits here is a thread of a worker: a server that went away without a word must not hold it for hours.
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "options": "-c lock_timeout=30s",
    "application_name": "thcore",
}


def address(config: Config) -> URL:
    """Where the history of this configuration is. It can hold a password; ``place`` does not."""
    if config.history.url is None:
        return URL.create("sqlite", database=str(config.directories.state / FILE))
    url = make_url(config.history.url.reveal())
    return url if _is_file(url) else url.set(drivername="postgresql+psycopg")


def place(url: URL) -> str:
    """The database in words, without a password."""
    if _is_file(url):
        return str(url.database)
    host = url.host or url.query.get("host") or "this machine"
    return f"PostgreSQL database {url.database} on {host}"


def exists(url: URL) -> bool:
    """False for a SQLite file that is not there. Of a server's database only connecting can tell."""
    return not _is_file(url) or Path(str(url.database)).exists()


def engine_for(url: URL, *, create: bool = False) -> Engine:
    """An engine; nothing is connected yet. ``create`` makes a SQLite file that is missing.

    Raises InfrastructureError when the driver is not installed.
    """
    if _is_file(url):
        return _file_engine(url, create=create)
    settings = {key: value for key, value in _POSTGRESQL.items() if key not in url.query}
    try:
        return sqlalchemy.create_engine(url, pool_size=1, pool_pre_ping=True, connect_args=settings)
    except ModuleNotFoundError as error:
        raise InfrastructureError(
            f"a history in PostgreSQL needs {error.name}, which is not installed; run `pip install thcore[postgresql]`",
            code="history-unavailable",
        ) from None


def nothing() -> Engine:
    """A database in memory that has the tables and nothing in them."""
    engine = sqlalchemy.create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine)
    return engine


@contextlib.contextmanager
def faults(url: URL) -> Iterator[None]:
    """Whatever the database says becomes an InfrastructureError (``history-unavailable``) without the password."""
    try:
        yield
    except SQLAlchemyError as error:
        said = str(error.orig) if isinstance(error, DBAPIError) else str(error)
        words = " ".join(_without_password(said, url).split())
        remedy = (
            "see that the directory is there, that the disk has room and that the account may write to it"
            if _is_file(url)
            else "see that the server runs, and that history.url names the right one"
        )
        # Not "from error": its own text can show how it tried to connect.
        raise InfrastructureError(
            f"the history ({place(url)}) cannot be used: {words}; {remedy}", code="history-unavailable"
        ) from None


def _is_file(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _without_password(text: str, url: URL) -> str:
    password = url.password or url.query.get("password")
    for form in (password, quote(str(password), safe="")) if password else ():
        text = text.replace(str(form), "***")
    return text


def _file_engine(url: URL, *, create: bool) -> Engine:
    # "rw" neither makes a file nor goes on with one that was removed: connections are not kept.
    named = url.set(
        database=f"file:{quote(str(url.database))}", query={"uri": "true", "mode": "rwc" if create else "rw"}
    )
    # isolation_level: transactions begin where SQLAlchemy begins them, so that they hold for changes of tables as well.
    engine = sqlalchemy.create_engine(
        named, poolclass=NullPool, connect_args={"timeout": BUSY_S, "isolation_level": None}
    )

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        if create:
            connection.execute("PRAGMA journal_mode = WAL")  # readers and the writer do not wait for each other

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # Only what creates reads before it writes: there the lock must be taken first.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if create else "BEGIN")

    return engine
