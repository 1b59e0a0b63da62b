"""SQLite: a file in a directory. There is no server; the same words are used all the same.

What a step does is told by the observer in the project's interpreter, in a file beside the database."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from thcore.errors import InfrastructureError, StoppedError
from thcore.hooks import Build
from thcore.model import Statement
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.census import TableCensus
from thplugins_dbmigration.checksums import TableSum
from thplugins_dbmigration.engines import (
    sqlite_census,
    sqlite_checksums,
    sqlite_emptying,
    sqlite_inquiry,
    sqlite_schema,
    sqlite_seed,
    sqlite_sizes,
    sqlite_stage,
)
from thplugins_dbmigration.engines.engine import Installation
from thplugins_dbmigration.engines.inquiry import Ask
from thplugins_dbmigration.engines.sqlite_locks import SQLiteLocks
from thplugins_dbmigration.engines.sqlite_observed import SUFFIX, UNOBSERVED, observed
from thplugins_dbmigration.engines.stage import Stage
from thplugins_dbmigration.engines.storage import Storage
from thplugins_dbmigration.engines.table_size import TableSize
from thplugins_dbmigration.engines.version_table import VersionTable
from thplugins_dbmigration.measure.sqlite import COUNTERS, NO_ROW_LOCKS, OBSERVED, UNCOUNTED
from thplugins_dbmigration.schema import Schema

UNREAD = "SQLite does not count rows that are read; limit vm_steps instead"
STEPS = 200_000
"""After how many steps of SQLite's machine a long statement looks whether the build was told to end."""


@frozen
class SQLite:
    """Driver of SQLite."""

    name: str = "sqlite"
    types: tuple[str, ...] = ("sqlite", "sqlite3")

    def locate(self, settings: Any) -> Path | None:  # noqa: ARG002 - the contract's argument; nothing to choose here
        """Nothing is needed."""
        return None

    def installation(self, build: Build) -> Installation:  # noqa: ARG002 - the contract's argument
        return Installation(self.name, sqlite3.sqlite_version)

    def settings(self, installation: Installation) -> tuple[str, ...]:  # noqa: ARG002 - the contract's argument
        return ()

    def initialise(self, build: Build, installation: Installation, directory: Path) -> None:  # noqa: ARG002
        directory.mkdir(mode=0o700)

    @contextlib.contextmanager
    def start(
        self,
        build: Build,
        installation: Installation,  # noqa: ARG002 - the contract's arguments; there is no process
        directory: Path,
        *,
        log: Path,  # noqa: ARG002
        kept: bool = True,  # noqa: ARG002
    ) -> Iterator[SQLiteServer]:
        if not directory.is_dir():
            raise InfrastructureError(f"{directory} is no data directory", code="server-not-started")
        yield SQLiteServer(directory, build.check)

    def freeze(self, build: Build, installation: Installation, directory: Path) -> None:  # noqa: ARG002
        """Nothing but the database stays: what was observed is about connections that are gone."""
        for leftover in (*directory.glob(f"*.sqlite{SUFFIX}"), *directory.glob(f"*.sqlite{SUFFIX}~")):
            with contextlib.suppress(OSError):
                leftover.unlink()


def _never() -> None:
    """What to check where nobody tells a build to end."""


@frozen
class SQLiteServer:
    """The directory that holds the database's file."""

    directory: Path
    check: Callable[[], None] = _never

    @property
    def version(self) -> str:
        return sqlite3.sqlite_version

    def address(self, database: str, user: str, password: str) -> Address:  # noqa: ARG002 - files have no accounts
        return Address("sqlite", str(self.directory / f"{database}.sqlite"))

    def create(
        self,
        database: str,
        user: str,
        password: str,
        *,
        character_set: str | None = None,  # noqa: ARG002 - always Unicode
        extensions: Sequence[str] = (),
    ) -> Address:
        if extensions:
            raise InfrastructureError("SQLite has no extensions to make; remove `extensions`", code="seed-not-loaded")
        address = self.address(database, user, password)
        Path(address.database).touch(0o600)
        return address

    def load(self, build: Build, address: Address, seed: Path) -> None:
        if sqlite_seed.is_database(seed):
            sqlite_seed.copy(build, seed, Path(address.database))
            return
        with contextlib.closing(sqlite3.connect(address.database, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.set_authorizer(_authorize)
            connection.set_progress_handler(lambda: _told_to_end(build.check), STEPS)
            line = 1
            try:
                for start, statement in sqlite_seed.statements(seed):
                    build.check()
                    line = start
                    connection.execute(statement).close()
            except (sqlite3.Error, sqlite3.Warning, UnicodeDecodeError) as error:
                build.check()  # a statement that was interrupted because the build is over is no fault of the seed
                raise InfrastructureError(
                    f"{seed.name} cannot be loaded: line {line}: {error}", code="seed-not-loaded"
                ) from error

    def settle(self, address: Address) -> None:
        with contextlib.closing(sqlite3.connect(address.database, isolation_level=None)) as connection:
            connection.execute("ANALYZE")

    def start_counting(self, address: Address) -> None:
        """A file keeps nothing back."""

    def counters(self, address: Address) -> dict[str, int | None]:
        counters: dict[str, int | None] = dict.fromkeys(COUNTERS)
        with contextlib.suppress(sqlite3.OperationalError), _reading(address) as connection:
            page = int(connection.execute("PRAGMA page_size").fetchone()[0])
            counters["database_bytes"] = page * int(connection.execute("PRAGMA page_count").fetchone()[0])
            counters["freelist_bytes"] = page * int(connection.execute("PRAGMA freelist_count").fetchone()[0])
        seen = observed(Path(address.database))
        if seen is not None:
            counters |= seen.totals()
        return counters

    def reasons(self, address: Address) -> dict[str, str]:
        seen = observed(Path(address.database))
        found = seen.reasons() if seen is not None else dict.fromkeys((*OBSERVED, "statements"), UNOBSERVED)
        # Limits of turbo-hipster's name what has another name here.
        changed = {"XInnodb_rows_changed": found["rows_changed"]} if "rows_changed" in found else {}
        unread = dict.fromkeys(("rows_read", "Innodb_rows_read"), UNREAD)
        return {**UNCOUNTED, **unread, "rows_locked": NO_ROW_LOCKS, **found, **changed}

    def mark(self, address: Address) -> object:  # noqa: ARG002 - the contract's argument; nothing stands there in a step
        return time.monotonic()

    def statements(self, address: Address, mark: object) -> tuple[Statement, ...]:
        seen = observed(Path(address.database))
        return seen.told(mark) if seen is not None and isinstance(mark, float) and seen.began >= mark else ()

    def sizes(self, address: Address) -> dict[str, TableSize]:
        with self._asked(address, "measure the tables") as connection:
            return sqlite_sizes.taken(connection)

    @property
    def storage(self) -> Storage:
        return Storage(self.directory)

    def census(self, address: Address) -> dict[str, TableCensus]:
        with self._asked(address, "count the rows") as connection:
            return sqlite_census.taken(connection, self.check)

    def checksums(self, address: Address) -> dict[str, TableSum]:
        with self._asked(address, "read the tables") as connection:
            return sqlite_checksums.taken(connection, self.check)

    def schema(self, address: Address) -> Schema:
        with self._asked(address, "read the schema") as connection:
            return sqlite_schema.taken(connection)

    def kill(self) -> None:
        """There is no server."""

    def hindrance(self, address: Address) -> contextlib.AbstractContextManager[Callable[[], bool]]:  # noqa: ARG002
        return contextlib.nullcontext(lambda: False)

    def inquiry(self, address: Address, earlier: Sequence[str] = ()) -> contextlib.AbstractContextManager[Ask]:
        return sqlite_inquiry.opened(address, earlier, self.check)

    def empty(self, address: Address, keep: Collection[str]) -> None:
        try:
            with contextlib.closing(sqlite3.connect(address.database, isolation_level=None)) as connection:
                connection.set_progress_handler(lambda: _told_to_end(self.check), STEPS)
                sqlite_emptying.emptied(connection, keep, self.check)
        except sqlite3.Error as error:
            self.check()
            raise InfrastructureError(
                f"sqlite: cannot empty the tables: {error}", code="server-not-answering"
            ) from error

    @contextlib.contextmanager
    def stage(self, address: Address) -> Iterator[Stage]:
        with sqlite_stage.stage(address.database, _authorize, lambda: _told_to_end(self.check)) as made:
            yield made

    def probes(self, address: Address) -> None:
        """A file has no sessions of others."""

    def lock_views(self, address: Address) -> tuple[SQLiteLocks]:
        return (SQLiteLocks(Path(address.database)),)

    def versions(self, address: Address, table: str) -> frozenset[str] | None:
        wanted = VersionTable.parse(table)
        name = wanted.table.replace('"', '""')
        try:
            with _reading(address) as connection:
                known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (wanted.table,)).fetchone()
                if known is None:
                    return None
                rows = connection.execute(f'SELECT {wanted.selection(chr(34))} FROM "{name}"')  # noqa: S608 - quoted
                return wanted.versions(rows)
        except sqlite3.Error as error:
            raise InfrastructureError(f"sqlite: cannot read {table}: {error}", code="server-not-answering") from error

    @contextlib.contextmanager
    def _asked(self, address: Address, what: str) -> Iterator[sqlite3.Connection]:
        """For what takes long: it ends when the build does."""
        try:
            with _reading(address) as connection:
                connection.set_progress_handler(lambda: _told_to_end(self.check), STEPS)
                yield connection
        except sqlite3.Error as error:
            self.check()  # a statement that was interrupted because the build is over is no fault of the database
            raise InfrastructureError(f"sqlite: cannot {what}: {error}", code="server-not-answering") from error


@contextlib.contextmanager
def _reading(address: Address) -> Iterator[sqlite3.Connection]:
    uri = f"{Path(address.database).as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=3.0)) as connection:
        yield connection


def _authorize(action: int, first: str | None, second: str | None, *_where: str | None) -> int:
    # A seed fills its own file and touches no other.
    if action == sqlite3.SQLITE_ATTACH and first:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and second == "load_extension":
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _told_to_end(check: Callable[[], None]) -> int:
    try:
        check()
    except StoppedError:
        return 1
    return 0
