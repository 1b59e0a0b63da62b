"""Asking PostgreSQL for what a reader or a writer of one row needs.

First the table's lock, with LOCK TABLE: a statement that waits for it has nothing, not even a snapshot, that others
might wait for. Then a SELECT: a reader's reads no row, for no row is ever locked against reading, but needs the locks
of the indexes. A writer's looks at who has locked a row; only where somebody has, or had, the lock itself is asked for,
and never waited for. So nothing is written but where a row was locked before. Rows are addressed by their place, for
what looks into an index may clean up the page that it leads to.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psycopg
from attrs import define, field
from psycopg import sql

from thcore.errors import InfrastructureError
from thplugins_dbmigration.measure.probes import LEAST_S, Answer, Kind, Place

ROWS = 3
"""How many rows of a table are asked for: one in its first, one in its middle and one in its last block."""
LINES = 300
"""As many rows as a block can have, and some more."""
MODES = {Kind.READ: sql.SQL("ACCESS SHARE"), Kind.WRITE: sql.SQL("ROW EXCLUSIVE")}
OPTIONS = {
    # What it does is in no counter of the database, but for its transactions, and in no log.
    "track_counts": "off",
    "log_min_messages": "panic",
    "log_statement": "none",
    "log_duration": "off",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_lock_waits": "off",
    "log_temp_files": "-1",
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
_WARM = Place("")
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
    none to be had; ``inside`` is the one that the server has already, and raises InfrastructureError; ``ended`` waits
    until a process of the server's has gone, and so told its counts."""

    connect: Callable[[Mapping[str, str]], Any]
    inside: Callable[[str], contextlib.AbstractContextManager[Any]]
    ended: Callable[[int], None]
    _names: dict[str, sql.Identifier] = field(factory=lambda: {_WARM.table: sql.Identifier("pg_catalog", "pg_am")})
    _rows: dict[Place, str] = field(factory=dict)

    def places(self, kind: Kind, tables: Sequence[str]) -> Sequence[Place]:
        with self.inside("find the tables to watch") as connection:
            for schema, table in connection.execute(_TABLES).fetchall():
                self._names[table if schema == "public" else f"{schema}.{table}"] = sql.Identifier(schema, table)
        rows = range(ROWS if kind is Kind.WRITE else 1)
        return [Place(table, row) for row in rows for table in tables if table in self._names]

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

    def lock(self, kind: Kind, place: Place, *, patient: bool) -> sql.Composed:
        """What asks for the table's lock."""
        lock = sql.SQL("LOCK TABLE ONLY {} IN {} MODE").format(self._names[place.table], MODES[kind])
        if not patient:
            return lock + sql.SQL(" NOWAIT; ")
        patience = sql.SQL("SET LOCAL lock_timeout = {}; ").format(sql.Literal(int(LEAST_S * 1000)))
        return patience + lock + sql.SQL("; SET LOCAL lock_timeout TO DEFAULT; ")

    def look(self, kind: Kind, place: Place) -> sql.Composed:
        """What looks at the table when its lock is there; for a writer, where the row is and whether somebody has ever
        locked it."""
        name = self._names[place.table]
        if kind is Kind.READ:
            return sql.SQL("SELECT FROM ONLY {} LIMIT 0").format(name)
        row = self._rows.get(place)
        where = _one(row) if row is not None else _in_block(name, place.row)
        return sql.SQL("SELECT ctid::text, {} FROM ONLY {} WHERE ctid = {} ORDER BY 2 LIMIT 1").format(
            _LOCKED, name, where
        )

    def row_lock(self, place: Place, row: str) -> sql.Composed:
        """What asks for a row's lock, and says whether it was to be had and what was written for it."""
        take = sql.SQL("SELECT FROM ONLY {} WHERE ctid = {} FOR NO KEY UPDATE SKIP LOCKED")
        explain = sql.SQL("EXPLAIN (ANALYZE, WAL, TIMING OFF, FORMAT JSON) ")
        return explain + take.format(self._names[place.table], _one(row))

    def keep(self, place: Place, row: str | None) -> None:
        """Which row to ask for at a place from now on; None: look for one."""
        if row is None:
            self._rows.pop(place, None)
        else:
            self._rows[place] = row


def _one(row: str) -> sql.Composed:
    return sql.SQL("{}::tid").format(sql.Literal(row))


def _in_block(name: sql.Identifier, row: int) -> sql.Composed:
    last = sql.SQL("greatest(pg_relation_size({}) / current_setting('block_size')::int - 1, 0)").format(
        sql.Literal(name.as_string())
    )
    return sql.SQL(
        "ANY (ARRAY(SELECT format('(%s,%s)', {} * {} / {}, line)::tid FROM generate_series(1, {}) line))"
    ).format(last, sql.Literal(row), sql.Literal(ROWS - 1), sql.Literal(LINES))


@define
class PostgreSQLProbe:
    """A session of the administrator. Each question is a transaction of its own."""

    probes: PostgreSQLProbes
    kind: Kind
    connection: Any
    _share: dict[str, int]

    def ask(self, place: Place, *, patient: bool) -> Answer:
        question = self.probes.lock(self.kind, place, patient=patient) + self.probes.look(self.kind, place)
        try:
            found = self._committed(question)
            if self.kind is Kind.READ:
                return Answer.FREE
            if not found:
                self.probes.keep(place, None)
                return Answer.FREE
            ((row, locked),) = found
            self.probes.keep(place, row)
            return self._ask_for_row(place, row) if locked else Answer.FREE
        except psycopg.errors.LockNotAvailable:
            return Answer.BLOCKED
        except _NO_TABLE:
            return Answer.GONE
        except psycopg.Error as error:
            raise _broken(error) from error

    def close(self) -> Mapping[str, int]:
        if self.connection.closed:
            raise _broken("it has ended by itself")
        process = self.connection.info.backend_pid
        self.connection.close()
        self.probes.ended(process)
        return self._share

    def _ask_for_row(self, place: Place, row: str) -> Answer:
        """Ask for the lock itself: whoever had it may have ended long ago, or need less than an UPDATE."""
        question = self.probes.lock(self.kind, place, patient=False) + self.probes.row_lock(place, row)
        ((answer,),) = self._rolled_back(question)
        plan = answer[0]["Plan"]
        written = int(plan["WAL Bytes"])
        if written:
            self._share["wal_bytes"] += -(-written // _ALIGNMENT) * _ALIGNMENT + _ROLLBACK_BYTES
        if not plan["Actual Rows"]:
            return Answer.BLOCKED
        self.probes.keep(place, None)  # there may be one that nobody has ever locked
        return Answer.FREE

    def _committed(self, question: sql.Composed) -> list[Any]:
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

    def _rows(self, question: sql.Composed) -> list[Any]:
        """What the only one of these statements that answers rows answers. They are one transaction."""
        cursor = self.connection.execute(question)
        rows: list[Any] = []
        while True:
            if cursor.description is not None:
                rows = cursor.fetchall()
            if not cursor.nextset():
                return rows


def _broken(error: object) -> InfrastructureError:
    told = f"postgresql: a session that watches the tables broke: {error}"
    return InfrastructureError(told, code="server-not-answering")
