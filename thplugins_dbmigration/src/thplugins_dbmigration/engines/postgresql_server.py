"""A private PostgreSQL server that runs: accounts, seeds, counters, versions."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
from attrs import field, frozen
from psycopg import sql

from thcore.errors import InfrastructureError
from thcore.hooks import Build, Service
from thcore.model import Secret, Statement
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.census import TableCensus
from thplugins_dbmigration.checksums import TableSum
from thplugins_dbmigration.engines import (
    postgresql_census,
    postgresql_checksums,
    postgresql_counters,
    postgresql_counts,
    postgresql_emptying,
    postgresql_inquiry,
    postgresql_schema,
    postgresql_sizes,
    postgresql_stage,
)
from thplugins_dbmigration.engines.engine import Installation
from thplugins_dbmigration.engines.error_log import ErrorLog
from thplugins_dbmigration.engines.inquiry import Ask
from thplugins_dbmigration.engines.postgresql_complaints import complaints
from thplugins_dbmigration.engines.postgresql_extensions import make_extension
from thplugins_dbmigration.engines.postgresql_hindrance import hindrance
from thplugins_dbmigration.engines.postgresql_locks import PostgreSQLLocks
from thplugins_dbmigration.engines.postgresql_log import UNHEARD
from thplugins_dbmigration.engines.postgresql_noting import Noting
from thplugins_dbmigration.engines.postgresql_probes import PostgreSQLProbes
from thplugins_dbmigration.engines.postgresql_session import Reserve, connect
from thplugins_dbmigration.engines.postgresql_statements import Mark, noted
from thplugins_dbmigration.engines.private import killed, pause
from thplugins_dbmigration.engines.programs import find, search_path
from thplugins_dbmigration.engines.psql import load
from thplugins_dbmigration.engines.stage import Stage
from thplugins_dbmigration.engines.storage import Storage
from thplugins_dbmigration.engines.table_size import TableSize
from thplugins_dbmigration.engines.version_table import VersionTable
from thplugins_dbmigration.schema import Schema

ENDING_S = 0.5
"""How long a session that was left is given to end, and so to tell its counts."""


@frozen
class PostgreSQLServer:
    """A private PostgreSQL server that runs."""

    installation: Installation
    directory: Path
    log: Path
    """What it has said since its start, statements and all."""
    noting: Noting
    socket: Path
    password: Secret
    connection: Any = field(repr=False)
    service: Service
    check: Callable[[], None]
    sessions: dict[str, Any] = field(factory=dict, repr=False)
    reserve: Reserve = field(init=False, repr=False)
    """Of sessions that watch a step."""
    settled: dict[str, Any] = field(factory=dict, repr=False)
    """When it was last so that no session had anything to tell, by database."""

    @reserve.default
    def _empty(self) -> Reserve:
        return Reserve(self.socket, self.password)

    @property
    def version(self) -> str:
        return str(self.connection.info.parameter_status("server_version"))

    def address(self, database: str, user: str, password: str) -> Address:
        return Address("postgresql", database, user, Secret(password), self.socket)

    def create(
        self,
        database: str,
        user: str,
        password: str,
        *,
        character_set: str | None = None,
        extensions: Sequence[str] = (),
    ) -> Address:
        role, name = sql.Identifier(user), sql.Identifier(database)
        encoding = sql.SQL(" ENCODING {}").format(sql.Literal(character_set)) if character_set else sql.SQL("")
        with self._asked("create the database"):
            execute = self.connection.execute
            execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(password)))
            execute(sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(name, role) + encoding)
            for other in ("postgres", "template1", database):
                execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(other)))
        with self._inside(database, "make the extensions") as connection:
            for extension in extensions:
                make_extension(connection, extension, role)
        return self.address(database, user, password)

    def load(self, build: Build, address: Address, seed: Path) -> None:
        client = program(self.installation.programs, "psql")
        with self._unheard(address):
            load(build, self.installation, client, address, seed)

    @contextlib.contextmanager
    def _unheard(self, address: Address) -> Iterator[None]:
        """Keep the statements of sessions that begin now out of the log: a dump has one for each row."""
        role = sql.Identifier(address.user)

        def alter(words: str, *values: sql.Composable) -> None:
            with self._asked("load a seed"):
                self.connection.execute(sql.SQL(words).format(role, *values))

        for name, value in UNHEARD.items():
            alter("ALTER ROLE {} SET {} TO {}", sql.Identifier(name), sql.Literal(value))
        yield
        for name in UNHEARD:
            alter("ALTER ROLE {} RESET {}", sql.Identifier(name))

    def settle(self, address: Address) -> None:
        with self._inside(address.database, "gather statistics") as connection:
            connection.execute("ANALYZE")

    def start_counting(self, address: Address) -> None:
        self.settled.pop(address.database, None)

    def counters(self, address: Address) -> dict[str, int | None]:
        if address.database not in self.sessions:
            self._reading(address, settled=True)  # what a first reading costs, it alone costs
        return self._reading(address, settled=self._settled(address))

    def _settled(self, address: Address) -> bool:
        """Whether all sessions have told what they did since that was last so. One that is about to end is waited
        for."""
        since = self.settled.get(address.database)
        deadline = time.monotonic() + ENDING_S
        with self._asked("look at the sessions"):
            while True:
                working, idle, now = postgresql_counters.sessions(self.connection, address, since)
                if working:
                    return False
                if not idle:
                    self.settled[address.database] = now
                    return True
                if time.monotonic() > deadline:
                    return False
                pause(0.02)

    def _reading(self, address: Address, *, settled: bool) -> dict[str, int | None]:
        with self._inside(address.database, "read the counters") as connection:
            told = postgresql_counters.read(connection, settled=settled)
            return {**told, **postgresql_counts.blocks(self.connection, address)}

    def versions(self, address: Address, table: str) -> frozenset[str] | None:
        wanted = VersionTable.parse(table)
        name = sql.Identifier(*([wanted.schema] if wanted.schema else []), wanted.table)
        selection = sql.SQL(", ").join(map(sql.Identifier, wanted.selected)) if wanted.selected else sql.SQL("*")
        with self._inside(address.database, f"read {table}") as connection:
            known = connection.execute("SELECT to_regclass(%s)", (name.as_string(connection),)).fetchone()[0]
            if known is None:
                return None
            rows = connection.execute(sql.SQL("SELECT {} FROM {}").format(selection, name)).fetchall()
            return wanted.versions(rows)

    def reasons(self, address: Address) -> dict[str, str]:  # noqa: ARG002 - the contract's argument
        with self._asked("ask why counters are not known"):
            return postgresql_counters.reasons(self.connection)

    def mark(self, address: Address) -> Mark:
        with self._asked("count statements"):
            self.noting.begin(self.reread, lambda: self.connection.execute("SELECT pg_conf_load_time()").fetchone())
            return Mark.set(self.log, postgresql_counts.counted(self.connection, address, first=True))

    def statements(self, address: Address, mark: object) -> tuple[Statement, ...]:
        assert isinstance(mark, Mark), "one of ours"  # noqa: S101 - for the type checker
        with self._asked("count statements"):
            active = postgresql_counters.active(self.connection, address)
            return noted(
                self.log, mark, postgresql_counts.counted(self.connection, address), self.noting.extent, active
            )

    def sizes(self, address: Address) -> dict[str, TableSize]:
        with self._inside(address.database, "look at the sizes of tables") as connection:
            return postgresql_sizes.taken(connection)

    @property
    def storage(self) -> Storage:
        temporary = self.directory / "base" / "pgsql_tmp"
        return Storage(self.directory, (temporary,), log=ErrorLog(self.log, complaints))

    def census(self, address: Address) -> dict[str, TableCensus]:
        with self._inside(address.database, "count the rows") as connection:
            return postgresql_census.taken(connection, self.check)

    def inquiry(self, address: Address, earlier: Sequence[str] = ()) -> contextlib.AbstractContextManager[Ask]:
        return postgresql_inquiry.opened(address, earlier)

    def empty(self, address: Address, keep: Collection[str]) -> None:
        with self._inside(address.database, "empty the tables") as connection:
            postgresql_emptying.emptied(connection, keep, self.check)

    def stage(self, address: Address) -> contextlib.AbstractContextManager[Stage]:
        return postgresql_stage.stage(self.socket, address)

    def checksums(self, address: Address) -> dict[str, TableSum]:
        with self._inside(address.database, "read the tables") as connection:
            return postgresql_checksums.taken(connection, self.check)

    def schema(self, address: Address) -> Schema:
        with self._inside(address.database, "read the schema") as connection:
            return postgresql_schema.taken(connection)

    def hindrance(self, address: Address) -> contextlib.AbstractContextManager[Callable[[], bool]]:
        return hindrance(lambda: connect(self.socket, address.database, self.password))

    def kill(self) -> None:
        killed(self._process(), signal.SIGQUIT, self.service, self.check)  # which it takes for a crash

    def probes(self, address: Address) -> PostgreSQLProbes:
        return PostgreSQLProbes(
            address.database,
            self.reserve,
            lambda what: self._inside(address.database, what),
        )

    def lock_views(self, address: Address) -> tuple[PostgreSQLLocks]:
        elsewhere = "template1", {"search_path": "pg_catalog"}
        outside = self.reserve.take(*elsewhere)
        with self._inside(address.database, "look at locks") as inside:
            return (PostgreSQLLocks.open(outside, lambda session: self.reserve.leave(session, *elsewhere), inside),)

    def reread(self) -> None:
        """Tell the server to read its settings again."""
        self._signal(signal.SIGHUP)

    def abandon(self) -> None:
        """Ask the server to stop without writing what is in its memory."""
        self._signal(signal.SIGQUIT)

    def shut_down(self) -> None:
        """Ask the server to stop at once but cleanly: who is still connected is sent away."""
        self._signal(signal.SIGINT)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process(), number)

    def _process(self) -> int:
        try:
            return int((self.directory / "postmaster.pid").read_text("utf-8").splitlines()[0])
        except (OSError, ValueError, IndexError):
            return self.service.pid

    @contextlib.contextmanager
    def _inside(self, database: str, what: str) -> Iterator[Any]:
        """A transaction of our one session in a database, whose counts are told at once."""
        with self._asked(what):
            connection = self.sessions.get(database)
            if connection is None:
                connection = self.sessions[database] = connect(self.socket, database, self.password)
            if connection is None:
                raise InfrastructureError(
                    f"postgresql {self.installation.version}: cannot {what}: database {database} does not answer",
                    code="server-not-answering",
                )
            with connection.transaction():
                yield connection
                connection.execute("SELECT pg_stat_force_next_flush()")

    def close(self) -> None:
        """End our own sessions."""
        self.reserve.close()
        for connection in (*self.sessions.values(), self.connection):
            if connection is not None:
                connection.close()

    @contextlib.contextmanager
    def _asked(self, what: str) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise InfrastructureError(
                f"postgresql {self.installation.version}: cannot {what}: {str(error).strip()}",
                code="server-died" if not self.service.running() else "server-not-answering",
            ) from error


def program(programs: Path | None, name: str) -> Path:
    """One of an installation's programs. Raises InfrastructureError (``engine-missing``)."""
    found = find((name,), (programs,) if programs else search_path())
    if found is None:
        raise InfrastructureError(
            f"{name} is not in {programs}; install the whole of PostgreSQL there", code="engine-missing"
        )
    return found
