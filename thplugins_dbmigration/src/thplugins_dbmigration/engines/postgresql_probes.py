"""Asking PostgreSQL for what a reader or a writer of one row needs.

Several tables are asked for in one message, which takes a fifth of the time, but each in a transaction of its own, so
that nobody has two of them.
"""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import psycopg
from attrs import define, field
from psycopg import generators, pq, sql

from thcore.errors import InfrastructureError
from thplugins_dbmigration.engines.postgresql_log import SILENT
from thplugins_dbmigration.engines.postgresql_questions import WARM, Questions
from thplugins_dbmigration.engines.postgresql_session import Reserve
from thplugins_dbmigration.measure.probes import Answer, Kind

OPTIONS = {
    # What it does is in no counter of the database, but for its transactions, and in no log.
    "track_counts": "off",
    **SILENT,
    # A database may have functions of its own that are called as the server's are, and this session may do anything.
    "search_path": "pg_catalog",
    # How long it may wait for the lock of an index while it has the table's, in milliseconds.
    "lock_timeout": "5",
    "synchronous_commit": "off",
    # Whatever the database says instead.
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
}
"""The settings of the sessions."""
_TABLES = (
    "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' "
    "AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"
)
# The last two: another relation has its name now, such as a view.
_NO_TABLE = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.WrongObjectType,
)
# A session that has counted nothing but transactions keeps them to itself, asked or not. What it reads here is of no
# database.
_TELL = b"SET LOCAL track_counts = on; SELECT FROM pg_tablespace; SELECT pg_stat_force_next_flush()"
_ROLLBACK_BYTES = 40
"""What the log takes for a transaction that is rolled back, if it has locked anything."""
_ALIGNMENT = 8


@define
class PostgreSQLProbes:
    """Of one ``database``. ``reserve`` has sessions of the administrator; ``inside`` is the one that the server has in
    this database already, and raises InfrastructureError."""

    database: str
    reserve: Reserve
    inside: Callable[[str], contextlib.AbstractContextManager[Any]]
    sparing: int = 120
    questions: Questions = field(factory=Questions)
    _rows: dict[str, tuple[str, ...]] = field(factory=dict)

    def known(self, tables: Sequence[str]) -> Sequence[str]:
        names = self.questions.names
        with self.inside("find the tables to watch") as connection:
            for schema, table in connection.execute(_TABLES).fetchall():
                names[table if schema == "public" else f"{schema}.{table}"] = sql.Identifier(schema, table)
        return [table for table in tables if table in names and table != WARM]

    def open(self, kind: Kind, *, late: bool = False) -> PostgreSQLProbe:
        connection = self.reserve.take(self.database, OPTIONS)
        if connection is None:
            raise InfrastructureError("postgresql: no more sessions are to be had", code="server-not-answering")
        connection.prepare_threshold = None  # several statements at once cannot be prepared
        probe = PostgreSQLProbe(self, kind, connection)
        # A session's first question takes it long, while it reads catalogues: let it be one of no table of the project.
        probe.ask(WARM, patient=False)
        if not late:
            probe.told()
        return probe

    def rows(self, table: str) -> tuple[str, ...]:
        """The rows that a writer asks for; none where they have to be found first."""
        return self._rows.get(table, ())

    def keep(self, table: str, rows: Sequence[str]) -> None:
        """Which rows to ask for from now on; where one has gone, look for others."""
        different = tuple(dict.fromkeys(rows))  # a small table has only one block
        if len(different) < len(self._rows.get(table, ())):
            del self._rows[table]
        elif different:
            self._rows[table] = different

    def forget(self, table: str) -> None:
        """Look for other rows."""
        self._rows.pop(table, None)


@define
class PostgreSQLProbe:
    """A session of the administrator. Each question is a transaction of its own."""

    probes: PostgreSQLProbes
    kind: Kind
    connection: Any
    _share: collections.Counter[str] = field(factory=lambda: collections.Counter(xact_commit=1))
    """Having it was a transaction too."""
    _row: str | None = None
    """The one that it was refused last, None where that was the table."""

    def ask(self, table: str, *, patient: bool) -> Answer:
        wanted = self._row if patient else None
        self._row = None
        try:
            for row, locked in self._found(table, wanted, patient=patient):
                if locked and not self._has(table, row):
                    self._row = row
                    return Answer.BLOCKED
        except psycopg.errors.LockNotAvailable:
            self._row = wanted
            return Answer.BLOCKED
        except _NO_TABLE:
            return Answer.GONE
        except psycopg.Error as error:
            raise _broken(error) from error
        return Answer.FREE

    def free(self, tables: Sequence[str]) -> Collection[str]:
        free: list[str] = []
        left = list(tables)
        while left:
            answered = self._each(left)
            free += [table for table, is_free in zip(left, answered, strict=False) if is_free]
            left = left[len(answered) + 1 :]  # but for the one that was refused, if one was
        return free

    def close(self) -> Mapping[str, int]:
        share = self.told()
        self.probes.reserve.leave(self.connection, self.probes.database, OPTIONS)
        return share

    def told(self) -> Mapping[str, int]:
        """Have the server know all that the session has done, and begin a new share: the last one is answered."""
        try:
            self._committed(_TELL)
        except psycopg.Error as error:
            raise _broken(error) from error
        share, self._share = self._share, collections.Counter()
        return share

    def _found(self, table: str, wanted: str | None, *, patient: bool) -> Sequence[tuple[str, bool]]:
        """Ask for the table. As a writer, which rows are there, or whether the one ``wanted`` is, and whether each may
        be locked."""
        rows = () if self.kind is Kind.READ else (wanted,) if wanted is not None else self.probes.rows(table)
        found = self._committed(self.probes.questions.question(self.kind, table, rows, patient=patient))
        if self.kind is Kind.WRITE and not rows:
            ((blocks,),) = found
            found = self._searched(table, blocks) if blocks else []
        if self.kind is Kind.WRITE and wanted is None:
            self.probes.keep(table, [row for row, _ in found])
        return found

    def _each(self, tables: Sequence[str]) -> Sequence[bool]:
        """Ask for each, in one message: whether it is free for sure, as far as the first one that is refused."""
        wanted = [(table, () if self.kind is Kind.READ else self.probes.rows(table)) for table in tables]
        own = self.connection.pgconn
        answered: list[bool] = []
        answer: Any = None
        try:
            own.send_query(b"".join(self.probes.questions.glance(self.kind, table, rows) for table, rows in wanted))
            for result in self.connection.wait(generators.execute(own)):
                if result.status == pq.ExecStatus.TUPLES_OK:
                    answer = result
                elif result.command_status == b"COMMIT":
                    answered.append(self.kind is Kind.READ or _is_free(wanted[len(answered)][1], answer))
                elif result.status == pq.ExecStatus.FATAL_ERROR:
                    self._share["xact_rollback"] += 1
                    self.connection.rollback()
        except psycopg.Error as error:
            raise _broken(error) from error
        self._share["xact_commit"] += len(answered)
        return answered

    def _searched(self, table: str, blocks: int) -> list[Any]:
        lock = self.probes.questions.lock(self.kind, table, patient=False)
        return self._committed(lock + self.probes.questions.search(table, blocks))

    def _has(self, table: str, row: str) -> bool:
        """Ask for the lock itself: whoever had it may have ended long ago, or need less than an UPDATE."""
        ((answer,),) = self._rolled_back(self.probes.questions.row_lock(self.kind, table, row))
        plan = answer[0]["Plan"]
        written = int(plan["WAL Bytes"])
        if written:
            self._share["wal_bytes"] += -(-written // _ALIGNMENT) * _ALIGNMENT + _ROLLBACK_BYTES
            self.probes.forget(table)  # there may be one that nobody has ever locked
        return bool(plan["Actual Rows"])

    def _committed(self, question: sql.Composed | bytes) -> list[Any]:
        try:
            rows = self._rows(question)
        except psycopg.Error:
            self._share["xact_rollback"] += 1
            raise
        self._share["xact_commit"] += 1
        return rows

    def _rolled_back(self, question: bytes) -> list[Any]:
        self._share["xact_rollback"] += 1
        try:
            return self._rows(question)
        except psycopg.Error:
            self.connection.rollback()
            raise

    def _rows(self, question: sql.Composed | bytes) -> list[Any]:
        """What the only one of these statements that answers rows answers. They are one transaction."""
        cursor = self.connection.execute(question)
        rows: list[Any] = []
        while True:
            if cursor.description is not None:
                rows = cursor.fetchall()
            if not cursor.nextset():
                return rows


def _is_free(rows: Sequence[str], answer: Any) -> bool:
    """Whether nobody has ever locked or moved these rows of a table; where none is known, whether it is empty."""
    if answer.ntuples != (len(rows) or 1):
        return False
    return all(answer.get_value(row, 0) == b"0" for row in range(answer.ntuples))


def _broken(error: object) -> InfrastructureError:
    told = f"postgresql: a session that watches the tables broke: {error}"
    return InfrastructureError(told, code="server-not-answering")
