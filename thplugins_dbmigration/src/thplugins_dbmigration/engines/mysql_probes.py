"""Asking MySQL and MariaDB for what a reader or a writer of one row needs.

A reader takes the table's metadata lock for a SELECT that reads no row, for no row is ever locked against reading. A
writer takes the one for an UPDATE, and the row's lock, with SELECT … FOR UPDATE: that changes nothing, writes no log,
and gives everything back as the statement ends, for each is a transaction of its own. A row that somebody has is not
waited for, but asked for again.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import pymysql
from attrs import define, field, frozen

from thcore.errors import InfrastructureError
from thplugins_dbmigration.engines.mysql_census import quoted
from thplugins_dbmigration.engines.mysql_share import told
from thplugins_dbmigration.measure.mysql import SESSION_COUNTERS
from thplugins_dbmigration.measure.probes import LEAST_S, Answer, Kind

ENDS = ("ASC", "DESC")
"""Which rows of a table are asked for: the first one and the last one by primary key."""
_TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_type = 'BASE TABLE'"
_KEYS = (
    "SELECT table_name, column_name FROM information_schema.key_column_usage "
    "WHERE table_schema = %s AND constraint_name = 'PRIMARY' ORDER BY table_name, ordinal_position"
)
# Timeouts of locks (1205, 3572), of the statement (1969), a deadlock (1213).
_BUSY = frozenset({1205, 1213, 1969, 3572})
_NO_SUCH_COLUMN = 1054
# No such table (1146, 1932), database (1049), tablespace (1812, 1814); changed while it was opened (1412, 1615); a view
# whose tables have gone has its name (1356).
_NO_TABLE = frozenset({1049, 1146, 1356, 1412, 1615, 1812, 1814, 1932})


@frozen
class _Row:
    """A row by its primary key."""

    columns: tuple[str, ...]
    values: tuple[Any, ...]


@define
class MySQLProbes:
    """Of one database. ``connect`` answers a new session of the administrator, None when there is none to be had;
    ``asked`` is the one that the server has already, and raises InfrastructureError; ``cost`` tells what it costs a
    session, whose cursor it takes, to tell its own counters."""

    database: str
    mariadb: bool
    connect: Callable[[], Any]
    asked: Callable[[str], contextlib.AbstractContextManager[Any]]
    cost: Callable[[Any], Mapping[str, int]]
    sparing: int = 60
    _keys: dict[str, tuple[str, ...]] = field(factory=dict)
    _rows: dict[str, tuple[_Row, ...]] = field(factory=dict)

    def known(self, tables: Sequence[str]) -> Sequence[str]:
        with self.asked("find the tables to watch") as cursor:
            cursor.execute(_TABLES, (self.database,))
            there = {str(table) for (table,) in cursor.fetchall()}
            cursor.execute(_KEYS, (self.database,))
            for table, column in cursor.fetchall():
                self._keys[str(table)] = (*self._keys.get(str(table), ()), str(column))
            known = [table for table in tables if table in there]
            for table in known:
                self.choose(cursor, table)
            return known

    def open(self, kind: Kind, *, late: bool = False) -> MySQLProbe:  # noqa: ARG002 - that it comes costs nothing
        connection = self.connect()
        if connection is None:
            raise InfrastructureError("mysql: no more sessions are to be had", code="server-not-answering")
        cursor = connection.cursor()
        with _unbroken():
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")  # lock rows, not what is between
            limits = f"0, max_statement_time = {LEAST_S}" if self.mariadb else "1"
            cursor.execute(f"SET lock_wait_timeout = 1, innodb_lock_wait_timeout = {limits}")
            cost = self.cost(cursor)
        return MySQLProbe(self, kind, connection, cursor, cost)

    def rows(self, table: str) -> tuple[_Row, ...]:
        """The rows to ask for."""
        return self._rows.get(table, ())

    def choose(self, cursor: Any, table: str) -> int:
        """Look for rows to ask for from now on; none where the table has no primary key or no row. Answers how many it
        has read."""
        self._rows[table] = ()
        columns = self._keys.get(table, ())
        names = ", ".join(map(quoted, columns))
        found: dict[tuple[Any, ...], _Row] = {}
        read = 0
        for end in ENDS if columns else ():
            order = ", ".join(f"{quoted(column)} {end}" for column in columns)
            cursor.execute(f"SELECT {names} FROM {self._name(table)} ORDER BY {order} LIMIT 1")  # noqa: S608 - quoted
            read += cursor.rowcount
            found |= {tuple(values): _Row(columns, tuple(values)) for values in cursor.fetchall()}
        self._rows[table] = tuple(found.values())
        return read

    def forget(self, table: str) -> None:
        """The table has another key now: ask for the table alone."""
        self._keys.pop(table, None)
        self._rows[table] = ()

    def statement(self, kind: Kind, table: str, row: _Row | None, *, patient: bool) -> tuple[str, tuple[Any, ...]]:
        """What asks for a table, or for a row of it, and the values in it."""
        at_once = "" if patient or not self.mariadb else "SET STATEMENT lock_wait_timeout = 0 FOR "
        what = f"{at_once}SELECT 1 FROM {self._name(table)}"  # noqa: S608 - quoted
        if kind is Kind.READ:
            return f"{what} LIMIT 0", ()
        if row is None:
            return f"{what} LIMIT 0 FOR UPDATE", ()
        where = " AND ".join(f"{quoted(column)} = %s" for column in row.columns)
        return f"{what} WHERE {where} FOR UPDATE{'' if self.mariadb else ' NOWAIT'}", row.values

    def _name(self, table: str) -> str:
        return f"{quoted(self.database)}.{quoted(table)}"


@define
class MySQLProbe:
    """A session of the administrator."""

    probes: MySQLProbes
    kind: Kind
    connection: Any
    cursor: Any
    cost: Mapping[str, int]
    _read: int = 0
    """How many rows it has read."""
    _row: _Row | None = None
    """What it asked for last."""

    def ask(self, table: str, *, patient: bool) -> Answer:
        rows: Sequence[_Row | None] = (self._row,) if patient else (self.probes.rows(table) or (None,))
        for row in rows if self.kind is Kind.WRITE else (None,):
            self._row = row
            answer = self._ask(table, patient=patient)
            if answer is not Answer.FREE:
                return answer
        return Answer.FREE

    def free(self, tables: Sequence[str]) -> Collection[str]:  # noqa: ARG002 - each is a message of its own
        return ()

    def _ask(self, table: str, *, patient: bool) -> Answer:
        statement, values = self.probes.statement(self.kind, table, self._row, patient=patient)
        began = time.monotonic()
        try:
            found = self.cursor.execute(statement, values)
            self._read += found
            if self._row is not None and not found:  # it has gone
                self._read += self.probes.choose(self.cursor, table)
        except (pymysql.MySQLError, OSError) as error:
            return self._refused(table, error)
        # MySQL cannot be told not to wait for a table.
        waited = not self.probes.mariadb and time.monotonic() - began >= LEAST_S
        return Answer.BLOCKED if waited else Answer.FREE

    def close(self) -> Mapping[str, int]:
        with _unbroken(), contextlib.closing(self.connection):
            own = told(self.cursor)
        share = {name: own.get(name.lower(), 0) + self.cost.get(name, 0) for name in SESSION_COUNTERS}
        return {**share, "Innodb_rows_read": self._read}

    def _refused(self, table: str, error: Exception) -> Answer:
        code = error.args[0] if error.args else 0
        if code in _BUSY:
            return Answer.BLOCKED
        if code == _NO_SUCH_COLUMN:
            self.probes.forget(table)
            return Answer.FREE
        if code in _NO_TABLE:
            return Answer.GONE
        raise _broken(error) from error


@contextlib.contextmanager
def _unbroken() -> Iterator[None]:
    try:
        yield
    except (pymysql.MySQLError, OSError) as error:
        raise _broken(error) from error


def _broken(error: Exception) -> InfrastructureError:
    return InfrastructureError(f"mysql: a session that watches the tables broke: {error}", code="server-not-answering")
