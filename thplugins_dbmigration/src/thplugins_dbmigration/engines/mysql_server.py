"""A private MySQL or MariaDB server that runs: accounts, seeds, counters, versions."""

from __future__ import annotations

import contextlib
import itertools
import signal
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pymysql
from attrs import field, frozen

from thcore.errors import InfrastructureError
from thcore.hooks import Build, Service
from thcore.model import Command, Secret, Statement
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.census import TableCensus
from thplugins_dbmigration.checksums import TableSum
from thplugins_dbmigration.engines import (
    mysql_census,
    mysql_checksums,
    mysql_emptying,
    mysql_inquiry,
    mysql_locks,
    mysql_schema,
    mysql_sizes,
    mysql_stage,
    mysql_statements,
)
from thplugins_dbmigration.engines.accounts import acting
from thplugins_dbmigration.engines.engine import Installation
from thplugins_dbmigration.engines.error_log import ErrorLog
from thplugins_dbmigration.engines.inquiry import Ask
from thplugins_dbmigration.engines.mysql_census import quoted
from thplugins_dbmigration.engines.mysql_log import complaints
from thplugins_dbmigration.engines.mysql_probes import MySQLProbes
from thplugins_dbmigration.engines.mysql_programs import CLIENTS, is_mariadb, program
from thplugins_dbmigration.engines.mysql_session import connect
from thplugins_dbmigration.engines.mysql_share import cost_of_telling, in_all, told
from thplugins_dbmigration.engines.private import killed
from thplugins_dbmigration.engines.programs import ENVIRONMENT
from thplugins_dbmigration.engines.stage import Stage
from thplugins_dbmigration.engines.storage import Storage
from thplugins_dbmigration.engines.table_size import TableSize
from thplugins_dbmigration.engines.version_table import VersionTable
from thplugins_dbmigration.measure.mysql import ALSO_CALLED, COUNTERS, MISSING_COUNTERS, SESSION_COUNTERS
from thplugins_dbmigration.schema import Schema

PID = "pid"
"""The file beside the socket that holds the number of the server's process."""
_NO_SUCH_TABLE = 1146


@frozen
class MySQLServer:
    """A private MySQL or MariaDB server that runs."""

    installation: Installation
    data: Path
    scratch: Path
    path: Path
    password: Secret
    connection: Any = field(repr=False)
    service: Service
    check: Callable[[], None]
    log: Path
    reading_cost: dict[str, int] = field(factory=dict, repr=False)
    telling_cost: dict[str, int] = field(factory=dict, repr=False)
    readings: Iterator[int] = field(factory=itertools.count, repr=False)

    @property
    def version(self) -> str:
        # MariaDB puts a version of MySQL in front of its own, for old replicas.
        return str(self.connection.get_server_info()).removeprefix("5.5.5-")

    def address(self, database: str, user: str, password: str) -> Address:
        return Address("mysql", database, user, Secret(password), self.path)

    def create(
        self,
        database: str,
        user: str,
        password: str,
        *,
        character_set: str | None = None,
        extensions: Sequence[str] = (),
    ) -> Address:
        if extensions:
            raise InfrastructureError("MySQL has no extensions; remove `extensions`", code="seed-not-loaded")
        with self._asked("create the database") as cursor:
            charset = f" CHARACTER SET {character_set}" if character_set else ""
            cursor.execute(f"CREATE DATABASE {quoted(database)}{charset}")
            cursor.execute("CREATE USER %s@'localhost' IDENTIFIED BY %s", (user, password))
            # In a grant, _ and % of a database's name are wildcards.
            pattern = database.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")
            cursor.execute(f"GRANT ALL ON {quoted(pattern)}.* TO %s@'localhost'", (user,))
        return self.address(database, user, password)

    def load(self, build: Build, address: Address, seed: Path) -> None:
        client = program(self.installation.programs, CLIENTS)
        # The client has commands of its own, which start programs and read files.
        kept_to_sql: tuple[str, ...] = ("--loose-system-command=OFF",)
        if is_mariadb(self.installation):
            kept_to_sql = ("--sandbox",) if _has_sandbox(build, client) else ()
        argv = (
            str(client),
            "--no-defaults",
            f"--socket={self.path}",
            f"--user={address.user}",
            "--default-character-set=utf8mb4",
            "--max-allowed-packet=1G",
            "--silent",
            *kept_to_sql,
            f"--database={address.database}",
        )
        env = {**ENVIRONMENT, "MYSQL_PWD": address.password.reveal(), "HOME": "/nonexistent"}
        command = Command(argv, cwd=Path("/"), env=env, source="seed", input=seed)
        result = build.run(acting(self.installation, command))
        if not result.ok:
            words = next((line for line in result.tail if line.startswith("ERROR")), "\n".join(result.tail[-5:]))
            raise InfrastructureError(
                f"{seed.name} cannot be loaded: {words or result.reason()}", code="seed-not-loaded"
            )

    def settle(self, address: Address) -> None:
        """Gather statistics, and have the next stop clean up all that deleted rows left behind: a clone would do it
        later, in the middle of a step."""
        with self._asked("gather statistics") as cursor:
            cursor.execute(
                "SELECT table_name FROM information_schema.tables "
                "WHERE table_schema = %s AND table_type = 'BASE TABLE'",
                (address.database,),
            )
            for (table,) in cursor.fetchall():
                cursor.execute(f"ANALYZE TABLE {quoted(address.database)}.{quoted(table)}")
                cursor.fetchall()
            cursor.execute("SET GLOBAL innodb_fast_shutdown = 0")

    def start_counting(self, address: Address) -> None:
        """This server tells everything at any moment."""

    def counters(self, address: Address) -> dict[str, int | None]:  # noqa: ARG002 - the server serves one database
        counters = self._reading()
        readings = next(self.readings)
        for name, cost in self.reading_cost.items():
            value = counters[name]
            counters[name] = None if value is None else value - readings * cost
        return counters

    def _reading(self) -> dict[str, int | None]:
        """The totals without what our own session did."""
        with self._asked("read the counters") as cursor:
            own = told(cursor)
            total = in_all(cursor)
        counters: dict[str, int | None] = {}
        for name in COUNTERS:
            value = total.get(name.lower(), total.get(ALSO_CALLED.get(name, "").lower()))
            if value is None or name in MISSING_COUNTERS:
                counters[name] = None
                continue
            counters[name] = value - (own.get(name.lower(), 0) if name in SESSION_COUNTERS else 0)
        return counters

    def calibrate(self) -> None:
        """Find out what a reading itself costs, before anybody else is connected: SHOW STATUS counts in the totals, but
        not for the session that says it."""
        first, second = self._reading(), self._reading()
        for name in SESSION_COUNTERS:
            before, after = first[name], second[name]
            if before is not None and after is not None and after != before:
                self.reading_cost[name] = after - before

    def versions(self, address: Address, table: str) -> frozenset[str] | None:
        wanted = VersionTable.parse(table)
        schema = wanted.schema or address.database
        with self._asked(f"read {table}") as cursor:
            try:
                selection = wanted.selection("`")
                cursor.execute(f"SELECT {selection} FROM {quoted(schema)}.{quoted(wanted.table)}")  # noqa: S608 - quoted
            except pymysql.err.ProgrammingError as error:
                if error.args[0] == _NO_SUCH_TABLE:
                    return None
                raise
            return wanted.versions(cursor.fetchall())

    def reasons(self, address: Address) -> dict[str, str]:  # noqa: ARG002 - the contract's argument
        reasons = dict.fromkeys(COUNTERS, f"{self.version} does not count it")
        reasons |= dict.fromkeys(MISSING_COUNTERS, "the server keeps no binary log, which nobody reads")
        with self._asked("ask for performance_schema") as cursor:
            if not mysql_statements.kept(cursor):
                return {**reasons, **dict.fromkeys(("statements", "locks", "rows_locked"), mysql_statements.NOT_KEPT)}
            untold = () if mysql_locks.told_by(cursor) else ("locks", "rows_locked")
            return {**reasons, **dict.fromkeys(untold, mysql_locks.UNTOLD)}

    def mark(self, address: Address) -> mysql_statements.Mark:  # noqa: ARG002 - the server serves one database
        with self._asked("note statements") as cursor:
            return mysql_statements.marked(cursor)

    def statements(self, address: Address, mark: object) -> tuple[Statement, ...]:  # noqa: ARG002 - idem
        assert isinstance(mark, mysql_statements.Mark), "what mark() answered"  # noqa: S101 - for the type checker
        with self._asked("read the statements") as cursor:
            return mysql_statements.noted(cursor, mark)

    def sizes(self, address: Address) -> dict[str, TableSize]:
        with self._asked("read the sizes of tables") as cursor:
            return mysql_sizes.taken(cursor, address.database, mariadb=is_mariadb(self.installation))

    @property
    def storage(self) -> Storage:
        return Storage(self.data, (self.scratch,), self.service.pid, ErrorLog(self.log, complaints))

    def census(self, address: Address) -> dict[str, TableCensus]:
        with self._asked("count the rows") as cursor:
            return mysql_census.taken(cursor, address.database, self.check)

    def inquiry(
        self,
        address: Address,
        earlier: Sequence[str] = (),  # noqa: ARG002 - what of them is undone cannot be told from them
    ) -> contextlib.AbstractContextManager[Ask]:
        return mysql_inquiry.opened(address, mariadb=is_mariadb(self.installation))

    def empty(self, address: Address, keep: Collection[str]) -> None:
        with self._asked("empty the tables") as cursor:
            mysql_emptying.emptied(cursor, address.database, keep, self.check)

    @contextlib.contextmanager
    def stage(self, address: Address) -> Iterator[Stage]:
        with (
            self._asked("rehearse statements") as cursor,
            mysql_stage.stage(self.path, address, cursor, mariadb=is_mariadb(self.installation)) as made,
        ):
            yield made

    def checksums(self, address: Address) -> dict[str, TableSum]:
        with self._asked("read the tables") as cursor:
            return mysql_checksums.taken(cursor, address.database, self.check)

    def schema(self, address: Address) -> Schema:
        with self._asked("read the schema") as cursor:
            return mysql_schema.taken(cursor, address.database, mariadb=is_mariadb(self.installation))

    def hindrance(self, address: Address) -> contextlib.AbstractContextManager[Callable[[], bool]]:  # noqa: ARG002
        return contextlib.nullcontext(lambda: False)

    def kill(self) -> None:
        try:  # the service may be a program that has started the server
            process = int((self.path.parent / PID).read_text("utf-8"))
        except (OSError, ValueError):
            process = self.service.pid
        killed(process, signal.SIGKILL, self.service, self.check)

    def probes(self, address: Address) -> MySQLProbes:
        return MySQLProbes(
            address.database,
            is_mariadb(self.installation),
            self._connect,
            self._asked,
            lambda cursor: self._cost_of_telling(cursor, address),
        )

    def lock_views(self, address: Address) -> tuple[mysql_locks.View, ...]:
        with self._asked("look at locks") as cursor:
            cost = self._cost_of_telling(cursor, address)
            return mysql_locks.views(cursor, address.database, self._connect, cost)

    def _cost_of_telling(self, cursor: Any, address: Address) -> Mapping[str, int]:
        if not self.telling_cost:
            self.telling_cost.update(cost_of_telling(cursor, lambda: self.counters(address)))
        return self.telling_cost

    def _connect(self) -> Any:
        return connect(self.path, self.password.reveal())

    def abandon(self) -> None:
        """Ask the server to stop without writing what is in its memory."""
        self._shut_down("SET GLOBAL innodb_fast_shutdown = 2", "SHUTDOWN")

    def shut_down(self) -> None:
        """Ask the server to stop cleanly; it goes on for as long as that takes."""
        self._shut_down("SHUTDOWN")

    def _shut_down(self, *statements: str) -> None:
        connection = self._connect()
        if connection is None:
            raise InfrastructureError("the server does not answer any more", code="server-not-answering")
        with contextlib.suppress(pymysql.MySQLError), contextlib.closing(connection):
            for statement in statements:
                connection.cursor().execute(statement)

    @contextlib.contextmanager
    def _asked(self, what: str) -> Iterator[Any]:
        try:
            with self.connection.cursor() as cursor:
                yield cursor
        except pymysql.MySQLError as error:
            raise InfrastructureError(
                f"mysql {self.installation.version}: cannot {what}: {error}",
                code="server-died" if not self.service.running() else "server-not-answering",
            ) from error


def _has_sandbox(build: Build, client: Path) -> bool:
    command = Command(
        (str(client), "--no-defaults", "--sandbox", "--version"), cwd=Path("/"), env=ENVIRONMENT, source="server"
    )
    return build.run(command).ok
