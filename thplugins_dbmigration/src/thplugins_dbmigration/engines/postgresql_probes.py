"""Asking PostgreSQL for what a reader or a writer of one row needs.

First the table's lock, with LOCK TABLE: a statement that waits for it has nothing, not even a snapshot, that others
might wait for. Then a SELECT: a reader's reads no row, for no row is ever locked against reading, but needs the locks
of the indexes. A writer's looks at who has locked a row; only where somebody has, or had, the lock itself is asked for,
and never waited for. So nothing is written but where a row was locked before. Rows are addressed by their place, for
what looks into an index may clean up the page that it leads to.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psycopg
from attrs import define, field
from psycopg import sql

from thcore.errors import InfrastructureError
from thplugins_dbmigration.engines.postgresql_log import SILENT
from thplugins_dbmigration.engines.private import pause
from thplugins_dbmigration.measure.probes import LEAST_S, Answer, Kind

ROWS = 3
"""How many rows of a table are asked for: one in its first, one in its middle and one in its last block."""
ENDING_S = 10.0
"""How long a session that was closed is given to end."""
LINES = 300
"""As many rows as a block can have, and some more."""
MODES = {Kind.READ: sql.SQL("ACCESS SHARE"), Kind.WRITE: sql.SQL("ROW EXCLUSIVE")}
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
# Whether somebody may have locked a row. Who has is told in one column, which can be the number of one transaction or
# that of several together; there are fewer of those, and so it cannot be theirs where it is larger than the last.
_LOCKED = sql.SQL(
    "CASE WHEN xmax::text = '0' THEN false WHEN mxid_age(xmax) > 0 THEN true "
    "ELSE NOT pg_visible_in_snapshot(xmax::text::xid8, pg_current_snapshot()) END"
)
_WARM = ""
# The last two: another relation has its name now, such as a view.
_NO_TABLE = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.WrongObjectType,
)
_ROLLBACK_BYTES = 40
"""What the log takes for a transaction that is rolled back, if it has locked anything."""
_ALIGNMENT = 8


@define
class PostgreSQLProbes:
    """Of one database. ``connect`` answers a new session of the administrator with some settings, None when there is
    none to be had; ``inside`` is the one that the server has in this database already, and raises InfrastructureError;
    ``outside`` is one that it has in another."""

    connect: Callable[[Mapping[str, str]], Any]
    inside: Callable[[str], contextlib.AbstractContextManager[Any]]
    outside: Any
    _names: dict[str, sql.Identifier] = field(factory=lambda: {_WARM: sql.Identifier("pg_catalog", "pg_am")})
    _rows: dict[str, tuple[str, ...]] = field(factory=dict)
    _questions: dict[tuple[Kind, str, bool], tuple[tuple[str, ...], bytes]] = field(factory=dict)
    """As they were put together last, and for which rows: to do that again takes longer than the answer."""

    def known(self, tables: Sequence[str]) -> Sequence[str]:
        with self.inside("find the tables to watch") as connection:
            for schema, table in connection.execute(_TABLES).fetchall():
                self._names[table if schema == "public" else f"{schema}.{table}"] = sql.Identifier(schema, table)
        return [table for table in tables if table in self._names and table != _WARM]

    def open(self, kind: Kind, *, late: bool = False) -> PostgreSQLProbe:
        connection = self.connect(OPTIONS)
        if connection is None:
            raise InfrastructureError("postgresql: no more sessions are to be had", code="server-not-answering")
        connection.prepare_threshold = None  # several statements at once cannot be prepared
        # Its first transaction comes with it, and is told at once.
        probe = PostgreSQLProbe(self, kind, connection, {"xact_commit": int(late), "xact_rollback": 0, "wal_bytes": 0})
        # A session's first question takes it long, while it reads catalogues: let it be one of no table of the project.
        probe.ask(_WARM, patient=False)
        return probe

    def lock(self, kind: Kind, table: str, *, patient: bool) -> sql.Composed:
        """What asks for the table's lock."""
        lock = sql.SQL("LOCK TABLE ONLY {} IN {} MODE").format(self._names[table], MODES[kind])
        if not patient:
            return lock + sql.SQL(" NOWAIT; ")
        patience = sql.SQL("SET LOCAL lock_timeout = {}; ").format(sql.Literal(int(LEAST_S * 1000)))
        return patience + lock + sql.SQL("; SET LOCAL lock_timeout TO DEFAULT; ")

    def rows(self, table: str) -> tuple[str, ...]:
        """The rows that a writer asks for; none where they have to be found first."""
        return self._rows.get(table, ())

    def question(self, kind: Kind, table: str, rows: tuple[str, ...], *, patient: bool) -> bytes:
        """What asks for the table and all that is wanted of it. A writer's is answered as by ``look`` where there are
        ``rows``, and else with the number of the table's blocks: an empty one is not searched."""
        made = self._questions.get((kind, table, patient))
        if made is None or made[0] != rows:
            wanted = self.look(table, rows) if rows else self._touch(table)
            if kind is Kind.WRITE and not rows:
                wanted += sql.SQL("; ") + self._blocks(table)
            made = rows, (self.lock(kind, table, patient=patient) + wanted).as_bytes(None)
            self._questions[kind, table, patient] = made
        return made[1]

    def look(self, table: str, rows: Sequence[str]) -> sql.Composed:
        """What tells which of these rows are there, and whether somebody may have locked them."""
        return self._look(table, sql.SQL("{}::tid[]").format(sql.Literal(list(rows))))

    def _touch(self, table: str) -> sql.Composed:
        """What needs the locks of the table and its indexes, and no row."""
        return sql.SQL("SELECT FROM ONLY {} LIMIT 0").format(self._names[table])

    def _blocks(self, table: str) -> sql.Composed:
        """What tells how many blocks the table has."""
        size = sql.SQL("SELECT pg_relation_size({}) / current_setting('block_size')::int")
        return size.format(sql.Literal(self._names[table].as_string()))

    def search(self, table: str, blocks: int) -> sql.Composed:
        """What finds a row each in some blocks that lie as far from each other as can be, as ``look`` tells them."""
        numbers = sorted({(blocks - 1) * part // (ROWS - 1) for part in range(ROWS)})
        places = sql.SQL("ARRAY(SELECT format('(%s,%s)', block, line)::tid FROM generate_series(1, {}) line)")
        each = self._look(table, places.format(sql.Literal(LINES))) + sql.SQL(" ORDER BY locked LIMIT 1")
        parts = sql.SQL("SELECT row, locked FROM unnest({}) block, LATERAL ({}) found")
        return parts.format(sql.Literal(numbers), each)

    def _look(self, table: str, places: sql.Composable) -> sql.Composed:
        look = sql.SQL("SELECT ctid::text AS row, {} AS locked FROM ONLY {} WHERE ctid = ANY ({})")
        return look.format(_LOCKED, self._names[table], places)

    def row_lock(self, table: str, row: str) -> sql.Composed:
        """What asks for a row's lock, and says whether it was to be had and what was written for it."""
        take = sql.SQL("SELECT FROM ONLY {} WHERE ctid = {}::tid FOR NO KEY UPDATE SKIP LOCKED")
        explain = sql.SQL("EXPLAIN (ANALYZE, WAL, TIMING OFF, FORMAT JSON) ")
        return explain + take.format(self._names[table], sql.Literal(row))

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
    _share: dict[str, int]
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

    def close(self) -> Mapping[str, int]:
        if self.connection.closed:
            raise _broken("it has ended by itself")
        process = self.connection.info.backend_pid
        self.connection.close()
        _await_end(self.probes.outside, process)
        return self._share

    def _found(self, table: str, wanted: str | None, *, patient: bool) -> Sequence[tuple[str, bool]]:
        """Ask for the table. As a writer, which rows are there, or whether the one ``wanted`` is, and whether each may
        be locked."""
        rows = () if self.kind is Kind.READ else (wanted,) if wanted is not None else self.probes.rows(table)
        found = self._committed(self.probes.question(self.kind, table, rows, patient=patient))
        if self.kind is Kind.WRITE and not rows:
            ((blocks,),) = found
            found = self._searched(table, blocks) if blocks else []
        if self.kind is Kind.WRITE and wanted is None:
            self.probes.keep(table, [row for row, _ in found])
        return found

    def _searched(self, table: str, blocks: int) -> list[Any]:
        lock = self.probes.lock(self.kind, table, patient=False)
        return self._committed(lock + self.probes.search(table, blocks))

    def _has(self, table: str, row: str) -> bool:
        """Ask for the lock itself: whoever had it may have ended long ago, or need less than an UPDATE."""
        question = self.probes.lock(self.kind, table, patient=False) + self.probes.row_lock(table, row)
        ((answer,),) = self._rolled_back(question)
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

    def _rolled_back(self, question: sql.Composed) -> list[Any]:
        self._share["xact_rollback"] += 1
        try:
            return self._rows(sql.SQL("BEGIN; ") + question + sql.SQL("; ROLLBACK"))
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


def _await_end(connection: Any, process: int) -> None:
    """Wait until a session that was closed has ended: before that, it tells its counts."""
    deadline = time.monotonic() + ENDING_S
    try:
        while connection.execute("SELECT FROM pg_stat_activity WHERE pid = %s", (process,)).fetchone() is not None:
            if time.monotonic() > deadline:
                raise _broken("it does not end")
            pause(0.002)
    except psycopg.Error as error:
        raise _broken(error) from error


def _broken(error: object) -> InfrastructureError:
    told = f"postgresql: a session that watches the tables broke: {error}"
    return InfrastructureError(told, code="server-not-answering")
