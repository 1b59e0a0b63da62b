"""The locks that sessions of a project have on tables and rows of MySQL and MariaDB.

Tables: MariaDB's plugin metadata_lock_info tells each lock as it is at the moment. performance_schema, in MySQL and in
MariaDB, tells the mode in which it was asked for, though ALTER TABLE raises it later; so nothing is told of them there.

Rows: InnoDB tells how many a transaction has locked, not which.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import pymysql
from attrs import define, frozen

from thcore.errors import InfrastructureError
from thplugins_dbmigration.engines.mysql_share import Share
from thplugins_dbmigration.engines.mysql_statements import kept
from thplugins_dbmigration.measure.lock_view import Against, Held

PLUGIN = "metadata_lock_info"
UNTOLD = "in which mode a table is locked is told by MariaDB alone, with its plugin metadata_lock_info"
TABLES_INTERVAL_S = 0.05
ROWS_INTERVAL_S = 0.12
_STALE_S = 0.1
"""InnoDB looks at its transactions again when nobody has asked for them for so long."""
MODES: Mapping[str, Against] = {
    "SHARED_UPGRADABLE": Against.SCHEMA,
    "SHARED_READ_ONLY": Against.WRITERS,
    "SHARED_NO_WRITE": Against.WRITERS,
    "SHARED_NO_READ_WRITE": Against.ALL,
    "EXCLUSIVE": Against.ALL,
}
"""Modes of locks on tables. Who reads or writes one has a weaker lock, which only changes of the schema wait for."""
WRITING, ROWS = "SHARED_WRITE", "RECORD"
"""What locks of rows are told as: the mode of the table's lock that goes with them, and where that is not told."""

_BY_LOCK_TABLES = frozenset({"SHARED_READ_ONLY", "SHARED_NO_READ_WRITE"})
"""Those that UNLOCK TABLES gives back. The others go with their statement."""
_TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_type = 'BASE TABLE'"
# What is instrumented are the sessions of others than the gate: see mysql_statements.leaving_out().
_LOCKS = """
SELECT l.thread_id, l.lock_mode, l.table_name, s.event_id
FROM information_schema.metadata_lock_info l
JOIN performance_schema.threads t ON t.processlist_id = l.thread_id AND t.instrumented = 'YES'
JOIN performance_schema.events_statements_current s ON s.thread_id = t.thread_id
WHERE l.table_schema = %s AND l.lock_type = 'Table metadata lock'
"""
_ROWS = """
SELECT x.trx_id, x.trx_rows_locked, {}
FROM information_schema.innodb_trx x
JOIN performance_schema.threads t ON t.processlist_id = x.trx_mysql_thread_id AND t.instrumented = 'YES'
{} WHERE x.trx_rows_locked > 0
"""
_WRITTEN = f"""
JOIN information_schema.metadata_lock_info l ON l.thread_id = x.trx_mysql_thread_id
AND l.table_schema = %s AND l.lock_type = 'Table metadata lock' AND l.lock_mode = 'MDL_{WRITING}'
"""


@frozen
class Session:
    """The administrator's, with the names of the tables that are there, from which ``share`` counts."""

    connection: Any
    cursor: Any
    database: str
    tables: frozenset[str]
    share: Share

    @classmethod
    def open(cls, connection: Any, database: str, cost: Mapping[str, int]) -> Session:
        """Without a ``connection`` there was none to be had; ``cost`` is what telling its own counters costs. Raises
        InfrastructureError."""
        if connection is None:
            raise InfrastructureError("mysql: no more sessions are to be had", code="server-not-answering")
        with _unbroken():
            cursor = connection.cursor()
            cursor.execute(_TABLES, (database,))
            tables = frozenset(str(name) for (name,) in cursor.fetchall())
            return cls(connection, cursor, database, tables, Share.begin(cursor, cost))

    def close(self) -> Mapping[str, int]:
        """End it, and tell its share. Raises InfrastructureError."""
        with _unbroken(), contextlib.closing(self.connection):
            return self.share.end()

    def asked(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        """What the server answers. Raises InfrastructureError."""
        with _unbroken():
            self.cursor.execute(question, values)
            return list(self.cursor.fetchall())


@frozen
class MariaDBTableLocks:
    """Locks on tables."""

    session: Session
    interval_s: float = TABLES_INTERVAL_S

    def look(self) -> Collection[Held]:
        locks = self.session.asked(_LOCKS, self.session.database)
        return [
            Held(table, mode, MODES[mode], frozenset({_holder(thread, mode, statement)}))
            for thread, told, table, statement in locks
            if (mode := str(told).removeprefix("MDL_")) in MODES and table in self.session.tables
        ]

    def close(self) -> Mapping[str, int]:
        return self.session.close()


@define
class MySQLRowLocks:
    """Locks on rows. Where ``tables`` can be told, of those that their transaction writes."""

    session: Session
    tables: bool
    interval_s: float = ROWS_INTERVAL_S
    _looked_s: float = 0.0
    """When it last did, on the clock of ``time.monotonic``."""

    def look(self) -> Collection[Held] | None:
        if time.monotonic() - self._looked_s <= _STALE_S:
            return None
        session = self.session
        if self.tables:
            transactions = session.asked(_ROWS.format("l.table_name", _WRITTEN), session.database)
        else:
            transactions = session.asked(_ROWS.format("''", ""))
        self._looked_s = time.monotonic()
        mode = WRITING if self.tables else ROWS
        return [
            Held(table, mode, Against.ROWS, frozenset({str(transaction)}), rows=int(rows))
            for transaction, rows, table in transactions
            if not table or table in session.tables
        ]

    def close(self) -> Mapping[str, int]:
        return self.session.close()


View = MariaDBTableLocks | MySQLRowLocks


def views(cursor: Any, database: str, connect: Callable[[], Any], cost: Mapping[str, int]) -> tuple[View, ...]:
    """Those of a server, each with a session of its own; none where nobody knows whose a lock is. ``connect`` answers
    a session of the administrator, None when there is none to be had; ``cost`` is what telling its own counters costs
    one. Raises InfrastructureError."""
    if not kept(cursor):
        return ()
    tables = tells_tables(cursor)
    rows = MySQLRowLocks(Session.open(connect(), database, cost), tables)
    return (MariaDBTableLocks(Session.open(connect(), database, cost)), rows) if tables else (rows,)


def tells_tables(cursor: Any) -> bool:
    """Whether the server has the plugin."""
    cursor.execute("SELECT 1 FROM information_schema.plugins WHERE plugin_name = %s", (PLUGIN,))
    return cursor.fetchone() is not None


def _holder(thread: int, mode: str, statement: object) -> str:
    return str(thread) if mode in _BY_LOCK_TABLES else f"{thread} {statement}"


@contextlib.contextmanager
def _unbroken() -> Iterator[None]:
    try:
        yield
    except (pymysql.MySQLError, OSError) as error:
        told = f"mysql: the session that looks at locks broke: {error}"
        raise InfrastructureError(told, code="server-not-answering") from error
